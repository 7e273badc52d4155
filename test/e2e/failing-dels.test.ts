/** A plugin whose DEL fails for long: the runtime may let the pod go after the third try, and the address is free once the plugin works, though no runtime calls, whoever is killed in between. */

import { appendFileSync, existsSync, readdirSync, renameSync, rmSync, utimesSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { readSpool } from "../../src/multus/spool/spool.ts";
import { installDelegate } from "../support/delegates.ts";
import { reservations, traces } from "../support/leaks.ts";
import { isAsking, killStayingBelow, stayingBelow } from "../support/staying.ts";
import { debianPlugins, type Pod, TestNode } from "../support/test-node.ts";
import { until } from "../support/until.ts";

const patience = { timeout: 60_000, interval: 20 };

describe("a plugin whose DEL fails", () => {
  let node: TestNode;
  let netconf: Readonly<Record<string, unknown>>;
  /** There while it works. */
  let works: string;
  const real = join(debianPlugins, "macvlan");

  beforeAll(async () => {
    node = await TestNode.start();
    netconf = await node.bridgeNetconf("10.74.0.0/24");
    works = join(node.directory, "works");
    installFailing();
    node.writeMacvlan("stubborn", "10.75.0.0/24", "stubborn");
    node.writeMacvlan("easy", "10.76.0.0/24");
  });

  afterAll(async () => {
    await node?.[Symbol.asyncDispose]();
  });

  /** The plugin. @param del what it does with a DEL, shell */
  function install(del: string): void {
    installDelegate(node, "stubborn", `exec ${real}`, del);
  }

  /** The one that fails while it does not work. */
  function installFailing(): void {
    const fails = `echo '{"cniVersion":"1.0.0","code":100,"msg":"Link not found"}'; exit 1`;
    install(`[ -e ${works} ] || { ${fails}; }; exec ${real}`);
  }

  /** The one record. */
  const recorded = () => {
    const [name = "", ...more] = readdirSync(join(node.cniDir, ".spool"));
    expect(more).toEqual([]);
    return name;
  };
  const tries = () => Number(recorded().split("-")[1]);

  /** Waits until nothing is recorded any more, and the shim that stayed for it is gone. */
  const untilReplayed = () =>
    vi.waitFor(async () => {
      expect(await readSpool(node.cniDir)).toMatchObject({ waiting: 0, failed: 0, broken: 0 });
      expect(stayingBelow(node.cniDir)).toEqual([]);
    }, patience);

  /** Lets the time pass until all that is recorded is due. The shim that stays sleeps so long: it is woken as by a person who brings a record back. */
  function passTime(): void {
    const path = join(node.cniDir, ".spool", recorded());
    const aside = join(node.cniDir, ".spool", `failed-${recorded()}`);
    utimesSync(path, 1, 1);
    renameSync(path, aside);
    renameSync(aside, path);
  }

  /** Kills the daemon and starts the next, while it replays nothing. */
  async function restart(): Promise<void> {
    await until("the shim that stays to rest", () => !stayingBelow(node.cniDir).some(isAsking));
    await node.daemon.stop("SIGKILL");
    await node.daemon.start();
  }

  /** Pods with the stubborn network, and what they hold. */
  async function attached(name: string): Promise<Pod> {
    rmSync(works, { force: true });
    const pod = await node.pod(name, "stubborn,easy");
    (await node.call("ADD", pod, netconf)).expectSuccess();
    return pod;
  }

  const whenKilled = ["never", "before each DEL", "before each try in the background"] as const;

  test.each(whenKilled)(
    "fails twice, then the runtime is told success; the daemon is killed %s",
    async (killed) => {
      const before = await traces(node);
      const pod = await attached("gone");
      const had = reservations(node);
      for (let call = 1; call <= 3; call++) {
        if (killed === "before each DEL") await restart();
        const answer = await node.call("DEL", pod, netconf);
        // It is recorded from the first one on: some runtimes never ask again.
        expect(await readSpool(node.cniDir)).toMatchObject({ waiting: 1, retried: 1 });
        if (call < 3) expect(answer.error.msg).toContain("Link not found");
        else {
          answer.expectSuccess();
          expect(answer.stderr).toContain("this DEL has failed and is recorded in");
        }
      }
      await pod[Symbol.asyncDispose]();
      expect(await readSpool(node.cniDir)).toMatchObject({ waiting: 1, retried: 1, failed: 0, broken: 0 });
      // Runtimes repeat it, without namespace.
      (await node.call("DEL", pod, netconf, { netns: "" })).expectSuccess();
      expect(await readSpool(node.cniDir)).toMatchObject({ waiting: 1, retried: 1 });
      const held = reservations(node).filter((each) => !before.reservations.includes(each));
      expect(held.filter((each) => had.includes(each))).not.toEqual([]);
      expect(existsSync(join(node.cniDir, pod.containerId))).toBe(true);

      expect(stayingBelow(node.cniDir)).toHaveLength(1);
      for (let round = 1; round <= 5; round++) {
        if (killed === "before each try in the background") await restart();
        const before = tries();
        passTime();
        await vi.waitFor(() => expect(tries()).toBe(before + 1), patience);
      }
      appendFileSync(works, "");
      if (killed !== "never") await restart();
      passTime();
      await untilReplayed();
      expect(readdirSync(join(node.cniDir, ".failed-dels"))).toEqual([]);
      expect((await traces(node)).reservations).toEqual(before.reservations);
      expect(existsSync(join(node.cniDir, pod.containerId))).toBe(false);
    },
  );

  test("fails once, and the runtime never asks again: it is done all the same", async () => {
    const before = await traces(node);
    const pod = await attached("once");
    expect((await node.call("DEL", pod, netconf)).error.msg).toContain("Link not found");
    await pod[Symbol.asyncDispose]();
    await restart();
    appendFileSync(works, "");
    passTime();
    await untilReplayed();
    expect((await traces(node)).reservations).toEqual(before.reservations);
  });

  test("the shim that stays is killed: the next call of any pod starts another one", async () => {
    const before = await traces(node);
    const pod = await attached("killed");
    expect((await node.call("DEL", pod, netconf)).error.msg).toContain("Link not found");
    await pod[Symbol.asyncDispose]();
    expect(stayingBelow(node.cniDir)).toHaveLength(1);
    killStayingBelow(node.cniDir);
    await vi.waitFor(() => expect(stayingBelow(node.cniDir)).toEqual([]), patience);
    appendFileSync(works, "");
    passTime();
    await using other = await node.pod("other");
    expect((await node.call("CHECK", other, netconf)).error.code).toBe(3);
    await untilReplayed();
    expect((await traces(node)).reservations).toEqual(before.reservations);
  });

  test("the daemon is killed in the middle of a try in the background: the record stays, and the next daemon does it", async () => {
    const before = await traces(node);
    const pod = await attached("tried");
    expect((await node.call("DEL", pod, netconf)).error.msg).toContain("Link not found");
    await pod[Symbol.asyncDispose]();
    const started = join(node.directory, "started");
    install(`[ -e ${works} ] || { echo >> ${started}; sleep 60; }; exec ${real}`);
    passTime();
    await vi.waitFor(() => expect(existsSync(started)).toBe(true), patience);
    // It counts beforehand: one that brings the daemon down does not do so for ever.
    expect(tries()).toBe(6);
    await node.daemon.stop("SIGKILL");
    appendFileSync(works, "");
    await node.daemon.start();
    passTime();
    await untilReplayed();
    expect((await traces(node)).reservations).toEqual(before.reservations);
  });

  test("the daemon is killed while the third DEL runs: it is recorded as one without daemon", async () => {
    const before = await traces(node);
    installFailing();
    const pod = await attached("middle");
    for (let call = 1; call <= 2; call++) {
      expect((await node.call("DEL", pod, netconf)).error.msg).toContain("Link not found");
    }
    const runs = join(node.directory, "runs");
    install(`echo >> ${runs}; [ -e ${works} ] || sleep 1; exec ${real}`);
    const third = node.call("DEL", pod, netconf);
    await vi.waitFor(() => expect(existsSync(runs)).toBe(true), patience);
    await node.daemon.stop("SIGKILL");
    const answer = await third;
    answer.expectSuccess();
    expect(answer.stderr).toContain("this DEL is recorded in");
    await pod[Symbol.asyncDispose]();
    appendFileSync(works, "");
    await node.daemon.start();
    passTime();
    await untilReplayed();
    expect(readdirSync(join(node.cniDir, ".failed-dels"))).toEqual([]);
    expect((await traces(node)).reservations).toEqual(before.reservations);
  });
});
