/** The daemon is away for the whole life of a DEL: the runtime removes the pod at once, and the next call of any pod frees what it had. */

import { appendFileSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { readSpool } from "../../src/multus/spool/spool.ts";
import { installDelegate, slowly } from "../support/delegates.ts";
import { reservations, traces } from "../support/leaks.ts";
import { markedProcesses, session } from "../support/session.ts";
import { debianPlugins, type Pod, TestNode } from "../support/test-node.ts";

const patience = { timeout: 60_000, interval: 20 };

describe("a node whose daemon is away", () => {
  let node: TestNode;
  let netconf: Readonly<Record<string, unknown>>;

  beforeAll(async () => {
    node = await TestNode.start();
    netconf = await node.bridgeNetconf("10.70.0.0/24");
    const { add, other } = slowly(0.15, join(debianPlugins, "macvlan"));
    installDelegate(node, "slow-macvlan", add, other);
    // Five addresses beside the gateway's.
    node.writeMacvlan("scarce", "10.71.0.0/29");
    node.writeMacvlan("slow", "10.72.0.0/24", "slow-macvlan");
  });

  afterAll(async () => {
    await node?.[Symbol.asyncDispose]();
  });

  /** Removes a pod as a runtime does: DEL, and once that succeeds the namespace goes. */
  async function remove(pod: Pod): Promise<void> {
    (await node.call("DEL", pod, netconf)).expectSuccess();
    await pod[Symbol.asyncDispose]();
  }

  /** A call that does nothing but reach the daemon: nothing is known of the pod. */
  async function reachDaemon(pod: Pod): Promise<void> {
    expect((await node.call("CHECK", pod, netconf)).error.code).toBe(3);
  }

  const waiting = async () => (await readSpool(node.cniDir)).waiting;

  /** Plugins that run: children that replay, where no call is under way. */
  const replayers = () =>
    markedProcesses().filter(
      ({ session: owner, command }) => owner === session && command.endsWith("build/multus"),
    );

  /** Waits until nothing is recorded any more, and who did it is gone. */
  const untilReplayed = () =>
    vi.waitFor(async () => {
      expect(await waiting()).toBe(0);
      expect(replayers()).toEqual([]);
    }, patience);

  test("its pod is gone at once; one call of another pod later the address is free again", async () => {
    const before = await traces(node);
    const pod = await node.pod("gone", "scarce");
    (await node.call("ADD", pod, netconf)).expectSuccess();
    const had = reservations(node).filter((reservation) => !before.reservations.includes(reservation));
    expect(had).toHaveLength(2);

    await node.daemon.stop("SIGKILL");
    const answer = await node.call("DEL", pod, netconf);
    answer.expectSuccess();
    expect(answer.stderr).toContain("this DEL is recorded in");
    await pod[Symbol.asyncDispose]();
    // Runtimes repeat it, with no namespace.
    const again = await node.call("DEL", pod, netconf, { netns: "" });
    again.expectSuccess();
    expect(await readSpool(node.cniDir)).toMatchObject({ waiting: 1, failed: 0, broken: 0 });
    expect(reservations(node)).toEqual(expect.arrayContaining(had));

    await node.daemon.start();
    await using other = await node.pod("other");
    (await node.call("ADD", other, netconf)).expectSuccess();
    await untilReplayed();
    for (const reservation of had) expect(reservations(node)).not.toContain(reservation);
    (await node.call("DEL", other, netconf)).expectSuccess();
    expect(await traces(node)).toEqual(before);
  });

  test("a network with no address left has one again, though nobody asks for that but the next pod's calls", async () => {
    const before = await traces(node);
    const pods = await Promise.all(
      Array.from({ length: 5 }, (_, index) => node.pod(`scarce-${index}`, "scarce")),
    );
    for (const pod of pods) (await node.call("ADD", pod, netconf)).expectSuccess();
    await using further = await node.pod("further", "scarce");
    expect((await node.call("ADD", further, netconf)).exitCode).not.toBe(0);
    await node.daemon.stop("SIGKILL");
    await Promise.all(pods.map(remove));
    expect(await waiting()).toBe(5);
    await node.daemon.start();
    // As a runtime does: DEL after an ADD that failed, then the ADD again.
    (await node.call("DEL", further, netconf)).expectSuccess();
    await untilReplayed();
    (await node.call("ADD", further, netconf)).expectSuccess();
    (await node.call("DEL", further, netconf)).expectSuccess();
    expect(await traces(node)).toEqual(before);
  });

  test("thirty pods at once, and a power cut in the middle of the replay: all is free after one more call", async () => {
    const before = await traces(node);
    const pods = await Promise.all(
      Array.from({ length: 30 }, (_, index) => node.pod(`many-${index}`, "slow")),
    );
    await Promise.all(
      pods.map((pod) => node.call("ADD", pod, netconf).then((answer) => answer.expectSuccess())),
    );
    await node.daemon.stop("SIGKILL");
    await Promise.all(pods.map(remove));
    expect(await waiting()).toBe(30);

    await node.daemon.start();
    await using other = await node.pod("other");
    await reachDaemon(other);
    await vi.waitFor(async () => expect(await waiting()).toBeLessThan(28), patience);
    // All at once, as a power cut: the child, its plugins, the daemon.
    const killed = replayers();
    expect(killed).toHaveLength(1);
    for (const { pid } of killed) process.kill(pid, "SIGKILL");
    await node.daemon.stop("SIGKILL");
    const left = await waiting();
    expect(left).toBeGreaterThan(0);
    await sleep(300);
    expect(await waiting()).toBe(left);

    await node.daemon.start();
    await reachDaemon(other);
    await untilReplayed();
    expect(await readSpool(node.cniDir)).toMatchObject({ failed: 0, broken: 0 });
    expect(await traces(node)).toEqual(before);
  });

  test("a daemon that stands still is as good as none: its pod goes, and is undone once when it moves again", async () => {
    const before = await traces(node);
    const log = join(node.directory, "counted.log");
    installDelegate(node, "counted", 'echo "{}"', `echo "$CNI_COMMAND" >> ${log}`);
    node.writeNetwork("default/counted", { cniVersion: "1.0.0", name: "counted", type: "counted" });
    const pod = await node.pod("still", "counted,scarce");
    (await node.call("ADD", pod, netconf)).expectSuccess();
    process.kill(node.daemon.pid, "SIGSTOP");
    try {
      const answer = await node.call("DEL", pod, netconf);
      answer.expectSuccess();
      expect(answer.stderr).toContain("hangs: it does not read what it is sent; this DEL is recorded in");
      await pod[Symbol.asyncDispose]();
      // Runtimes repeat it.
      (await node.call("DEL", pod, netconf, { netns: "" })).expectSuccess();
      expect(await waiting()).toBe(1);
    } finally {
      process.kill(node.daemon.pid, "SIGCONT");
    }
    // It finds both in its socket, and nobody behind them.
    await vi.waitFor(() => expect(node.daemon.output.match(/DEL failed .*still/g)).toHaveLength(2), patience);
    expect(readdirSync(node.cniDir)).toContain(pod.containerId);
    await using other = await node.pod("other");
    await reachDaemon(other);
    await untilReplayed();
    expect(readFileSync(log, "utf8")).toBe("DEL\n");
    expect(await traces(node)).toEqual(before);
  });

  test("what cannot be undone yet stays recorded, and is no obstacle for others", async () => {
    const before = await traces(node);
    const log = join(node.directory, "refusing.log");
    appendFileSync(log, "");
    installDelegate(
      node,
      "refusing",
      'echo "{}"',
      `echo "$CNI_COMMAND" >> ${log}; [ -e ${log}.may ] || exit 1`,
    );
    node.writeNetwork("default/refusing", { cniVersion: "1.0.0", name: "refusing", type: "refusing" });
    const stubborn = await node.pod("stubborn", "refusing");
    const easy = await node.pod("easy", "scarce");
    for (const pod of [stubborn, easy]) (await node.call("ADD", pod, netconf)).expectSuccess();
    await node.daemon.stop("SIGKILL");
    await remove(stubborn);
    await remove(easy);
    await node.daemon.start();
    await using other = await node.pod("other");
    await reachDaemon(other);
    await vi.waitFor(
      async () => expect(await readSpool(node.cniDir)).toMatchObject({ waiting: 1, retried: 1 }),
      patience,
    );
    expect(reservations(node)).toEqual(before.reservations);
    expect(readFileSync(log, "utf8")).toBe("DEL\n");
    // A call of its own container tries it at once.
    appendFileSync(`${log}.may`, "");
    (await node.call("DEL", stubborn, netconf, { netns: "" })).expectSuccess();
    await untilReplayed();
    expect(readdirSync(join(node.cniDir, ".spool"))).toEqual([]);
    expect((await traces(node)).state).toEqual(before.state);
  });
});
