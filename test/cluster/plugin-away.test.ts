/**
 * Pods that are deleted while the node's only plugin is away: the kubelet tries again, and once it is back all go and leave nothing. While the daemon is
 * away they go at once, and leave nothing once it is back.
 */

import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { readSpool } from "../../src/multus/spool/spool.ts";
import { documents } from "../support/cluster/manifests.ts";
import { ClusterNode, type ClusterTraces, runtimes } from "../support/cluster/node.ts";

describe.each(runtimes)("a node with $about", (options) => {
  let node: ClusterNode;

  beforeAll(async () => {
    // The kubelet is to hear of the daemon's absence before the plugin has waited a minute for it.
    node = await ClusterNode.start({ ...options, netconf: { daemonWaitSeconds: 3 } });
    await node.applyNetwork("default", "storage", node.macvlan(["10.130.0.0/24"]));
    await node.applyNetwork("default", "video", node.macvlan(["10.131.0.0/24"]));
  });

  afterAll(() => node?.[Symbol.asyncDispose]());

  /** Pods with three networks that run. The cluster network gives two addresses, one of a family. */
  async function startPods(prefix: string, before: ClusterTraces): Promise<readonly string[]> {
    const names = Array.from({ length: 4 }, (_, index) => `${prefix}-${index}`);
    await node.apply(documents(names.map((name) => node.podManifest("default", name, "storage,video"))));
    await node.waitForPods("default", names);
    expect((await node.traces()).reservations.length).toBe(before.reservations.length + 4 * names.length);
    return names;
  }

  test("the plugin's binary is away while pods are deleted, then back", async () => {
    const before = await node.traces();
    const names = await startPods("without-plugin", before);
    const running = await node.traces();

    node.removePlugin();
    await node.api.kubectl("delete", "pod", "--wait=false", ...names);
    // Every one of them has been tried.
    for (const name of names) await node.waitForEvent("default", name, "FailedKillPod");
    const terminating = await node.pods("default");
    expect(
      terminating.map(({ metadata }) => [metadata.name, metadata.deletionTimestamp !== undefined]),
    ).toEqual([...names].sort().map((name) => [name, true]));
    expect((await node.traces()).reservations).toEqual(running.reservations);

    node.restorePlugin();
    await node.until("all pods to be gone", async () => (await node.pods("default")).length === 0);
    await node.untilNothingIsLeft(before);
  });

  test("the daemon is away while pods are deleted: they go at once, and once it is back all is free, and no pod has to come for that", async () => {
    const before = await node.traces();
    const names = await startPods("without-daemon", before);
    const running = await node.traces();

    await node.daemon.stop("SIGKILL");
    await node.deletePods("default", ...names);
    const failed = (await node.allEvents()).filter(
      ({ reason, regarding }) => reason === "FailedKillPod" && names.includes(regarding.name),
    );
    expect(failed).toEqual([]);
    expect((await node.traces()).reservations).toEqual(running.reservations);
    expect(await readSpool(node.cniDir)).toMatchObject({ waiting: names.length, failed: 0, broken: 0 });

    await node.daemon.start();
    await node.until("all to be done", async () => (await readSpool(node.cniDir)).waiting === 0);
    await node.untilNothingIsLeft(before);
    expect(await readSpool(node.cniDir)).toMatchObject({ waiting: 0, failed: 0, broken: 0 });
  });

  test("pods that are created while the daemon is away run once it is back", async () => {
    const before = await node.traces();
    await node.daemon.stop("SIGKILL");
    await node.applyPod("default", "early", "storage,video");
    // Where the runtime asks for STATUS the kubelet knows already, and does not try.
    await node.until("the pod to be told", async () =>
      (await node.events("default", "early")).some(
        ({ reason, note }) =>
          ["FailedCreatePodSandBox", "NetworkNotReady"].includes(reason) &&
          note.includes("multusd cannot be reached"),
      ),
    );
    await node.daemon.start();
    await node.waitForPod("default", "early");
    const status = await node.waitForNetworkStatus("default", "early");
    expect(status.map(({ name }) => name)).toEqual(["cluster", "default/storage", "default/video"]);
    await node.deletePods("default", "early");
    await node.untilNothingIsLeft(before);
  });
});
