/** Pods outlive what serves them: kubelet and daemon restart, the daemon is killed while many start. And static pods, which come from a file. */

import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { isDeepStrictEqual } from "node:util";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { documents, podManifest } from "../support/cluster/manifests.ts";
import { ClusterNode, networksAnnotation, nodeName } from "../support/cluster/node.ts";
import { reservations } from "../support/leaks.ts";
import { cidrs } from "../support/namespace.ts";

const statusAnnotation = "k8s.v1.cni.cncf.io/network-status";

let node: ClusterNode;

beforeAll(async () => {
  node = await ClusterNode.start();
  await node.applyNetwork("default", "storage", node.macvlan(["10.130.0.0/24"]));
  await node.applyNetwork("default", "video", node.macvlan(["10.131.0.0/24"]));
});

afterAll(() => node?.[Symbol.asyncDispose]());

test("a static pod gets the networks of its annotation, its mirror pod the status, and its removal leaves nothing", async () => {
  const before = await node.traces();
  const manifest = join(node.kubelet.staticPodDirectory, "static.yaml");
  writeFileSync(
    manifest,
    podManifest({
      namespace: "default",
      name: "static",
      annotations: { [networksAnnotation]: "storage,video" },
    }),
  );
  const mirror = `static-${nodeName}`;
  const pod = await node.waitForPod("default", mirror);
  const links = await node.podLinks("default", mirror);
  expect(links.map(({ ifname }) => ifname)).toEqual(["eth0", "net1", "net2"]);
  const status = await node.waitForNetworkStatus("default", mirror);
  expect(status.map(({ name, interface: ifName, mac }) => [name, ifName, mac])).toEqual(
    ["cluster", "default/storage", "default/video"].map((name, index) => [
      name,
      links[index]?.ifname,
      links[index]?.address,
    ]),
  );
  const added = await node.waitForEvent("default", mirror, "AddedInterface", ({ note }) =>
    note.includes("net2"),
  );
  expect(added.note).toBe(`Add net2 [${links[2] && cidrs(links[2]).join(" ")}] from default/video`);
  // The runtime knows the static pod by another uid than the API does.
  expect(pod.metadata.annotations?.["kubernetes.io/config.source"]).toBe("file");

  rmSync(manifest);
  await node.until(
    "the mirror pod to be gone",
    async () => (await node.pod("default", mirror)) === undefined,
  );
  await node.untilNothingIsLeft(before);
});

test("kubelet and daemon restart: pods go on with what they have, new ones come, old ones go", async () => {
  const before = await node.traces();
  const names = ["old-0", "old-1"];
  await node.apply(documents(names.map((name) => node.podManifest("default", name, "storage,video"))));
  await node.waitForPods("default", names);
  const linksOfOld = async () =>
    (await Promise.all(names.map((name) => node.podLinks("default", name)))).map((links) =>
      links.map((link) => [link.ifname, link.ifindex, link.address, ...cidrs(link), ...cidrs(link, "inet6")]),
    );
  const had = await linksOfOld();

  await node.kubelet.stop();
  await node.kubelet.start(() => node.isReady());
  await node.restartDaemon();
  await node.applyPod("default", "new", "storage,video");
  await node.waitForPod("default", "new");
  const old = await node.waitForPods("default", names);
  expect(await linksOfOld()).toEqual(had);
  expect(old.map(({ status }) => status.containerStatuses?.map(({ restartCount }) => restartCount))).toEqual([
    [0],
    [0],
  ]);

  await node.deletePods("default", ...names, "new");
  await node.untilNothingIsLeft(before);
});

const ends = [
  { how: "is killed", name: "struck", signal: "SIGKILL" },
  { how: "ends in order", name: "handed", signal: "SIGTERM" },
] as const;

test.each(ends)(
  "the daemon $how while twenty pods start, and is started again: all run, each with its status, no address is given twice, all go",
  async ({ name: prefix, signal }) => {
    const before = await node.traces();
    const names = Array.from({ length: 20 }, (_, index) => `${prefix}-${index}`);
    await node.apply(documents(names.map((name) => node.podManifest("default", name, "storage,video"))));
    // In the middle: some have addresses, most do not.
    await node.until("the first attachments", async () => reservations(node).length >= 6);
    await node.daemon.stop(signal);
    const running = (await node.pods("default")).filter(({ status }) => status.phase === "Running");
    expect(running.length).toBeLessThan(names.length);
    await node.daemon.start();

    await node.waitForPods("default", names);
    const links = (await Promise.all(names.map((name) => node.podLinks("default", name)))).flat();
    expect(links).toHaveLength(3 * names.length);
    const given = links.flatMap((link) => [...cidrs(link), ...cidrs(link, "inet6")]);
    expect(given).toHaveLength(4 * names.length);
    expect(new Set(given).size).toBe(given.length);
    // A daemon that ends in order delivers what it has promised; for one that was killed the next one does.
    for (const name of names) {
      const expected = ["cluster", "default/storage", "default/video"].map((network, index) => {
        const { ifname, address } = links[3 * names.indexOf(name) + index] ?? {};
        return [network, ifname, address];
      });
      // It may be that of an earlier sandbox for a moment, which was finished, and that nobody told the runtime.
      await node.until(`the network-status of ${name} to be that of its links`, async () => {
        const status = await node.waitForNetworkStatus("default", name);
        const found = status.map(({ name: network, interface: ifName, mac }) => [network, ifName, mac]);
        return isDeepStrictEqual(found, expected);
      });
    }

    await node.deletePods("default", ...names);
    await node.untilNothingIsLeft(before);
  },
);

describe("statuses that a killed daemon had not delivered", () => {
  afterAll(() => node.restartDaemon());

  test("are delivered by the next one, though no request comes; what others wrote stays", async () => {
    const before = await node.traces();
    // Of its own configuration, so that it need not wait for a netconf that names it.
    await node.restartDaemon({ cniDir: node.cniDir });
    const manifest = join(node.kubelet.staticPodDirectory, "unsaid.yaml");
    const mirror = `unsaid-static-${nodeName}`;
    const patches = { method: "PATCH", path: /\/pods\/unsaid-[^/]+\/status$/ };
    const kept = node.proxy.fault(patches, { answer: { status: 503, reason: "ServiceUnavailable" } });
    const annotations = { [networksAnnotation]: "storage" };
    writeFileSync(manifest, podManifest({ namespace: "default", name: "unsaid-static", annotations }));
    const names = ["unsaid-0", "unsaid-1", "unsaid-2"];
    await node.apply(documents(names.map((name) => node.podManifest("default", name, "storage,video"))));
    await node.waitForPods("default", [...names, mirror]);
    await node.until("a status that is not taken", async () => kept.hits > 0);
    await node.daemon.stop("SIGKILL");
    for (const name of [...names, mirror]) expect(await node.networkStatus("default", name)).toBeUndefined();
    await node.api.kubectl("annotate", "pod", "unsaid-2", `${statusAnnotation}=[{"name":"other"}]`);
    await node.proxy.clear();
    await node.daemon.start();

    for (const name of ["unsaid-0", "unsaid-1", mirror]) {
      const links = await node.podLinks("default", name);
      const status = await node.waitForNetworkStatus("default", name);
      expect(status.map(({ name: network, interface: ifName, mac }) => [network, ifName, mac])).toEqual(
        ["cluster", "default/storage", "default/video"]
          .slice(0, links.length)
          .map((network, index) => [network, links[index]?.ifname, links[index]?.address]),
      );
      expect(status.map((network) => network.default === true)).toEqual(links.map((_, index) => index === 0));
    }
    expect(await node.networkStatus("default", "unsaid-2")).toEqual([{ name: "other" }]);
    rmSync(manifest);
    await node.deletePods("default", ...names);
    await node.until("the mirror to be gone", async () => (await node.pod("default", mirror)) === undefined);
    await node.untilNothingIsLeft(before);
  });
});
