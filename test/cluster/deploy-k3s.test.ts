/**
 * The chart with `distribution: k3s` on a node that has k3s's directories, and what Helm prints then, as far as kubectl is asked to apply it. An upgrade of k3s brings its
 * plugins in a directory of another name: pods start and end as before, with nothing of multus restarted.
 */

import { existsSync, lstatSync, readdirSync, readlinkSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { DeployedDaemonSet } from "../support/cluster/daemon-pod.ts";
import { firstPodOf, manifests, notesOfChart, renderChart } from "../support/cluster/deployment.ts";
import { ClusterNode, nodeName } from "../support/cluster/node.ts";
import { pauseImageName } from "../support/pause-image.ts";

const values = ["--set", "distribution=k3s"];
let node: ClusterNode;

beforeAll(async () => {
  node = await ClusterNode.start({ bare: true, k3s: true, containerd: "2.4" });
  const daemonSet = await DeployedDaemonSet.apply(node, await renderChart(...values));
  await daemonSet.start();
});

afterAll(() => node?.[Symbol.asyncDispose]());

const pluginFile = (name: string) => join(node.hostPath("/var/lib/rancher/k3s/data/cni"), name);

/** Network and pod that Helm's notes have kubectl apply. @param name of the pod */
async function applyNotes(name: string): Promise<void> {
  const yaml = firstPodOf(await notesOfChart(...values));
  // No scheduler is here, and no registry.
  const objects = manifests(yaml.replace(/image: .*/, `image: ${pauseImageName}`)).map((object) =>
    object.kind === "Pod"
      ? {
          ...object,
          metadata: { ...object.metadata, name },
          spec: { ...Reflect.get(object, "spec"), nodeName },
        }
      : object,
  );
  for (const object of objects) await node.apply(JSON.stringify(object));
  await node.waitForPods("default", [name]);
}

async function expectNetworks(name: string): Promise<void> {
  const links = await node.podLinks("default", name);
  expect(links.map(({ ifname }) => ifname)).toEqual(["eth0", "net1"]);
}

test("the first pod has two networks: plugin and configuration are where k3s's runtime looks", async () => {
  expect(existsSync(join(node.hostPath("/var/lib/rancher/k3s/agent/etc/cni/net.d"), "00-multus.conf"))).toBe(
    true,
  );
  expect(lstatSync(pluginFile("multus")).isFile()).toBe(true);
  expect(readlinkSync(pluginFile("bridge"))).toBe("/var/lib/rancher/k3s/data/first/bin/bridge");
  for (const place of ["/etc/cni/net.d", "/opt/cni/bin"])
    expect(readdirSync(node.hostPath(place))).toEqual([]);
  await applyNotes("before");
  await expectNetworks("before");
});

test("after an upgrade of k3s pods start, and those of before end, with nothing restarted", async () => {
  node.upgradeK3s("second");
  expect(readlinkSync(pluginFile("bridge"))).toBe("/var/lib/rancher/k3s/data/second/bin/bridge");
  await applyNotes("after");
  await expectNetworks("after");
  await node.deletePods("default", "before", "after");
});
