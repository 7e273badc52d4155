/**
 * The policies of deploy/base before a real API server: with a daemon's certificate or token, as somebody has it who has stolen it from a node, nothing is
 * written to pods of other nodes, and of its own node's pods nothing but the network-status; everybody else writes as before.
 */

import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { openApi } from "../../src/ctl/cluster/access.ts";
import { type Api, ApiError, type ApiRequest } from "../../src/kube/api.ts";
import { ApiNode, networksAnnotation, podsPath, statusAnnotation } from "../support/cluster/api-node.ts";
import { ApiServer } from "../support/cluster/api-server.ts";
import { deployDirectory } from "../support/cluster/deployment.ts";
import type { Credentials } from "../support/cluster/kubeconfig.ts";
import { pauseImageName } from "../support/pause-image.ts";

const eventsPath = "/apis/events.k8s.io/v1/namespaces/default/events";
const systemPath = "/api/v1/namespaces/kube-system";
const mergePatch = "application/merge-patch+json";
const patience = { timeout: 60_000, interval: 100 };

const resources = new AsyncDisposableStack();
let api: ApiServer;
/** The server, by who asks it. */
const clients = new Map<string, Api>();

/** Everything that a node has of a daemon's. */
const daemonsOfNode1 = ["certificate", "token of its pod", "token bound to the node"];

interface ApiObject {
  readonly metadata: {
    readonly uid: string;
    readonly labels?: Readonly<Record<string, string>>;
    readonly annotations?: Readonly<Record<string, string>>;
  };
  readonly spec: object;
  readonly status: Readonly<Record<string, unknown>>;
}

/** @param metadata beside name and what all have */
async function createPod(name: string, nodeName: string | undefined, metadata: object = {}): Promise<void> {
  await api.request("POST", podsPath, {
    metadata: {
      name,
      labels: { app: "shop" },
      annotations: { [networksAnnotation]: "storage", owner: "team" },
      ...metadata,
    },
    spec: {
      ...(nodeName !== undefined && { nodeName }),
      containers: [{ name: "main", image: pauseImageName }],
    },
  });
}

const podOf = (name: string) => api.request<ApiObject>("GET", `${podsPath}/${name}`);

/** Asks the server as somebody. @returns "" where it does it, else status and message */
async function attempt(who: string, request: ApiRequest): Promise<string> {
  const client = clients.get(who);
  if (client === undefined) throw new Error(`no credentials of ${who}`);
  try {
    await client.request(request);
    return "";
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    return `${error.status} ${error.message}`;
  }
}

function patch(who: string, path: string, body: object): Promise<string> {
  return attempt(who, { method: "PATCH", path, body, contentType: mergePatch });
}

/** The daemons' access to pods: a patch of their status. */
const patchStatus = (who: string, pod: string, body: object) => patch(who, `${podsPath}/${pod}/status`, body);
const withStatus = (text: string | null) => ({ metadata: { annotations: { [statusAnnotation]: text } } });

/** As a daemon of node-1 makes it. */
function event(more: object = {}): object {
  return {
    apiVersion: "events.k8s.io/v1",
    kind: "Event",
    metadata: { generateName: "own-", namespace: "default" },
    eventTime: "2026-01-01T00:00:00.000000Z",
    reportingController: "multus",
    reportingInstance: "node-1",
    action: "Attach",
    reason: "AddedInterface",
    regarding: { apiVersion: "v1", kind: "Pod", namespace: "default", name: "own" },
    note: "Add net1",
    type: "Normal",
    ...more,
  };
}

const ofANode = { regarding: { apiVersion: "v1", kind: "Node", namespace: "default", name: "node-1" } };
const makeEvent = (who: string, more: object = {}) =>
  attempt(who, { method: "POST", path: eventsPath, body: event(more) });

async function addClient(who: string, credentials: Credentials): Promise<void> {
  const access = await openApi(api.kubeconfigFor(credentials), undefined, {});
  resources.use(access);
  clients.set(who, access.api);
}

/** As the kubelet of a daemon's pod gets it. */
const tokenOfPod = async (pod: string) => ({
  token: await api.createToken("kube-system", "multus", 3_600, pod),
});

beforeAll(async () => {
  api = resources.use(await ApiServer.start());
  await api.applyDeployment();
  await api.kubectl("apply", "-f", join(deployDirectory, "components", "per-node-certificate", "rbac.yaml"));
  for (const name of ["node-1", "node-2"]) await api.request("POST", "/api/v1/nodes", { metadata: { name } });
  await createPod("own", "node-1");
  await createPod("other", "node-2");
  await createPod("nowhere", undefined);
  await api.request("POST", `${systemPath}/pods`, {
    metadata: { name: "daemon-1" },
    spec: {
      nodeName: "node-1",
      serviceAccountName: "multus",
      containers: [{ name: "main", image: pauseImageName }],
    },
  });
  // Somebody else's program that writes statuses of pods.
  await api.request("POST", `${systemPath}/serviceaccounts`, { metadata: { name: "scheduler-of-mine" } });
  await api.kubectl("create", "clusterrole", "statuses", "--verb=patch", "--resource=pods/status");
  const subject = "--serviceaccount=kube-system:scheduler-of-mine";
  await api.kubectl("create", "clusterrolebinding", "statuses", "--clusterrole=statuses", subject);

  const { certificates } = api;
  await addClient("certificate", await certificates.client("m1", "system:multus:node-1", "system:multus"));
  await addClient("certificate of no node", await certificates.client("m0", "somebody", "system:multus"));
  await addClient(
    "certificate of the group",
    await certificates.client("m", "system:multus", "system:multus"),
  );
  await addClient("kubelet of node-1", await certificates.kubelet("node-1"));
  await addClient("kubelet of node-2", await certificates.kubelet("node-2"));
  await addClient("token of its pod", await tokenOfPod("daemon-1"));
  // As deploy/README.md has it for a daemon outside of pods.
  const account = ["--namespace", "kube-system", "create", "token", "multus", "--duration", "24h"];
  const bound = ["--bound-object-kind", "Node", "--bound-object-name", "node-1"];
  await addClient("token bound to the node", { token: await api.kubectl(...account, ...bound) });
  await addClient("token bound to nothing", { token: await api.createToken("kube-system", "multus") });
  await addClient("another program", { token: await api.createToken("kube-system", "scheduler-of-mine") });
  await addClient("administrator", await certificates.client("administrator", "root", "system:masters"));

  // A server follows what is written of policies some moments later.
  await vi.waitFor(async () => {
    expect(await patchStatus("certificate", "other", withStatus("[]"))).toContain("multus-wasm-pods");
    expect(await makeEvent("certificate", ofANode)).toContain("multus-wasm-events");
  }, patience);
  await patchStatus("administrator", "other", withStatus(null));
});

afterAll(() => resources.disposeAsync());

describe.each(daemonsOfNode1)("with the %s of node-1's daemon", (who) => {
  test("the network-status of a pod of that node is written, changed and taken back", async () => {
    for (const text of ['[{"name":"a"}]', '[{"name":"b"}]']) {
      expect(await patchStatus(who, "own", withStatus(text))).toBe("");
      expect((await podOf("own")).metadata.annotations?.[statusAnnotation]).toBe(text);
    }
    expect(await patchStatus(who, "own", withStatus(null))).toBe("");
    expect((await podOf("own")).metadata.annotations).not.toHaveProperty([statusAnnotation]);
  });

  test.each([
    ["of another node", "other", "this one is on node-2"],
    ["of no node yet", "nowhere", "this one is on none"],
  ])("nothing is written to a pod %s", async (_, pod, says) => {
    const before = await podOf(pod);
    const refusal = await patchStatus(who, pod, withStatus("[]"));
    expect(refusal).toMatch(/^403 .*the daemon of node node-1 writes to pods of its own node/);
    expect(refusal).toContain(says);
    expect(await podOf(pod)).toEqual(before);
  });

  test.each<[string, object]>([
    ["phase", { status: { phase: "Failed" } }],
    ["addresses", { status: { podIP: "192.0.2.66", podIPs: [{ ip: "192.0.2.66" }] } }],
    ["conditions", { status: { conditions: [{ type: "Ready", status: "True" }] } }],
    ["labels", { metadata: { labels: { app: "bank" } } }],
    ["finalizers", { metadata: { finalizers: ["example.test/stays"] } }],
    ["choice of networks", { metadata: { annotations: { [networksAnnotation]: "vault/secret" } } }],
    [
      "other annotations, with a network-status beside them",
      { metadata: { annotations: { [statusAnnotation]: "[]", owner: "somebody" } } },
    ],
    ["other annotations, none taken away", { metadata: { annotations: { owner: null } } }],
    ["other annotations, none added", { metadata: { annotations: { "example.test/new": "1" } } }],
  ])("a pod of that node keeps its %s", async (_, body) => {
    const before = await podOf("own");
    expect(await patchStatus(who, "own", body)).toMatch(/^403 .*multus-wasm-pods/);
    expect(await podOf("own")).toEqual(before);
  });

  test("the role grants an attacker no other rights", async () => {
    const network = {
      apiVersion: "k8s.cni.cncf.io/v1",
      kind: "NetworkAttachmentDefinition",
      metadata: { name: "new" },
      spec: { config: "{}" },
    };
    const networksPath = "/apis/k8s.cni.cncf.io/v1/namespaces/default/network-attachment-definitions";
    const policies = "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies";
    const approvals = "/apis/certificates.k8s.io/v1/certificatesigningrequests/x/approval";
    const tokenRequest = { spec: { expirationSeconds: 600 } };
    const requests: readonly ApiRequest[] = [
      { method: "PATCH", path: `${podsPath}/own`, body: {}, contentType: mergePatch },
      { method: "POST", path: podsPath, body: {} },
      { method: "POST", path: `${podsPath}/own/eviction`, body: {} },
      { method: "POST", path: `${podsPath}/own/exec`, body: {} },
      { method: "POST", path: networksPath, body: network },
      { method: "GET", path: "/api/v1/secrets" },
      { method: "GET", path: `${systemPath}/configmaps` },
      { method: "GET", path: "/api/v1/nodes/node-1" },
      { method: "GET", path: "/apis/apps/v1/namespaces/kube-system/daemonsets" },
      { method: "GET", path: "/apis/apps/v1/namespaces/kube-system/daemonsets/kube-proxy" },
      { method: "GET", path: "/apis/apps/v1/namespaces/default/daemonsets/kube-multus-ds" },
      {
        method: "PATCH",
        path: "/apis/apps/v1/namespaces/kube-system/daemonsets/kube-multus-ds",
        body: {},
        contentType: mergePatch,
      },
      { method: "GET", path: `${policies}/multus-wasm-pods` },
      { method: "PATCH", path: `${policies}/multus-wasm-pods`, body: {}, contentType: mergePatch },
      { method: "PUT", path: approvals, body: {} },
      { method: "POST", path: `${systemPath}/serviceaccounts/multus/token`, body: tokenRequest },
      {
        method: "POST",
        path: `${systemPath}/serviceaccounts/multus-cert-approver/token`,
        body: tokenRequest,
      },
    ];
    for (const request of requests) {
      expect(await attempt(who, request), `${request.method} ${request.path}`).toMatch(/^403 .*cannot/s);
    }
  });

  test("all pods and networks of the cluster can be read: a role cannot say less", async () => {
    for (const path of ["/api/v1/pods", "/apis/k8s.cni.cncf.io/v1/network-attachment-definitions"]) {
      expect(await attempt(who, { method: "GET", path })).toBe("");
    }
  });

  test("events are made in every namespace, which say that they are from multus on that node", async () => {
    expect(await makeEvent(who)).toBe("");
    for (const more of [{ reportingInstance: "node-2" }, { reportingController: "kubelet" }, ofANode]) {
      expect(await makeEvent(who, more), JSON.stringify(more)).toContain("from multus on its own node");
    }
  });

  test("its events are counted up, and no others are changed", async () => {
    const names = ["own", "of-kubelet", "of-node-2"].map((name) => `${name}-${daemonsOfNode1.indexOf(who)}`);
    const kinds = [{}, { reportingController: "kubelet" }, { reportingInstance: "node-2" }];
    for (const [index, name] of names.entries()) {
      const body = { ...event(kinds[index]), metadata: { name, namespace: "default" } };
      await api.request("POST", eventsPath, body);
    }
    const series = { series: { count: 2, lastObservedTime: "2026-01-01T00:00:30.000000Z" } };
    const [own, ofKubelet, ofNode2] = names.map((name) => `${eventsPath}/${name}`);
    expect(await patch(who, own ?? "", series)).toBe("");
    for (const path of [ofKubelet, ofNode2]) {
      expect(await patch(who, path ?? "", series)).toMatch(/^403 .*multus-wasm-events/);
      expect(
        await patch(who, path ?? "", { reportingController: "multus", reportingInstance: "node-1" }),
      ).toMatch(/^4\d\d /);
    }
    expect(await patch(who, own ?? "", { regarding: ofANode.regarding })).toMatch(/^4\d\d /);
  });
});

describe("a daemon's status arrives", () => {
  /** Beside the status and the selection of networks. */
  const annotationsOf = (count: number, networks: string) => ({
    ...Object.fromEntries(Array.from({ length: count }, (_, index) => [`key-${index}`, "v"])),
    [networksAnnotation]: networks,
  });

  test("on a pod with as long annotations as an API server takes, and hundreds of them", async () => {
    await createPod("large", "node-1", { annotations: annotationsOf(998, "a,".repeat(120_000)) });
    expect(await patchStatus("certificate", "large", withStatus("[]"))).toBe("");
  });

  test("not on a pod with thousands of annotations, whose author would have the API server compare them", async () => {
    await createPod("crowded", "node-1", { annotations: annotationsOf(16_000, "") });
    const refusal = await patchStatus("certificate", "crowded", withStatus("[]"));
    expect(refusal).toMatch(/^403 .*a pod with more than 1000 annotations gets no network-status/);
    expect(await patchStatus("kubelet of node-1", "crowded", { status: { message: "kubelet" } })).toBe("");
  });

  test("on a pod that is ending", async () => {
    await createPod("ending", "node-1", { finalizers: ["example.test/waits"] });
    await api.request("DELETE", `${podsPath}/ending?gracePeriodSeconds=0`);
    expect(await patchStatus("certificate", "ending", withStatus("[]"))).toBe("");
    await api.request("PATCH", `${podsPath}/ending`, { metadata: { finalizers: null } }, mergePatch);
  });

  test("not on another pod of that name, which is on another node: the conflict is told, as the daemon looks for it", async () => {
    const { uid } = (await podOf("own")).metadata;
    const refusal = await patchStatus("certificate", "other", {
      metadata: { uid, ...withStatus("[]").metadata },
    });
    expect(refusal).toMatch(/^(409|422) /);
  });

  test("and events, from a daemon with the token of its pod", async () => {
    const { token } = await tokenOfPod("daemon-1");
    await using cluster = await ApiNode.start(api, "node-1", token);
    await cluster.createNetwork("storage", cluster.macvlan("storage", "10.140.0.0/24"));
    const pod = await cluster.place("web", "storage");
    (await pod.call("ADD", "storage")).expectSuccess();
    await cluster.untilReported(pod, ["default/storage"]);
    await expect
      .poll(async () => {
        const { items } = await api.request<{
          readonly items: readonly {
            readonly reason: string;
            readonly regarding: { readonly name: string };
          }[];
        }>("GET", eventsPath);
        return items.filter(({ regarding }) => regarding.name === "web").map(({ reason }) => reason);
      }, patience)
      .toContain("AddedInterface");
  });
});

describe("users that are no daemon of a node", () => {
  test.each(["certificate of no node", "certificate of the group"])(
    "writes to no pod with a %s, though it is of the group system:multus",
    async (who) => {
      expect(await patchStatus(who, "own", withStatus("[]"))).toMatch(/^403 .*multus-wasm-pods/);
    },
  );

  test("with a token that is bound to nothing writes to pods of all nodes, as its maker wanted it, and the network-status alone", async () => {
    const who = "token bound to nothing";
    expect(await patchStatus(who, "other", withStatus("[]"))).toBe("");
    expect(await patchStatus(who, "other", { status: { phase: "Failed" } })).toMatch(
      /^403 .*multus-wasm-pods/,
    );
  });

  test("writes as before: a kubelet, another program, an administrator", async () => {
    const message = (text: string) => ({ status: { message: text } });
    expect(await patchStatus("kubelet of node-2", "other", message("kubelet"))).toBe("");
    expect(await patchStatus("another program", "own", message("program"))).toBe("");
    expect(await patchStatus("administrator", "own", { metadata: { labels: { app: "mall" } } })).toBe("");
    expect((await podOf("own")).metadata.labels).toEqual({ app: "mall" });
    expect(await makeEvent("administrator", { reportingController: "kubelet" })).toBe("");
  });
});

describe("Go multus's daemon by its own role, while nodes are changed over", () => {
  const who = "token of its pod";
  const oldAnnotation = "k8s.v1.cni.cncf.io/networks-status";

  beforeAll(async () => {
    await api.kubectl("create", "clusterrole", "multus", "--verb=get,update", "--resource=pods,pods/status");
    const subject = "--serviceaccount=kube-system:multus";
    await api.kubectl("create", "clusterrolebinding", "multus", "--clusterrole=multus", subject);
    await vi.waitFor(async () => {
      const body = await podOf("own");
      expect(await attempt(who, { method: "PUT", path: `${podsPath}/own`, body })).toBe("");
    }, patience);
  });

  test("writes the status of its node's pods by update, under both names", async () => {
    const found = await podOf("own");
    const annotations = { ...found.metadata.annotations, [statusAnnotation]: "[]", [oldAnnotation]: "[]" };
    const body = { ...found, metadata: { ...found.metadata, annotations } };
    expect(await attempt(who, { method: "PUT", path: `${podsPath}/own/status`, body })).toBe("");
    expect((await podOf("own")).metadata.annotations).toMatchObject({ [oldAnnotation]: "[]" });
  });

  test("changes no pod by the right to update pods that this role has", async () => {
    const found = await podOf("own");
    // A second from now the kubelet would end it.
    const spec = { ...found.spec, activeDeadlineSeconds: 1 };
    const labels = { app: "bank" };
    for (const body of [
      { ...found, spec },
      { ...found, metadata: { ...found.metadata, labels } },
    ]) {
      const refusal = await attempt(who, { method: "PUT", path: `${podsPath}/own`, body });
      expect(refusal).toMatch(/^403 .*multus-wasm-pods/);
    }
    const other = await podOf("other");
    const body = { ...other, metadata: { ...other.metadata, labels } };
    expect(await attempt(who, { method: "PUT", path: `${podsPath}/other`, body })).toMatch(/^403 .*own node/);
  });
});
