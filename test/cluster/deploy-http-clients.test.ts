/**
 * The DaemonSet with components/http-clients on a node: what Go multus's shim asks of the socket over HTTP, the daemon's pod does itself, in the host's root. Without the component the same
 * call is told why not.
 */

import { randomBytes } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { DeployedDaemonSet } from "../support/cluster/daemon-pod.ts";
import { kustomize, kustomizeOwn } from "../support/cluster/deployment.ts";
import { ClusterNode, networksAnnotation } from "../support/cluster/node.ts";
import { runOrThrow } from "../support/command.ts";
import { GoShim, goShimReleases } from "../support/go-shim.ts";
import { cidrs, Namespace } from "../support/namespace.ts";
import type { CniCommand, PluginAnswer } from "../support/plugin.ts";
import { ScratchDirectory } from "../support/scratch-directory.ts";

const newest = goShimReleases.at(-1);
if (newest === undefined) throw new Error("there is no release of the shim");

let node: ClusterNode;
let scratch: ScratchDirectory;
let pod: Namespace;
let goShim: GoShim;
/** Where the node has the pod's. */
const netnsOnNode = "/run/netns/guest";
const containerId = randomBytes(32).toString("hex");

const runtimeFile = () => node.hostPath("/etc/cni/net.d/00-multus.conf");

/** Answer of Go multus's shim to a container runtime with the node's configuration. */
function call(command: CniCommand): Promise<PluginAnswer> {
  return goShim.call({
    command,
    containerId,
    netns: netnsOnNode,
    ifName: "eth0",
    args: "IgnoreUnknown=true;K8S_POD_NAMESPACE=default;K8S_POD_NAME=guest",
    path: "/opt/cni/bin",
    config: readFileSync(runtimeFile(), "utf8"),
  });
}

beforeAll(async () => {
  scratch = new ScratchDirectory("kustomization");
  node = await ClusterNode.start({ bare: true, containerd: "2.4" });
  goShim = new GoShim(node.hostPath("/run/multus/multus.sock"), newest);
  // No kubelet runs it: its sandbox is made here.
  await node.api.request("POST", "/api/v1/namespaces/default/pods", {
    metadata: { name: "guest", annotations: { [networksAnnotation]: "storage" } },
    spec: { nodeName: "nowhere", containers: [{ name: "main", image: "none" }] },
  });
  pod = await Namespace.create("pod");
  const point = node.hostPath(netnsOnNode);
  mkdirSync(dirname(point), { recursive: true });
  writeFileSync(point, "");
  await runOrThrow(["mount", "--bind", pod.path, point]);
});

afterAll(async () => {
  await node?.[Symbol.asyncDispose]();
  await pod?.[Symbol.asyncDispose]();
  scratch?.[Symbol.dispose]();
});

test("with the component a pod gets its networks over HTTP, and gives them back", async () => {
  const manifests = await kustomizeOwn(scratch.path, "thick", ["http-clients"]);
  const daemonSet = await DeployedDaemonSet.apply(node, manifests);
  await node.applyNetwork("default", "storage", node.macvlan(["10.130.0.0/24"]));
  const daemon = await daemonSet.start();
  await node.until("00-multus.conf", async () => existsSync(runtimeFile()));
  const before = await node.traces();

  (await call("ADD")).expectSuccess();
  const links = await pod.links();
  expect(links.map(({ ifname }) => ifname)).toEqual(["eth0", "net1"]);
  expect(links.flatMap((link) => cidrs(link))).toEqual([
    expect.stringMatching(/^10\.120\./),
    expect.stringMatching(/^10\.130\.0\./),
  ]);
  (await call("CHECK")).expectSuccess();
  (await call("DEL")).expectSuccess();
  expect(await pod.links()).toEqual([]);
  const { links: left, reservations, state } = await node.traces();
  expect({ left, reservations, state }).toEqual({
    left: before.links,
    reservations: before.reservations,
    state: before.state,
  });
  await daemon.delete();
});

test("without it the runtime is told that the daemon may not", async () => {
  const daemon = await (await DeployedDaemonSet.applyOnly(node, await kustomize("thick"))).start();
  await node.until("00-multus.conf", async () => existsSync(runtimeFile()));
  const { exitCode, stdout } = await call("ADD");
  expect(exitCode).toBe(1);
  expect(JSON.parse(stdout).msg).toMatch(/hostroot/);
  expect(await pod.links()).toEqual([]);
  await daemon.delete();
});
