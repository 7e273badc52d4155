/**
 * The DaemonSet of deploy/thin on a node that knows nothing of multus, unchanged: its pod, unprivileged, puts plugin, daemon, kubeconfig and configuration onto the node; the
 * plugin starts the daemon there with the first pod.
 */

import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type DaemonPod, DeployedDaemonSet } from "../support/cluster/daemon-pod.ts";
import { kustomize } from "../support/cluster/deployment.ts";
import { ClusterNode, nodeName, onDemandDaemons } from "../support/cluster/node.ts";
import { bytesOf, workingSet } from "../support/container-resources.ts";

let node: ClusterNode;
let daemonSet: DeployedDaemonSet;
let installer: DaemonPod;
/** Paths of the node's directories on this machine. */
let confDir: string;
let binDir: string;

beforeAll(async () => {
  node = await ClusterNode.start({ bare: true, containerd: "debian" });
  [confDir, binDir] = [node.hostPath("/etc/cni/net.d"), node.hostPath("/opt/cni/bin")];
  daemonSet = await DeployedDaemonSet.apply(node, await kustomize("thin"));
  await node.applyNetwork("default", "storage", node.macvlan(["10.130.0.0/24"]));
  await node.applyNetwork("default", "video", node.macvlan(["10.131.0.0/24"]));
  installer = await daemonSet.start();
  await node.until("00-multus.conflist", async () => existsSync(join(confDir, "00-multus.conflist")));
});

afterAll(async () => {
  await node?.[Symbol.asyncDispose]();
  expect(onDemandDaemons()).toEqual([]);
});

test("the pod, with no capability, has put everything onto the node, and stays within its memory", () => {
  expect(readFileSync(`/proc/${installer.pid}/status`, "utf8")).toMatch(/^CapBnd:\s+0000000000000000$/m);
  for (const name of ["multus", "multus-shim", "passthru", "multusd"]) {
    expect(statSync(join(binDir, name)).mode & 0o7777, name).toBe(0o755);
  }
  for (const name of ["00-multus.conflist", "multus.d/multus.kubeconfig"]) {
    expect(statSync(join(confDir, name)).mode & 0o7777, name).toBe(0o600);
  }
  const { plugins } = JSON.parse(readFileSync(join(confDir, "00-multus.conflist"), "utf8"));
  expect(plugins).toMatchObject([
    {
      type: "multus",
      kubeconfig: "/etc/cni/net.d/multus.d/multus.kubeconfig",
      daemonCommand: ["/opt/cni/bin/multusd", "--config", "/etc/cni/net.d/multus.d/on-demand.json"],
    },
  ]);
  const onDemand = JSON.parse(readFileSync(join(confDir, "multus.d/on-demand.json"), "utf8"));
  expect(onDemand).toMatchObject({ nodeName });
  const { requests } = daemonSet.spec.template.spec.containers[0]?.resources ?? {};
  expect(workingSet(installer.pid)).toBeLessThan(bytesOf(requests?.memory));
  expect(onDemandDaemons()).toEqual([]);
});

test("the first pod starts the daemon on the node, and gets its networks; nothing of it is left", async () => {
  await node.applyPod("default", "first", "storage");
  await node.waitForPod("default", "first");
  await node.deletePods("default", "first");
  expect(onDemandDaemons()).toHaveLength(1);
  const [{ pid } = { pid: 0 }] = onDemandDaemons();

  await expect.poll(async () => (await node.traces()).state, { timeout: 60_000 }).toEqual([]);
  const before = await node.traces();
  await node.applyPod("default", "web", "storage, video@vid0");
  await node.waitForPod("default", "web");
  expect((await node.podLinks("default", "web")).map(({ ifname }) => ifname)).toEqual([
    "eth0",
    "net1",
    "vid0",
  ]);
  expect(await node.waitForNetworkStatus("default", "web")).toMatchObject([
    { name: "cluster", interface: "eth0", default: true },
    { name: "default/storage", interface: "net1", ips: [expect.stringMatching(/^10\.130\.0\./)] },
    { name: "default/video", interface: "vid0", ips: [expect.stringMatching(/^10\.131\.0\./)] },
  ]);
  await node.deletePods("default", "web");
  await node.untilNothingIsLeft(before);
  expect(onDemandDaemons().map((daemon) => daemon.pid)).toEqual([pid]);
});

test("without the pod the node goes on as it is", async () => {
  await installer.delete();
  expect(readdirSync(confDir).sort()).toEqual(["00-multus.conflist", "10-cluster.conflist", "multus.d"]);
  expect(onDemandDaemons()).toHaveLength(1);
});

test("the DaemonSet of deploy/thick takes the place of it and of the daemon that runs; pods keep their networks, and go with nothing left", async () => {
  const before = (await node.traces()).reservations;
  await node.applyPod("default", "lasting", "storage, video");
  await node.waitForPod("default", "lasting");
  const thick = await DeployedDaemonSet.applyOnly(node, await kustomize("thick"));
  const daemon = await thick.start();
  await node.until("00-multus.conf", async () => existsSync(join(confDir, "00-multus.conf")));
  await node.applyPod("default", "next", "storage");
  await node.waitForPod("default", "next");
  expect((await node.podLinks("default", "next")).map(({ ifname }) => ifname)).toEqual(["eth0", "net1"]);
  await node.deletePods("default", "lasting", "next");
  const socket = ["--socket-dir", "/host/run/multus"];
  expect(await daemon.multusctl("status", ...socket)).toMatchObject({
    daemon: { ready: true, onDemand: false },
    problem: "",
  });
  await expect.poll(async () => (await node.traces()).reservations, { timeout: 90_000 }).toEqual(before);
  expect((await node.traces()).state).toEqual([]);
});
