/** Pods that are deleted while the node's only plugin, or its daemon, is away: the kubelet tries again, and once it is back all go and leave nothing. */

import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { documents } from "../support/cluster/manifests.ts";
import { ClusterNode, runtimes } from "../support/cluster/node.ts";

const absences = [
  {
    what: "the plugin's binary",
    part: "plugin",
    leave: async (node: ClusterNode) => node.removePlugin(),
    comeBack: async (node: ClusterNode) => node.restorePlugin(),
  },
  {
    what: "the daemon",
    part: "daemon",
    leave: async (node: ClusterNode) => {
      await node.daemon.stop("SIGKILL");
    },
    comeBack: (node: ClusterNode) => node.daemon.start(),
  },
];

describe.each(runtimes)("a node with $about", (options) => {
  let node: ClusterNode;

  beforeAll(async () => {
    node = await ClusterNode.start(options);
    await node.applyNetwork("default", "storage", node.macvlan(["10.130.0.0/24"]));
    await node.applyNetwork("default", "video", node.macvlan(["10.131.0.0/24"]));
  });

  afterAll(() => node?.[Symbol.asyncDispose]());

  test.each(absences)(
    "$what is away while pods are deleted, then back",
    async ({ part, leave, comeBack }) => {
      const before = await node.traces();
      const names = Array.from({ length: 4 }, (_, index) => `without-${part}-${index}`);
      await node.apply(documents(names.map((name) => node.podManifest("default", name, "storage,video"))));
      await node.waitForPods("default", names);
      const running = await node.traces();
      // The cluster network gives two addresses, one of a family.
      expect(running.reservations.length).toBe(before.reservations.length + 4 * names.length);

      await leave(node);
      await node.api.kubectl("delete", "pod", "--wait=false", ...names);
      // Every one of them has been tried.
      for (const name of names) await node.waitForEvent("default", name, "FailedKillPod");
      const terminating = await node.pods("default");
      expect(
        terminating.map(({ metadata }) => [metadata.name, metadata.deletionTimestamp !== undefined]),
      ).toEqual([...names].sort().map((name) => [name, true]));
      expect((await node.traces()).reservations).toEqual(running.reservations);

      await comeBack(node);
      await node.until("all pods to be gone", async () => (await node.pods("default")).length === 0);
      await node.untilNothingIsLeft(before);
    },
  );

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
