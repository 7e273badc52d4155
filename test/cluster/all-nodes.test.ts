/** `kubectl multus status` and `doctor`: all nodes at once, by exec in the daemons' pods, over the real API server, kubelet and containerd. */

import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { DeployedDaemonSet } from "../support/cluster/daemon-pod.ts";
import { kustomize } from "../support/cluster/deployment.ts";
import { KubectlPlugin } from "../support/cluster/kubectl-plugin.ts";
import { ClusterNode, nodeName } from "../support/cluster/node.ts";
import { runOrThrow } from "../support/command.ts";

interface NodeRow {
  readonly node: string;
  readonly state: string;
  readonly problem: string;
  readonly status?: { readonly daemon: { readonly nodeName: string; readonly ready: boolean } };
}

interface StatusReport {
  readonly ok: boolean;
  readonly hasAllNodes: boolean;
  readonly nodes: readonly NodeRow[];
}

let node: ClusterNode;
let plugin: KubectlPlugin;

beforeAll(async () => {
  node = await ClusterNode.start({ bare: true, serving: true, containerd: "2.4" });
  plugin = new KubectlPlugin(node.directory);
  const daemonSet = await DeployedDaemonSet.apply(node, await kustomize("thick"));
  await node.applyNetwork("default", "storage", node.macvlan(["10.130.0.0/24"]));
  const daemon = await daemonSet.start();
  await node.until("the daemon is ready", async () => {
    const { metadata } = daemon.pod;
    const pod = await node.api.request<{
      readonly status: { readonly containerStatuses?: { ready: boolean }[] };
    }>("GET", `/api/v1/namespaces/kube-system/pods/${metadata.name}`);
    return pod.status.containerStatuses?.[0]?.ready === true;
  });
  await node.applyPod("default", "web", "storage");
  await node.waitForPod("default", "web");
});

afterAll(() => node?.[Symbol.asyncDispose]());

const run = (...args: readonly string[]) => plugin.run(node.api.adminKubeconfig, ...args);

async function status(...args: readonly string[]) {
  const { exitCode, stdout } = await run("status", "--json", ...args);
  const report: StatusReport = JSON.parse(stdout);
  return { exitCode, report };
}

/** A node without a kubelet, whose own address nobody listens at. */
async function deadNode(name: string): Promise<void> {
  await node.api.request("POST", "/api/v1/nodes", { metadata: { name } });
  await node.api.request(
    "PATCH",
    `/api/v1/nodes/${name}/status`,
    {
      status: {
        addresses: [{ type: "InternalIP", address: "127.0.0.1" }],
        daemonEndpoints: { kubeletEndpoint: { Port: 1 } },
      },
    },
    "application/merge-patch+json",
  );
}

test("a node's daemon is asked over exec, and says what multusctl says in its pod", async () => {
  const { exitCode, report } = await status();
  expect(report).toMatchObject({
    ok: true,
    hasAllNodes: true,
    nodes: [
      {
        node: nodeName,
        state: "ready",
        problem: "",
        status: {
          daemon: { nodeName, ready: true },
          node: { containers: 1, attachments: 2 },
        },
      },
    ],
  });
  expect(exitCode).toBe(0);
});

test("doctor has the findings of every node, with the node's directories as they are in the pod", async () => {
  const { exitCode, stdout } = await run("doctor", "--json");
  const { ok, nodes } = JSON.parse(stdout);
  const findings: { check: string; verdict: string }[] = nodes[0].answer.findings;
  expect(findings.filter(({ verdict }) => verdict === "fail")).toEqual([]);
  expect(findings.filter(({ verdict }) => verdict === "pass").map(({ check }) => check)).toEqual(
    expect.arrayContaining(["runtime/first-file", "daemon/answers", "cluster/api"]),
  );
  expect({ exitCode, ok, names: nodes.map((each: NodeRow) => each.node) }).toEqual({
    exitCode: 0,
    ok: true,
    names: [nodeName],
  });
});

test("its role is enough: pods are listed, and multusctl is run in those of the namespace", async () => {
  const { api } = node;
  const name = "watcher";
  await api.request("POST", "/api/v1/namespaces/kube-system/serviceaccounts", { metadata: { name } });
  const rbac = "/apis/rbac.authorization.k8s.io/v1/namespaces/kube-system";
  await api.request("POST", `${rbac}/roles`, {
    metadata: { name },
    rules: [
      { apiGroups: [""], resources: ["pods"], verbs: ["list"] },
      { apiGroups: [""], resources: ["pods/exec"], verbs: ["create", "get"] },
    ],
  });
  await api.request("POST", `${rbac}/rolebindings`, {
    metadata: { name },
    subjects: [{ kind: "ServiceAccount", name, namespace: "kube-system" }],
    roleRef: { apiGroup: "rbac.authorization.k8s.io", kind: "Role", name },
  });
  const token = await api.createToken("kube-system", name);
  await api.untilServed("/api/v1/namespaces/kube-system/pods?limit=1", token);
  const { exitCode, stdout } = await plugin.run(api.kubeconfigFor({ token }), "status");
  expect(stdout).toMatch(new RegExp(`^${nodeName} +ready `, "m"));
  expect(stdout).toContain("1 of 1 node ready; nodes without a daemon are not known");
  expect(exitCode).toBe(0);
});

test("a node without a daemon and one that cannot be reached stop no other, and both are named", async () => {
  await deadNode("node-2");
  await deadNode("node-3");
  const { labels } = (
    (await node.api.request("GET", "/apis/apps/v1/namespaces/kube-system/daemonsets/kube-multus-ds")) as {
      spec: { template: { metadata: { labels: object } } };
    }
  ).spec.template.metadata;
  await node.api.request("POST", "/api/v1/namespaces/kube-system/pods", {
    metadata: { name: "kube-multus-ds-dead", labels },
    spec: {
      nodeName: "node-3",
      containers: [
        { name: "kube-multus", image: "localhost/multus-wasm:0.1.0", command: ["/usr/local/bin/multusd"] },
      ],
    },
  });
  const running = [
    { name: "kube-multus", ready: true, restartCount: 3, image: "x", imageID: "x", state: { running: {} } },
  ];
  await node.api.request(
    "PATCH",
    "/api/v1/namespaces/kube-system/pods/kube-multus-ds-dead/status",
    { status: { phase: "Running", containerStatuses: running } },
    "application/merge-patch+json",
  );

  const { exitCode, report } = await status();
  expect(report.nodes.map(({ node: name, state }) => [name, state])).toEqual([
    [nodeName, "ready"],
    ["node-2", "no daemon"],
    ["node-3", "no answer"],
  ]);
  expect(report.nodes[2]?.problem).toMatch(/connection refused$/);
  expect({ exitCode, ok: report.ok }).toEqual({ exitCode: 1, ok: false });

  const chosen = await status("--node", nodeName);
  expect(chosen.report.nodes.map(({ node: name }) => name)).toEqual([nodeName]);
  expect(chosen.exitCode).toBe(0);

  const text = await run("status");
  expect(text.stdout).toMatch(new RegExp(`^${nodeName} +ready `, "m"));
  expect(text.stdout).toContain("1 of 3 nodes ready");
  const doctor = await run("doctor");
  expect(doctor.stdout).toMatch(/^FAIL +node-2 +daemon\/answers +no pod of Multus$/m);
  expect(doctor.exitCode).toBe(1);
});

test("a bundle has the logs of the daemon, and no word of its token", async () => {
  const archive = join(node.directory, "bundle.tar.gz");
  const { exitCode, stdout } = await run("bundle", "--node", nodeName, "--output", archive);
  expect(exitCode).toBe(0);
  for (const name of ["status.json", "doctor.json", "attachments.json", "kube-multus.log"]) {
    expect(stdout).toContain(`nodes/${nodeName}/${name} `);
  }
  expect(stdout).not.toContain("not-read.txt");
  const text = await runOrThrow(["tar", "--extract", "--gzip", "--to-stdout", "--file", archive]);
  expect(text).toContain("default/storage");
  expect(text).not.toMatch(/\beyJ[\w-]+\./);
});
