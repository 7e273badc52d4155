/**
 * The DaemonSet of deploy/thick on a node that knows nothing of multus, unchanged: the real kubelet and containerd start its pod, unprivileged; it installs the plugin,
 * makes 00-multus.conf, and pods get their networks; with the DaemonSet goes what it made.
 */

import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type DaemonPod, DeployedDaemonSet } from "../support/cluster/daemon-pod.ts";
import { kustomize } from "../support/cluster/deployment.ts";
import { documents } from "../support/cluster/manifests.ts";
import { ClusterNode } from "../support/cluster/node.ts";
import { bytesOf, cpuSeconds, cpusOf, workingSet } from "../support/container-resources.ts";
import { shim } from "../support/test-node.ts";

let node: ClusterNode;
let daemonSet: DeployedDaemonSet;
let daemon: DaemonPod;
/** Paths of the node's directories on this machine. */
let confDir: string;
let binDir: string;
let socketDir: string;

const runtimeFile = () => join(confDir, "00-multus.conf");

beforeAll(async () => {
  node = await ClusterNode.start({ bare: true, containerd: "2.4" });
  confDir = node.hostPath("/etc/cni/net.d");
  binDir = node.hostPath("/opt/cni/bin");
  socketDir = node.hostPath("/run/multus");
  daemonSet = await DeployedDaemonSet.apply(node, await kustomize("thick"));
  await node.applyNetwork("default", "storage", node.macvlan(["10.130.0.0/24"]));
  await node.applyNetwork("default", "video", node.macvlan(["10.131.0.0/24"]));
  daemon = await daemonSet.start();
});

afterAll(() => node?.[Symbol.asyncDispose]());

/** The pod's links by what its cluster network and the NADs give. */
async function linksOf(name: string): Promise<string[]> {
  return (await node.podLinks("default", name)).map(({ ifname }) => ifname);
}

/** The most that the process ever had in memory. */
function peakBytes(pid: number): number {
  return Number(/^VmHWM:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1]) * 1024;
}

test("the init container has put the plugin where the runtime looks for it, under all its names", () => {
  for (const name of ["multus", "multus-shim", "passthru"]) {
    const path = join(binDir, name);
    expect(readFileSync(path).equals(readFileSync(shim)), name).toBe(true);
    const { uid, gid, mode } = statSync(path);
    expect({ uid, gid, mode: mode & 0o7777 }).toEqual({ uid: 0, gid: 0, mode: 0o755 });
  }
  // Nothing half-done stays there.
  expect(readdirSync(binDir).sort()).toEqual(
    ["bridge", "host-local", "loopback", "macvlan", "multus", "multus-shim", "passthru"].sort(),
  );
});

test("the daemon runs as root that may nothing: no capability, no new ones, filtered calls, a root that cannot be written", () => {
  const status = readFileSync(`/proc/${daemon.pid}/status`, "utf8");
  const field = (name: string) => new RegExp(`^${name}:\\s+(.*)$`, "m").exec(status)?.[1];
  expect(field("Uid")).toBe("0\t0\t0\t0");
  for (const set of ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"]) {
    expect(field(set), set).toBe("0000000000000000");
  }
  expect({ noNewPrivs: field("NoNewPrivs"), seccomp: field("Seccomp") }).toEqual({
    noNewPrivs: "1",
    seccomp: "2",
  });
  const mounts = readFileSync(`/proc/${daemon.pid}/mounts`, "utf8").split("\n");
  const optionsOf = (point: string) =>
    mounts
      .map((line) => line.split(" "))
      .findLast(([, where]) => where === point)?.[3]
      ?.split(",");
  expect(optionsOf("/")).toContain("ro");
  expect(optionsOf("/etc/cni/multus/net.d")).toContain("ro");
  expect(optionsOf("/etc/cni/net.d/multus.d")).toContain("ro");
  expect(optionsOf("/host/run/multus")).toContain("rw");
});

test("00-multus.conf names the cluster network, and pods of the kubelet get all of their networks by it", async () => {
  await node.until("00-multus.conf", async () => existsSync(runtimeFile()));
  expect(statSync(runtimeFile()).mode & 0o777).toBe(0o600);
  expect(JSON.parse(readFileSync(runtimeFile(), "utf8"))).toMatchObject({
    type: "multus",
    cniVersion: "1.0.0",
    clusterNetwork: "/host/etc/cni/net.d/10-cluster.conflist",
    capabilities: { "io.kubernetes.cri.pod-annotations": true },
  });

  const before = await node.traces();
  await node.applyPod("default", "web", "storage, video@vid0");
  await node.waitForPod("default", "web");
  expect(await linksOf("web")).toEqual(["eth0", "net1", "vid0"]);
  expect(await node.waitForNetworkStatus("default", "web")).toMatchObject([
    { name: "cluster", interface: "eth0", default: true },
    { name: "default/storage", interface: "net1", ips: [expect.stringMatching(/^10\.130\.0\./)] },
    { name: "default/video", interface: "vid0", ips: [expect.stringMatching(/^10\.131\.0\./)] },
  ]);
  await node.deletePods("default", "web");
  await node.untilNothingIsLeft(before);
});

test("multusctl is in the pod: without a flag it sees the daemon, attachments and cluster, and says what it does not see", async () => {
  const before = await node.traces();
  await node.applyPod("default", "seen", "storage");
  await node.waitForPod("default", "seen");
  expect(await daemon.multusctl("status")).toMatchObject({
    daemon: { ready: true, clusters: [{}] },
    problem: "",
  });
  expect(await daemon.multusctl("ls")).toMatchObject({
    attachments: [
      { pod: "default/seen", ifName: "eth0" },
      { pod: "default/seen", ifName: "net1" },
    ],
  });
  expect(await daemon.multusctl("ls", "--missing")).toEqual({ missing: [] });
  const report = await daemon.multusctl("doctor");
  const { findings } = report as { findings: readonly { check: string; verdict: string; finding: string }[] };
  const found = (wanted: string) => findings.filter(({ verdict }) => verdict === wanted);
  expect(found("fail")).toEqual([]);
  expect(new Set(found("skip").map(({ check }) => check))).toEqual(
    new Set(["runtime/containerd", "plugin/multus", "state/attachments", "cluster/node"]),
  );
  expect(found("pass").map(({ check }) => check)).toEqual(
    expect.arrayContaining([
      "runtime/first-file",
      "runtime/cluster-network",
      "daemon/answers",
      "cluster/api",
      "state/spool",
    ]),
  );
  await node.deletePods("default", "seen");
  await node.untilNothingIsLeft(before);
});

test("while twenty pods of three networks come and go at once it stays within what it requests", async () => {
  const { requests } = daemonSet.spec.template.spec.containers[0]?.resources ?? {};
  const before = await node.traces();
  const [started, cpuBefore] = [performance.now(), cpuSeconds(daemon.pid)];
  const names = Array.from({ length: 20 }, (_, index) => `many-${index}`);
  await node.apply(documents(names.map((name) => node.podManifest("default", name, "storage,video"))));
  await node.waitForPods("default", names);
  await Promise.all(names.map((name) => node.waitForNetworkStatus("default", name)));
  const used = workingSet(daemon.pid);
  await node.deletePods("default", ...names);
  await node.untilNothingIsLeft(before);

  const cpus = (cpuSeconds(daemon.pid) - cpuBefore) / ((performance.now() - started) / 1000);
  expect(cpus).toBeLessThan(cpusOf(requests?.cpu));
  // Node's own pages are charged to whoever read them first: all that the process has is to fit as well.
  expect(used).toBeLessThan(bytesOf(requests?.memory));
  expect(peakBytes(daemon.pid)).toBeLessThan(bytesOf(requests?.memory));
  // A number that is nonsense would pass, too.
  expect(used).toBeGreaterThan(bytesOf("10Mi"));
  expect(cpus).toBeGreaterThan(0);
});

test("with the pod goes the socket, and 00-multus.conf stays for the next one, which takes away what is left of pods; with the DaemonSet it goes", async () => {
  // Without the daemon's own sandbox, which is another one then.
  const ofPods = async () => {
    const { links, reservations, state } = await node.traces();
    return { links, reservations, state };
  };
  const before = await ofPods();
  await node.applyPod("default", "lasting", "storage,video");
  await node.waitForPod("default", "lasting");
  expect(await ofPods()).not.toEqual(before);
  await daemon.delete();
  expect(readdirSync(confDir)).toEqual(["00-multus.conf", "10-cluster.conflist"]);
  expect(readdirSync(socketDir)).toEqual([]);
  expect(existsSync(join(binDir, "multus"))).toBe(true);

  daemon = await daemonSet.start();
  await node.until("00-multus.conf", async () => existsSync(runtimeFile()));
  expect(daemon.log("install-multus-binary")).toContain("multus: up to date");
  await node.deletePods("default", "lasting");
  await expect.poll(ofPods, { timeout: 60_000 }).toEqual(before);

  await node.api.kubectl("delete", "--namespace", "kube-system", "daemonset/kube-multus-ds");
  await daemon.delete();
  expect(readdirSync(confDir)).toEqual(["10-cluster.conflist"]);
});
