/** A node's worth of pods at once, 110 with four networks each: all succeed, no address twice, nothing left, and the daemon stays small. */

import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { traces } from "../support/leaks.ts";
import { debuggable, liveMemory } from "../support/live-memory.ts";
import { cidrs } from "../support/namespace.ts";
import { TestNode } from "../support/test-node.ts";

const count = 110;
/** kB. */
const memoryLimit = 90 * 1024;
/** Bytes that the daemon may keep more of after one more run. */
const growthLimit = 256 * 1024;

describe(`${count} pods with four networks at once`, () => {
  let node: TestNode;
  let netconf: Readonly<Record<string, unknown>>;

  beforeAll(async () => {
    node = await TestNode.start({ daemonSurroundings: { environment: debuggable } });
    netconf = await node.bridgeNetconf("10.140.0.0/24");
    for (const [index, name] of ["one", "two", "three"].entries()) {
      node.writeMacvlan(name, `10.14${index + 1}.0.0/24`);
    }
  });

  afterAll(async () => {
    await node?.[Symbol.asyncDispose]();
  });

  /** Samples the daemon's resident memory until told to stop. @returns the highest sample, kB */
  async function sampleMemory(signal: AbortSignal): Promise<number> {
    let highest = 0;
    while (!signal.aborted) {
      highest = Math.max(highest, node.daemon.memory().resident);
      await sleep(50);
    }
    return highest;
  }

  /** Adds all pods and removes them. @returns the daemon's highest memory meanwhile, kB */
  async function addAndRemove(run: string): Promise<number> {
    const before = await traces(node);
    const idle = node.daemon.memory().resident;
    const pods = [];
    for (let index = 0; index < count; index += 1) pods.push(await node.pod(`pod-${index}`, "one,two,three"));

    const watching = new AbortController();
    const memory = sampleMemory(watching.signal);
    const started = performance.now();
    const added = await Promise.all(pods.map((pod) => node.call("ADD", pod, netconf)));
    const addTime = performance.now() - started;
    for (const answer of added) answer.expectSuccess();

    const addresses = (await Promise.all(pods.map((pod) => pod.network.links())))
      .flat()
      .flatMap((link) => cidrs(link));
    expect(addresses).toHaveLength(4 * count);
    expect(new Set(addresses).size).toBe(4 * count);

    const deletionStarted = performance.now();
    const deleted = await Promise.all(pods.map((pod) => node.call("DEL", pod, netconf)));
    const deleteTime = performance.now() - deletionStarted;
    for (const answer of deleted) answer.expectSuccess();
    expect(await traces(node)).toEqual(before);
    for (const pod of pods) await pod[Symbol.asyncDispose]();

    watching.abort();
    const highest = await memory;
    const { peak, resident } = node.daemon.memory();
    console.log(
      `${run}: ${count} ADDs ${(addTime / 1000).toFixed(1)} s, DELs ${(deleteTime / 1000).toFixed(1)} s; daemon ${idle} kB idle, ${highest} kB highest sample, ${peak} kB peak, ${resident} kB after`,
    );
    return Math.max(highest, peak);
  }

  test.each(["first run", "second run", "third run"])("%s", async (run) => {
    expect(await addAndRemove(run)).toBeLessThanOrEqual(memoryLimit);
  });

  // Resident memory says little of that: the engine keeps some of what it once had.
  test("the daemon keeps nothing of pods that are gone", async () => {
    const before = await liveMemory(node.daemon);
    await addAndRemove("fourth run");
    const after = await liveMemory(node.daemon);
    console.log(`live: ${before} bytes before, ${after} after`);
    expect(after).toBeLessThanOrEqual(before + growthLimit);
  });
});
