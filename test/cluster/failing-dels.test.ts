/**
 * A plugin whose DEL fails for an hour, under a real kubelet: the pod is gone after the third try, the address is free when the plugin works again, and a daemon that is
 * killed in between changes nothing of that. And a static pod that the API server never has a mirror of.
 */

import { existsSync, readdirSync, renameSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { readSpool } from "../../src/multus/spool/spool.ts";
import { ClusterNode, networksAnnotation, nodeName, runtimes } from "../support/cluster/node.ts";
import { debianPlugins } from "../support/test-node.ts";

describe.each(runtimes)("a node with $about", (options) => {
  let node: ClusterNode;
  /** There while the plugin works. */
  let works: string;

  beforeAll(async () => {
    // Annotations come from the API alone, as with a runtime that sends none: a static pod is known by its UID.
    node = await ClusterNode.start({ ...options, netconf: { capabilities: {} } });
    works = join(node.directory, "works");
    const real = join(debianPlugins, "macvlan");
    const fails = `{ cat > /dev/null; echo '{"cniVersion":"1.0.0","code":100,"msg":"Link not found"}'; exit 1; }`;
    const script = `#!/bin/sh\n[ "$CNI_COMMAND" != DEL ] || [ -e ${works} ] || ${fails}\nexec ${real}\n`;
    node.installPlugin("stubborn", script);
    await node.applyNetwork("default", "stubborn", {
      ...node.macvlan(["10.132.0.0/24"]),
      type: "stubborn",
    });
    await node.applyNetwork("default", "easy", node.macvlan(["10.133.0.0/24"]));
  });

  afterAll(() => node?.[Symbol.asyncDispose]());

  async function restart(): Promise<void> {
    await node.daemon.stop("SIGKILL");
    await node.daemon.start();
  }

  const spool = () => join(node.cniDir, ".spool");

  /** An hour and more passes for what is recorded. The shim that stays sleeps so long: it is woken as by a person who brings a record back. */
  function passTime(): void {
    for (const name of readdirSync(spool()).filter((each) => !each.startsWith("."))) {
      const path = join(spool(), name);
      const aside = join(spool(), `failed-${name}`);
      utimesSync(path, 1, 1);
      renameSync(path, aside);
      renameSync(aside, path);
    }
  }

  /** Tries of the one record. */
  async function tries(): Promise<number> {
    const [name = ""] = readdirSync(spool()).filter((each) => !each.startsWith("."));
    return Number(name.split("-")[1]);
  }

  test.each([false, true])(
    "a plugin that fails every DEL; the daemon is killed in between: %j",
    async (killed) => {
      const before = await node.traces();
      rmSync(works, { force: true });
      const pods = ["fails", "fails-too"];
      for (const name of pods) await node.applyPod("default", name, "stubborn,easy");
      await node.waitForPods("default", pods);
      const running = await node.traces();
      if (killed) await restart();
      await node.api.kubectl("delete", "pod", "--wait=false", ...pods);
      if (killed) {
        await node.until("a DEL that fails", async () => node.daemon.output.includes("DEL failed"));
        await restart();
      }
      await node.until("the pods to be gone", async () => (await node.pods("default")).length === 0);
      expect(await readSpool(node.cniDir)).toMatchObject({ waiting: 2, retried: 2, failed: 0, broken: 0 });
      const held = (await node.traces()).reservations.filter((each) => !before.reservations.includes(each));
      expect(held.length).toBeGreaterThanOrEqual(pods.length);
      for (const each of held) expect(running.reservations).toContain(each);
      if (!killed) {
        await node.waitForEvent("default", "fails", "NetworkDeleteRecorded");
        await node.waitForEvent("default", "fails-too", "NetworkDeleteRecorded");
      }
      // Its name is free, and the next pod of that name is not disturbed.
      await node.applyPod("default", "fails", "easy");
      await node.waitForPod("default", "fails");
      const known = await tries();
      if (killed) await restart();
      passTime();
      await node.until("another try", async () => (await tries()) > known);
      expect((await node.podLinks("default", "fails")).map(({ ifname }) => ifname)).toContain("net1");

      writeFileSync(works, "");
      if (killed) await restart();
      passTime();
      await node.until("all to be done", async () => (await readSpool(node.cniDir)).waiting === 0);
      await node.deletePods("default", "fails");
      await node.untilNothingIsLeft(before);
      expect(readdirSync(join(node.cniDir, ".failed-dels"))).toEqual([]);
    },
  );

  test("a static pod whose mirror the API server refuses has its cluster network, and its removal leaves nothing", async () => {
    const before = await node.traces();
    const manifest = join(node.kubelet.staticPodDirectory, "unmirrored.yaml");
    const name = `unmirrored-${nodeName}`;
    writeFileSync(
      manifest,
      node
        .podManifest("no-such-namespace", "unmirrored", "easy")
        .replace(networksAnnotation, "example.com/other"),
    );
    try {
      const added = await node.until("its ADD", async () =>
        node.daemon.output.split("\n").find((line) => /ADD done/.test(line) && line.includes(name)),
      );
      expect(added).toContain("networks=cluster@eth0");
      expect(await node.pod("no-such-namespace", name)).toBeUndefined();
      const held = (await node.traces()).reservations.filter((each) => !before.reservations.includes(each));
      expect(held).not.toEqual([]);
    } finally {
      rmSync(manifest);
    }
    await node.untilNothingIsLeft(before);
    expect(existsSync(manifest)).toBe(false);
  });
});
