/**
 * The DaemonSet with components/per-node-certificate, unchanged, on a node with a kubelet's files as kubeadm leaves them: the approver runs in a pod, the daemon's pod gets a
 * certificate of its node, and works as that user: the rights of the service account that all nodes share are taken away before. The node is made one of the control plane's
 * for it: before, the approver goes nowhere.
 */

import { X509Certificate } from "node:crypto";
import { existsSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { Controllers } from "../support/cluster/controllers.ts";
import { DeployedDaemonSet } from "../support/cluster/daemon-pod.ts";
import { kustomizeOwn } from "../support/cluster/deployment.ts";
import { writeKubeletFiles } from "../support/cluster/kubelet-files.ts";
import { ClusterNode, type ClusterPod, isRunning, nodeName } from "../support/cluster/node.ts";
import { ScratchDirectory } from "../support/scratch-directory.ts";

const resources = new AsyncDisposableStack();
let node: ClusterNode;
let manifests: string;
let approver: ClusterPod;
let daemon: ClusterPod;
/** The scheduler's message about the approver while the node was like any other. */
let unplaced: string | undefined;

/** Waits for a pod that a controller has made and the scheduler has placed. @param but names of others */
function podOf(controller: string, ...but: readonly string[]): Promise<ClusterPod> {
  return node.until(`a pod of ${controller} to run`, async () =>
    (await node.pods("kube-system")).find(
      (pod) =>
        pod.metadata.name.startsWith(`${controller}-`) && !but.includes(pod.metadata.name) && isRunning(pod),
    ),
  );
}

/** Users that have asked for certificates, and the requests' conditions. */
async function requests(): Promise<unknown> {
  const path = "/apis/certificates.k8s.io/v1/certificatesigningrequests";
  const { items } = await node.api.request<{
    readonly items: readonly {
      readonly spec: { readonly username: string };
      readonly status: { readonly conditions?: readonly { readonly type: string }[] };
    }[];
  }>("GET", path);
  return items.map(({ spec, status }) => [
    spec.username,
    ...(status.conditions ?? []).map(({ type }) => type),
  ]);
}

const runtimeFile = () => node.hostPath("/etc/cni/net.d/00-multus.conf");

async function expectNetworks(pod: string): Promise<void> {
  await node.until("00-multus.conf", async () => existsSync(runtimeFile()));
  await node.applyPod("default", pod, "storage");
  await node.waitForPod("default", pod);
  expect(await node.waitForNetworkStatus("default", pod)).toMatchObject([
    { name: "cluster", interface: "eth0", default: true },
    { name: "default/storage", interface: "net1", ips: [expect.stringMatching(/^10\.130\.0\./)] },
  ]);
  await node.waitForEvent("default", pod, "AddedInterface");
  await node.deletePods("default", pod);
}

const certificateFile = () =>
  readFileSync(node.hostPath("/etc/cni/multus/certs/multus-client-current.pem"), "utf8");

beforeAll(async () => {
  const scratch = resources.use(new ScratchDirectory("kustomization"));
  node = resources.use(await ClusterNode.start({ bare: true, containerd: "2.4" }));
  await writeKubeletFiles(node);
  manifests = await kustomizeOwn(scratch.path, "thick", ["per-node-certificate"]);
  await DeployedDaemonSet.apply(node, manifests);
  await node.api.kubectl("delete", "clusterrolebinding", "multus-wasm");
  await node.applyNetwork("default", "storage", node.macvlan(["10.130.0.0/24"]));
  resources.use(await Controllers.start(node.api));
  unplaced = await node.until("the scheduler's word on the approver", async () => {
    const { items } = await node.api.request<{
      readonly items: readonly {
        readonly status: {
          readonly conditions?: readonly { readonly message?: string }[];
        };
      }[];
    }>("GET", "/api/v1/namespaces/kube-system/pods?labelSelector=app%3Dmultus-cert-approver");
    return items
      .flatMap(({ status }) => status.conditions ?? [])
      .find(({ message }) => message?.includes("node(s)"))?.message;
  });
  await node.api.kubectl("label", "node", nodeName, "node-role.kubernetes.io/control-plane=");
  await node.api.kubectl("taint", "node", nodeName, "node-role.kubernetes.io/control-plane=:NoSchedule");
  [approver, daemon] = await Promise.all([podOf("multus-cert-approver"), podOf("kube-multus-ds")]);
});

afterAll(() => resources.disposeAsync());

test("the approver goes to no node that is not the control plane's", () => {
  expect(unplaced).toMatch(/didn't match Pod's node affinity/);
});

test("the approver in its pod, nobody on the node, approves what the daemon asks for as its kubelet", async () => {
  await node.until("the certificate", async () =>
    node.podLog(daemon, "kube-multus").includes("certificate: signed"),
  );
  expect(node.podLog(approver, "approver")).toContain("the node node-1 may have it");
  expect(await requests()).toEqual([["system:node:node-1", "Approved"]]);
});

test("certificate and key are on the node, root's alone", () => {
  const certificate = new X509Certificate(certificateFile());
  expect(certificate.subject).toBe("O=system:multus\nCN=system:multus:node-1");
  const hours = (certificate.validToDate.getTime() - Date.now()) / 3_600_000;
  expect(hours).toBeGreaterThan(23);
  expect(hours).toBeLessThanOrEqual(24);
  const path = node.hostPath("/etc/cni/multus/certs/multus-client-current.pem");
  const { uid, mode } = statSync(path);
  expect({ uid, mode: mode & 0o777 }).toEqual({ uid: 0, mode: 0o600 });
});

test("a pod gets its networks, its network-status and events by it", async () => {
  await expectNetworks("first");
});

test("the next daemon pod goes on with it, without an approver", async () => {
  const before = certificateFile();
  await node.api.kubectl("scale", "deployment", "multus-cert-approver", "-n", "kube-system", "--replicas=0");
  await node.deletePods("kube-system", daemon.metadata.name);
  await podOf("kube-multus-ds", daemon.metadata.name);
  await expectNetworks("second");
  expect(certificateFile()).toBe(before);
  expect(await requests()).toEqual([["system:node:node-1", "Approved"]]);
});

test("deleted with all its manifests, roles first, it takes 00-multus.conf away: its certificate is good, and has no rights any more", async () => {
  const file = join(node.directory, "per-node-certificate.yaml");
  writeFileSync(file, manifests);
  await node.api.kubectl("delete", "--ignore-not-found", "--filename", file);
  await node.until("no daemon's pod", async () =>
    (await node.pods("kube-system")).every(({ metadata }) => !metadata.name.startsWith("kube-multus-ds-")),
  );
  expect(existsSync(runtimeFile())).toBe(false);
});
