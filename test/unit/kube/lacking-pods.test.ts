/** Pods that lack a network-status, as the node's watch and a second one have them, and their eviction. The cluster tests show what a real API server makes of the requests. */

import { describe, expect, test, vi } from "vitest";
import { KubeLackingPods } from "../../../src/kube/lacking-pods.ts";
import { KubePods } from "../../../src/kube/pods.ts";
import { keptRunningPod } from "../../../src/kube/running-pods.ts";
import { silentLogger } from "../../../src/log/logger.ts";
import { type KubeObject, PretendedApiServer, podsPath } from "../../support/pretended-api-server.ts";
import { connectTo } from "./connection.ts";
import { ServerWithClient } from "./server-with-client.ts";

const networks = "k8s.v1.cni.cncf.io/networks";
const status = "k8s.v1.cni.cncf.io/network-status";
const mirror = "kubernetes.io/config.mirror";
const patience = { timeout: 10_000 };

function pod(
  name: string,
  annotations: Readonly<Record<string, string>>,
  { metadata = {}, spec = {} }: { metadata?: object; spec?: object } = {},
): KubeObject {
  return {
    metadata: { name, namespace: "default", uid: `uid-${name}`, annotations, ...metadata },
    spec,
    status: { phase: "Running" },
  };
}

const reference = (name: string) => ({ namespace: "default", name, uid: `uid-${name}`, sandboxId: "" });

async function open(at: ServerWithClient): Promise<KubeLackingPods> {
  const pods = new KubePods(at.api, "node-1", silentLogger);
  const lacking = new KubeLackingPods({ api: at.api, pods, nodeName: "node-1", log: silentLogger });
  at.opened.defer(() => pods.watch?.close());
  at.opened.defer(() => lacking.close());
  expect(await pods.untilWatched()).toBe(true);
  await vi.waitFor(() => expect(pods.watch?.connected).toBe(true), patience);
  return lacking;
}

/** The selector of each request for pods that run. */
const runningRequests = ({ server }: ServerWithClient) =>
  server.requests
    .map(({ url }) => url.searchParams)
    .filter((query) => query.get("fieldSelector")?.includes("status.phase=Running"))
    .map((query) => query.get("fieldSelector"));

describe("pods that lack a network-status", () => {
  test("are those that select networks and are not being deleted; nothing is asked for them", async () => {
    await using at = await ServerWithClient.start();
    at.server.set(podsPath, pod("web", { [networks]: "a" }));
    at.server.set(podsPath, pod("other", { "v1.multus-cni.io/default-network": "a" }));
    at.server.set(podsPath, pod("done", { [networks]: "a", [status]: "" }));
    at.server.set(podsPath, pod("plain", {}));
    at.server.set(podsPath, pod("empty", { [networks]: " [] " }));
    const leaving = { metadata: { deletionTimestamp: "2026-11-23T20:11:12Z" } };
    at.server.set(podsPath, pod("leaving", { [networks]: "a" }, leaving));
    const lacking = await open(at);
    expect(Array.from(lacking.all())).toEqual([reference("web"), reference("other")]);
    expect(runningRequests(at)).toEqual([]);
  });

  test("are followed by a watch of those that run, which ends with the last look", async () => {
    await using at = await ServerWithClient.start();
    at.server.set(podsPath, pod("web", { [networks]: "a" }));
    const lacking = await open(at);
    let changes = 0;
    const followed = lacking.follow(() => {
      changes += 1;
    });
    const names = () => Array.from(followed.running(), (running) => running.pod.name);
    await vi.waitFor(() => expect(names()).toEqual(["web"]), patience);
    expect(new Set(runningRequests(at))).toEqual(
      new Set(["spec.nodeName=node-1,status.phase=Running,spec.hostNetwork=false"]),
    );
    await vi.waitFor(() => expect(at.server.watchCount).toBe(2), patience);
    const before = changes;
    at.server.set(podsPath, pod("web", { [networks]: "a", [status]: "[]" }));
    await vi.waitFor(() => expect(names()).toEqual([]), patience);
    expect(changes).toBeGreaterThan(before);
    followed.close();
    await vi.waitFor(() => expect(at.server.watchCount).toBe(1), patience);
  });

  test("are followed where the server cannot leave the host's network out: whole pods are looked at", async () => {
    await using at = await ServerWithClient.start();
    at.server.fault = ({ path }) => (path.includes("hostNetwork") ? { status: 400 } : undefined);
    at.server.set(podsPath, pod("web", { [networks]: "a" }));
    at.server.set(podsPath, pod("host", { [networks]: "a" }, { spec: { hostNetwork: true } }));
    const lacking = await open(at);
    const followed = lacking.follow(() => {});
    const names = () => Array.from(followed.running(), (running) => running.pod.name);
    await vi.waitFor(() => expect(names()).toEqual(["web"]), patience);
    expect(runningRequests(at).slice(1)).not.toContain(expect.stringContaining("hostNetwork"));
  });

  test("are not followed any more where that ended before the watch was opened", async () => {
    await using at = await ServerWithClient.start();
    const lacking = await open(at);
    at.server.fault = () => ({ delayMs: 200 });
    const followed = lacking.follow(() => {});
    followed.close();
    await vi.waitFor(() => expect(runningRequests(at)).not.toEqual([]), patience);
    at.server.fault = () => undefined;
    await vi.waitFor(() => expect(at.server.watchCount).toBe(1), patience);
    expect(Array.from(followed.running())).toEqual([]);
  });
});

describe("of a pod that runs it is kept", () => {
  const meta = { namespace: "default", name: "web", resourceVersion: "1" };
  const kept = (annotations: Readonly<Record<string, string>>, metadata: object = {}) =>
    keptRunningPod(pod("web", { [networks]: "a", ...annotations }, { metadata }), meta);
  const owner = (kind: string, controller?: boolean) => ({ apiVersion: "v1", kind, name: "x", controller });

  test("which controller makes it again", () => {
    expect(kept({})).toEqual({
      pod: reference("web"),
      runtimeUid: "uid-web",
      isStatic: false,
      controller: "",
    });
    const ownerReferences = [owner("Widget"), owner("ReplicaSet", true)];
    expect(kept({}, { ownerReferences })).toMatchObject({ controller: "ReplicaSet", isStatic: false });
    expect(kept({}, { ownerReferences: [owner("Widget")] })).toMatchObject({ controller: "" });
  });

  test("that it is a static pod's mirror, by either annotation or its owner, and the kubelet's UID", () => {
    expect(kept({ [mirror]: "hash" })).toMatchObject({ isStatic: true, runtimeUid: "hash" });
    expect(kept({ "kubernetes.io/config.source": "file" })).toMatchObject({ isStatic: true });
    expect(kept({}, { ownerReferences: [owner("Node", true)] })).toMatchObject({ isStatic: true });
    expect(kept({ [mirror]: "x".repeat(65) })).toMatchObject({ isStatic: true, runtimeUid: "uid-web" });
  });
});

describe("an eviction", () => {
  async function evict(status: number, options: { name?: string; uid?: string; retryAfter?: string } = {}) {
    const { name = "web", uid = "u-1", retryAfter } = options;
    const server = await new PretendedApiServer().start();
    const api = connectTo(server.url);
    server.fault = () => ({ status, ...(retryAfter === undefined ? {} : { retryAfter }) });
    try {
      const pods = new KubePods(api, "", silentLogger);
      const lacking = new KubeLackingPods({ api, pods, nodeName: "", log: silentLogger });
      const answer = await lacking.evict({ namespace: "default", name, uid, sandboxId: "" });
      return { answer, requests: server.requests };
    } finally {
      api.close();
      await server[Symbol.asyncDispose]();
    }
  }

  test("is asked for of the pod with that UID alone", async () => {
    const { answer, requests } = await evict(201);
    expect(answer).toEqual({ outcome: "evicted", reason: "", retryAfterMs: 0 });
    expect(requests.map(({ method, path, body }) => ({ method, path, body }))).toEqual([
      {
        method: "POST",
        path: "/api/v1/namespaces/default/pods/web/eviction",
        body: {
          apiVersion: "policy/v1",
          kind: "Eviction",
          metadata: { namespace: "default", name: "web" },
          deleteOptions: { preconditions: { uid: "u-1" } },
        },
      },
    ]);
  });

  test.each([
    [429, "later"],
    [409, "later"],
    [500, "later"],
    [404, "gone"],
    [403, "refused"],
    [405, "refused"],
  ])("that is answered with %i is %s", async (status, outcome) => {
    const { answer } = await evict(status, { retryAfter: "7" });
    expect(answer).toEqual({ outcome, reason: expect.stringContaining(String(status)), retryAfterMs: 7_000 });
  });

  test.each([{ name: "../secrets" }, { uid: "" }])("of %j is not asked for", async (options) => {
    const { answer, requests } = await evict(201, options);
    expect(answer.outcome).toBe("refused");
    expect(requests).toEqual([]);
  });
});
