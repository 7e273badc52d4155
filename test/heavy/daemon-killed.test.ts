/**
 * kill -9 of the daemon at any point of an ADD or DEL: the runtime is told to try the ADD again (code 11) and that the DEL is done, and after a restart
 * the next DEL removes everything.
 */

import { existsSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { installDelegate, slowly } from "../support/delegates.ts";
import { traces } from "../support/leaks.ts";
import type { PluginAnswer } from "../support/plugin.ts";
import { stayingBelow } from "../support/staying.ts";
import { debianPlugins, TestNode } from "../support/test-node.ts";
import { until } from "../support/until.ts";

describe("the daemon is killed", () => {
  let node: TestNode;
  let netconf: Readonly<Record<string, unknown>>;
  /** For calls that may begin after the daemon's end, and are to end before the next one starts. */
  let impatient: Readonly<Record<string, unknown>>;

  beforeAll(async () => {
    node = await TestNode.start();
    const { add, other } = slowly(0.06, join(debianPlugins, "macvlan"));
    installDelegate(node, "slow-macvlan", add, other);
    netconf = await node.bridgeNetconf("10.40.0.0/24");
    impatient = { ...netconf, daemonWaitSeconds: 1 };
    for (const [index, name] of ["one", "two"].entries()) {
      node.writeMacvlan(name, `10.4${index + 1}.0.0/24`, "slow-macvlan");
    }
  });

  afterAll(async () => {
    await node?.[Symbol.asyncDispose]();
  });

  // An ADD of these networks takes some 200 ms.
  test.each(Array.from({ length: 16 }, (_, index) => index * 15))(
    "%d ms after an ADD began",
    async (delay) => {
      const before = await traces(node);
      await using pod = await node.pod("unlucky", "one,two");
      const adding = node.call("ADD", pod, impatient);
      await sleep(delay + Math.random() * 15);
      await node.daemon.stop("SIGKILL");
      const answer = await adding;
      // One that was answered before the kill is an ADD like any other.
      if (answer.exitCode !== 0) expect(answer.error.code).toBe(11);
      await node.daemon.start();
      (await node.call("DEL", pod, netconf)).expectSuccess();
      expect(await pod.network.links()).toEqual([]);
      expect(await traces(node)).toEqual(before);
    },
  );

  test.each(Array.from({ length: 6 }, (_, index) => index * 25))("%d ms after a DEL began", async (delay) => {
    const before = await traces(node);
    await using pod = await node.pod("unlucky", "one,two");
    (await node.call("ADD", pod, netconf)).expectSuccess();
    const deleting = node.call("DEL", pod, netconf);
    await sleep(delay);
    await node.daemon.stop("SIGKILL");
    (await deleting).expectSuccess();
    await node.daemon.start();
    (await node.call("DEL", pod, netconf)).expectSuccess();
    expect(await pod.network.links()).toEqual([]);
    // The killed DEL was recorded; the process that stays for it ends when it sees that nothing waits any more.
    await until("no process stays for records", () => stayingBelow(node.directory).length === 0);
    expect(await traces(node)).toEqual(before);
  });

  test("no daemon: ADD and CHECK are told to try again, and where to look; DEL as well, where the netconf says so", async () => {
    await using pod = await node.pod("early");
    await node.daemon.stop("SIGKILL");
    try {
      for (const command of ["ADD", "CHECK", "DEL"] as const) {
        const { error } = await node.call(command, pod, { ...impatient, delOnDaemonDown: "fail" });
        expect(error.code).toBe(11);
        expect(`${error.msg} ${error.details}`).toContain(join(node.socketDir, "multus.sock"));
      }
    } finally {
      await node.daemon.start();
    }
  });

  test("a daemon that is restarting is waited for", async () => {
    const before = await traces(node);
    await using pod = await node.pod("patient", "one");
    await node.daemon.stop();
    const adding = node.call("ADD", pod, netconf);
    await sleep(300);
    await node.daemon.start();
    (await adding).expectSuccess();
    (await node.call("DEL", pod, netconf)).expectSuccess();
    expect(await traces(node)).toEqual(before);
  });

  test("SIGTERM and a new daemon while ADDs come: all of them succeed", async () => {
    const before = await traces(node);
    const pods = await Promise.all(
      Array.from({ length: 8 }, (_, index) => node.pod(`steady-${index}`, "one")),
    );
    const adding: Promise<PluginAnswer>[] = [];
    const comeOneByOne = async (): Promise<void> => {
      for (const pod of pods) {
        adding.push(node.call("ADD", pod, netconf));
        await sleep(40);
      }
    };
    const coming = comeOneByOne();
    await sleep(100);
    expect(await node.daemon.stop("SIGTERM")).toBe(0);
    await node.daemon.start();
    await coming;
    for (const answer of await Promise.all(adding)) answer.expectSuccess();
    for (const pod of pods) {
      (await node.call("DEL", pod, netconf)).expectSuccess();
      await pod[Symbol.asyncDispose]();
    }
    expect(await traces(node)).toEqual(before);
  });

  test("SIGTERM: what has begun is finished first", async () => {
    const before = await traces(node);
    await using pod = await node.pod("graceful", "one,two");
    const adding = node.call("ADD", pod, impatient);
    // Its plan: it has begun.
    await until("the plan", () => existsSync(join(node.cniDir, pod.containerId)));
    expect(await node.daemon.stop("SIGTERM")).toBe(0);
    (await adding).expectSuccess();
    await node.daemon.start();
    (await node.call("DEL", pod, netconf)).expectSuccess();
    expect(await traces(node)).toEqual(before);
  });
});
