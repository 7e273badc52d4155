/**
 * Manifests of Go multus 3.9 to 4.3, thin and thick, with nothing changed but the image: role, ConfigMap, commands, arguments, mounts and limits serve ours. The real kubelet and
 * containerd start each one's pod on a node, a pod of three networks comes and goes by it, and a kubeconfig of the form that those releases write reaches the API server.
 */

import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { parse } from "yaml";
import { type DaemonPod, DeployedDaemonSet } from "../support/cluster/daemon-pod.ts";
import { deployDirectory } from "../support/cluster/deployment.ts";
import { goKubeconfig, goManifest, goReleases } from "../support/cluster/go-releases.ts";
import { importMultusImage, multusImage } from "../support/cluster/images.ts";
import { ClusterNode, onDemandDaemons } from "../support/cluster/node.ts";

let node: ClusterNode;
let confDir: string;
let binDir: string;
let installed: DaemonPod | undefined;
/** Files in the node's plugin directory beforehand. */
let plugins: readonly string[];

beforeAll(async () => {
  node = await ClusterNode.start({ bare: true, containerd: "2.4" });
  [confDir, binDir] = [node.hostPath("/etc/cni/net.d"), node.hostPath("/opt/cni/bin")];
  plugins = readdirSync(binDir);
  await importMultusImage(node, multusImage);
  const [first] = goReleases;
  if (first === undefined) throw new Error("no release");
  const definition = readFileSync(join(deployDirectory, "base", "crd.yaml"), "utf8");
  await DeployedDaemonSet.applyOnly(node, `${definition}---\n${goManifest(first, multusImage)}`, false);
  await node.applyNetwork("default", "storage", node.macvlan(["10.130.0.0/24"]));
  await node.applyNetwork("default", "video", node.macvlan(["10.131.0.0/24"]));
});

/** The node as it was, for the next release. */
afterEach(async () => {
  await installed?.delete();
  installed = undefined;
  for (const { pid } of onDemandDaemons()) process.kill(pid, "SIGKILL");
  while (onDemandDaemons().length > 0) await sleep(20);
  for (const name of readdirSync(binDir)) if (!plugins.includes(name)) rmSync(join(binDir, name));
  for (const name of readdirSync(confDir)) {
    if (name !== "10-cluster.conflist") rmSync(join(confDir, name), { recursive: true });
  }
});

afterAll(() => node?.[Symbol.asyncDispose]());

/** A pod comes with its networks and their status, and goes with nothing left. */
async function comeAndGo(name: string): Promise<void> {
  const before = (await node.traces()).reservations;
  await node.applyPod("default", name, "storage, video@vid0");
  await node.waitForPod("default", name);
  expect((await node.podLinks("default", name)).map(({ ifname }) => ifname)).toEqual([
    "eth0",
    "net1",
    "vid0",
  ]);
  expect(await node.waitForNetworkStatus("default", name)).toMatchObject([
    { name: "cluster", interface: "eth0", default: true },
    { name: "default/storage", interface: "net1", ips: [expect.stringMatching(/^10\.130\.0\./)] },
    { name: "default/video", interface: "vid0", ips: [expect.stringMatching(/^10\.131\.0\./)] },
  ]);
  await node.deletePods("default", name);
  await expect.poll(async () => (await node.traces()).reservations, { timeout: 90_000 }).toEqual(before);
  expect((await node.traces()).state).toEqual([]);
}

test.each(goReleases)("Go multus $about", async (release) => {
  const listsPods = release.podVerbs.includes("list");
  const daemonSet = await DeployedDaemonSet.applyOnly(node, goManifest(release, multusImage), listsPods);
  installed = await daemonSet.start();
  const { pod } = installed;
  await node.until(release.runtimeFile, async () => existsSync(join(confDir, release.runtimeFile)));
  expect(readdirSync(binDir)).toEqual(expect.arrayContaining(["multus", "multus-shim", "passthru"]));
  await comeAndGo(`of-${goReleases.indexOf(release)}`);
  const log = node.podLog(pod, "kube-multus");
  for (const warning of release.warnings) expect(log).toMatch(warning);
  expect(
    (await node.pod("kube-system", pod.metadata.name))?.status.containerStatuses?.[0]?.restartCount,
  ).toBe(0);
});

test("a kubeconfig as those releases' installers write it reaches the API server, from the node", async () => {
  const [release] = goReleases;
  if (release === undefined) throw new Error("no release");
  const daemonSet = await DeployedDaemonSet.applyOnly(node, goManifest(release, multusImage), false);
  installed = await daemonSet.start();
  await node.until(release.runtimeFile, async () => existsSync(join(confDir, release.runtimeFile)));
  // Its pod would bring it up to date again.
  await installed.delete();
  installed = undefined;
  const path = join(confDir, "multus.d", "multus.kubeconfig");
  const { clusters } = parse(readFileSync(path, "utf8"));
  const authority = Buffer.from(clusters[0].cluster["certificate-authority-data"], "base64").toString();
  const { hostname, port } = new URL(clusters[0].cluster.server);
  // The pod's own ended with it.
  const token = await node.api.createToken("kube-system", "multus");
  writeFileSync(path, goKubeconfig(hostname, Number(port || 443), authority, token));
  expect(readFileSync(path, "utf8")).toContain(`server: https://[${hostname}]:`);
  expect(onDemandDaemons()).toEqual([]);
  await comeAndGo("by-kubeconfig");
  expect(onDemandDaemons()).toHaveLength(1);
  expect(readFileSync(path, "utf8")).toContain(`server: https://[${hostname}]:`);
});
