/** Fifty pods at once: all get their networks, no address twice, and all of it goes again. */

import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { runCommand } from "../support/command.ts";
import { traces } from "../support/leaks.ts";
import { shim, TestNode } from "../support/test-node.ts";

const count = 50;

describe(`${count} pods at once`, () => {
  let node: TestNode;
  let netconf: Readonly<Record<string, unknown>>;

  beforeAll(async () => {
    node = await TestNode.start();
    netconf = await node.bridgeNetconf("10.30.0.0/24");
    node.writeMacvlan("storage", "10.31.0.0/24");
    // The plugin gives a new bridge its MAC for good, and several that do so at once see different ones: their CHECK fails.
    await using first = await node.pod("first");
    (await node.call("ADD", first, netconf)).expectSuccess();
    (await node.call("DEL", first, netconf)).expectSuccess();
  });

  afterAll(async () => {
    await node?.[Symbol.asyncDispose]();
  });

  /** Asks whether the daemon lives, as the kubelet does, again and again. @returns milliseconds of each probe; all were answered */
  async function probesDuring(work: Promise<unknown>): Promise<readonly number[]> {
    const times: number[] = [];
    let isOver = false;
    const end = () => {
      isOver = true;
    };
    work.then(end, end);
    do {
      const { exitCode, stdout, milliseconds } = await runCommand([
        shim,
        "probe",
        "live",
        "--socket-dir",
        node.socketDir,
      ]);
      expect([exitCode, stdout.toString()]).toEqual([0, "live: ok\n"]);
      times.push(milliseconds);
    } while (!isOver);
    return times;
  }

  test.each(["first run", "second run"])("get their networks and lose them, %s", async () => {
    const before = await traces(node);
    const pods = await Promise.all(
      Array.from({ length: count }, (_, index) => node.pod(`pod-${index}`, "storage")),
    );
    const adding = Promise.all(pods.map((pod) => node.call("ADD", pod, netconf)));
    const probed = await probesDuring(adding);
    const added = await adding;
    // The manifests' liveness probe waits as long, and fails three times in a row before a restart.
    expect(Math.max(...probed)).toBeLessThan(12_000);
    process.stdout.write(`slowest of ${probed.length} probes: ${Math.max(...probed).toFixed(0)} ms\n`);
    const addresses = added.flatMap(({ result }) => result.ips?.map(({ address }) => address) ?? []);
    expect(new Set(addresses).size).toBe(count);
    expect((await traces(node)).reservations).toHaveLength(2 * count);

    // Half of them get DEL while others are checked.
    const answers = await Promise.all(
      pods.map((pod, index) => node.call(index % 2 === 0 ? "DEL" : "CHECK", pod, netconf)),
    );
    for (const answer of answers) answer.expectSuccess();
    const rest = await Promise.all(pods.map((pod) => node.call("DEL", pod, netconf)));
    for (const answer of rest) answer.expectSuccess();
    expect(await traces(node)).toEqual(before);
    for (const pod of pods) await pod[Symbol.asyncDispose]();
  });
});
