/** The daemon is away for the whole life of a DEL: the runtime removes the pod at once, and what it had is free once a daemon serves, though no runtime calls. */

import { appendFileSync, readdirSync, readFileSync, utimesSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { decodeRecord } from "../../src/multus/spool/record.ts";
import { readSpool } from "../../src/multus/spool/spool.ts";
import { Spool } from "../shim/support/spool.ts";
import { installDelegate, slowly } from "../support/delegates.ts";
import { reservations, traces } from "../support/leaks.ts";
import { endStayingBelow, stayingBelow } from "../support/staying.ts";
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

  /** Shims that stay for what is recorded. */
  const staying = () => stayingBelow(node.cniDir);

  /** Waits until nothing is recorded any more, and the shim that stayed for it is gone. */
  const untilReplayed = () =>
    vi.waitFor(async () => {
      expect(await waiting()).toBe(0);
      expect(staying()).toEqual([]);
    }, patience);

  test("its pod is gone at once; once a daemon serves the address is free again, and no call comes", async () => {
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

    // This reads the shim's records as another reader of the same page does.
    const [file = ""] = readdirSync(join(node.cniDir, ".spool"));
    const { bootId, netnsDevice, netnsInode, netnsCookie, ...request } =
      new Spool(node.cniDir).records()[0] ?? {};
    const [device, inode, cookie] = [netnsDevice, netnsInode, netnsCookie].map((number) =>
      BigInt(Number(number)),
    );
    expect(decodeRecord(readFileSync(join(node.cniDir, ".spool", file)))).toEqual({
      ...request,
      identity: { bootId, device, inode, cookie },
    });
    // One shim stays, and asks for a daemon.
    expect(staying()).toHaveLength(1);
    await node.daemon.start();
    await untilReplayed();
    expect(node.daemon.output).toContain(`DEL done pod=default/gone container=${pod.containerId}`);
    await using other = await node.pod("other");
    (await node.call("ADD", other, netconf)).expectSuccess();
    for (const reservation of had) expect(reservations(node)).not.toContain(reservation);
    (await node.call("DEL", other, netconf)).expectSuccess();
    expect(await traces(node)).toEqual(before);
  });

  test("a plugin gets the pod's network namespace as long as that is still there, and none later", async () => {
    const log = join(node.directory, "netns.log");
    installDelegate(node, "netns", 'echo "{}"', `echo "netns=$CNI_NETNS" >> ${log}`);
    node.writeNetwork("default/netns", { cniVersion: "1.0.0", name: "netns", type: "netns" });
    await using there = await node.pod("there", "netns");
    const gone = await node.pod("gone-netns", "netns");
    for (const pod of [there, gone]) (await node.call("ADD", pod, netconf)).expectSuccess();
    await node.daemon.stop("SIGKILL");
    (await node.call("DEL", there, netconf)).expectSuccess();
    await remove(gone);
    await node.daemon.start();
    await untilReplayed();
    expect(readFileSync(log, "utf8")).toBe(`netns=${there.network.path}\nnetns=\n`);
  });

  test("a network with no address left has one again, though nobody asks for that", async () => {
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
    await untilReplayed();
    // As a runtime does: DEL after an ADD that failed, then the ADD again.
    (await node.call("DEL", further, netconf)).expectSuccess();
    (await node.call("ADD", further, netconf)).expectSuccess();
    (await node.call("DEL", further, netconf)).expectSuccess();
    expect(await traces(node)).toEqual(before);
  });

  test("thirty pods at once, and a power cut in the middle of the replay: all is free once something calls", async () => {
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
    await vi.waitFor(async () => expect(await waiting()).toBeLessThan(28), patience);
    // All at once, as a power cut: the shim that stays, its plugins, the daemon.
    const killed = staying();
    expect(killed).toHaveLength(1);
    await Promise.all([node.daemon.stop("SIGKILL"), ...killed.map((pid) => process.kill(pid, "SIGKILL"))]);
    const left = await waiting();
    expect(left).toBeGreaterThan(0);
    await sleep(300);
    expect(await waiting()).toBe(left);

    // The one that was in work counts as tried, and would wait for its time.
    for (const name of readdirSync(join(node.cniDir, ".spool"))) {
      utimesSync(join(node.cniDir, ".spool", name), 1, 1);
    }
    await node.daemon.start();
    await using other = await node.pod("other");
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
      // So that nobody has it replayed before the plan was looked at.
      await endStayingBelow(node.cniDir);
    } finally {
      process.kill(node.daemon.pid, "SIGCONT");
    }
    // It finds both in its socket, and nobody behind them: one is worked on, and the other leaves the line unless its turn comes first.
    await vi.waitFor(() => expect(node.daemon.output).toMatch(/DEL failed .*still/), patience);
    expect(readdirSync(node.cniDir)).toContain(pod.containerId);
    await using other = await node.pod("other");
    await reachDaemon(other);
    await untilReplayed();
    expect(readFileSync(log, "utf8")).toBe("DEL\n");
    expect(await traces(node)).toEqual(before);
  });

  test("a DEL that still fails stays recorded, and does not hold up others", async () => {
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
