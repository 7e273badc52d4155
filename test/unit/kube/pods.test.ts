import { describe, expect, test, vi } from "vitest";
import { type CniError, cniErrorOf } from "../../../src/cni/errors.ts";
import { KubePods } from "../../../src/kube/pods.ts";
import { type Logger, silentLogger } from "../../../src/log/logger.ts";
import { type KubeObject, podsPath } from "../../support/pretended-api-server.ts";
import { RecordingLogger } from "../../support/recording-logger.ts";
import { ServerWithClient } from "./server-with-client.ts";

/** With its watch open, unless there is none, or the server does not let it. */
async function openPods(
  at: ServerWithClient,
  {
    nodeName = "node-1",
    connected = true,
    log = silentLogger,
  }: {
    nodeName?: string;
    connected?: boolean;
    log?: Logger;
  } = {},
): Promise<KubePods> {
  const pods = new KubePods(at.api, nodeName, log);
  at.opened.defer(() => pods.watch?.close());
  if (connected) await vi.waitFor(() => expect(pods.watch?.connected).toBe(true), 10_000);
  return pods;
}

const networks = "k8s.v1.cni.cncf.io/networks";

function pod(name: string, uid: string, annotations?: Readonly<Record<string, string>>): KubeObject {
  return { metadata: { name, namespace: "default", uid, annotations }, spec: { nodeName: "node-1" } };
}

const asked = (name: string, uid = "") => ({ namespace: "default", name, uid, sandboxId: "sandbox" });

/** Milliseconds of the quickest of three: a machine that does much else makes some of them slow. */
async function quickest(work: () => Promise<unknown>): Promise<number> {
  const times: number[] = [];
  for (let turn = 0; turn < 3; turn++) {
    const begin = performance.now();
    await work();
    times.push(performance.now() - begin);
  }
  return Math.min(...times);
}

const retry = { retry: true };
const once = { retry: false };

describe.concurrent("a pod without network-status", () => {
  const status = "k8s.v1.cni.cncf.io/network-status";

  test("is the object that the watch has, whatever that status would be", async () => {
    await using at = await ServerWithClient.start();
    at.server.set(podsPath, pod("web", "u1", { [networks]: "a" }));
    at.server.set(podsPath, pod("done", "u2", { [status]: "" }));
    at.server.set(podsPath, pod("etcd", "mirror", { "kubernetes.io/config.source": "file" }));
    const pods = await openPods(at, { connected: false });
    expect(await pods.untilWatched()).toBe(true);
    expect(pods.withoutStatus(asked("web", "u1"))).toEqual(asked("web", "u1"));
    expect(pods.withoutStatus(asked("web"))).toEqual(asked("web", "u1"));
    expect(pods.withoutStatus(asked("etcd", "hash"))).toEqual(asked("etcd", "mirror"));
    expect(pods.withoutStatus(asked("web", "u0"))).toBeUndefined();
    expect(pods.withoutStatus(asked("done", "u2"))).toBeUndefined();
    expect(pods.withoutStatus(asked("nobody", "u3"))).toBeUndefined();
    expect(at.server.lookups).toEqual([]);
  });

  test("has one as soon as the watch says so", async () => {
    await using at = await ServerWithClient.start();
    at.server.set(podsPath, pod("web", "u1"));
    const pods = await openPods(at);
    at.server.set(podsPath, pod("web", "u1", { [status]: "[]" }));
    await vi.waitFor(() => expect(pods.withoutStatus(asked("web", "u1"))).toBeUndefined(), 10_000);
  });

  test("is not known of where pods are not watched, or not any more", async () => {
    await using at = await ServerWithClient.start();
    const unwatched = await openPods(at, { nodeName: "", connected: false });
    expect(await unwatched.untilWatched()).toBe(false);
    expect(unwatched.withoutStatus(asked("web", "u1"))).toBeUndefined();
    at.server.fault = () => "silence";
    const pods = await openPods(at, { connected: false });
    const known = pods.untilWatched();
    pods.watch?.close();
    expect(await known).toBe(false);
  });
});

describe.concurrent("a pod of the node", () => {
  test("is known without a request, with what is read of it", async () => {
    await using at = await ServerWithClient.start();
    const annotations = { [networks]: "a,b", "v1.multus-cni.io/default-network": "c", "a/b": "large" };
    at.server.set(podsPath, pod("web", "u1", annotations));
    const pods = await openPods(at);
    expect(await pods.find(asked("web", "u1"), retry)).toEqual({
      uid: "u1",
      isStatic: false,
      hasNetworkStatus: false,
      selectsNetworks: true,
      isBeingDeleted: false,
      annotations: { [networks]: "a,b", "v1.multus-cni.io/default-network": "c" },
    });
    expect(await pods.find(asked("web"), retry)).toMatchObject({ uid: "u1" });
    expect(at.server.lookups).toEqual([]);
  });

  test("is watched for the node alone", async () => {
    await using at = await ServerWithClient.start();
    await openPods(at, { nodeName: "node-1" });
    expect(at.server.asked.every((path) => path.includes("fieldSelector=spec.nodeName%3Dnode-1"))).toBe(true);
  });

  test("that is static is known whatever the runtime's UID", async () => {
    await using at = await ServerWithClient.start();
    at.server.set(podsPath, pod("etcd", "mirror", { "kubernetes.io/config.source": "file" }));
    const pods = await openPods(at);
    expect(await pods.find(asked("etcd", "hash"), retry)).toMatchObject({ uid: "mirror", isStatic: true });
    expect(at.server.lookups).toEqual([]);
  });

  test("is waited for while the watch lags, and no request is made", async () => {
    await using at = await ServerWithClient.start();
    const pods = await openPods(at);
    const found = pods.find(asked("web", "u1"), once);
    at.server.set(podsPath, pod("web", "u1"));
    expect(await found).toMatchObject({ uid: "u1" });
    expect(at.server.lookups).toEqual([]);
  });

  test("that follows one of the same name is waited for", async () => {
    await using at = await ServerWithClient.start();
    at.server.set(podsPath, pod("web-0", "old"));
    const pods = await openPods(at);
    const found = pods.find(asked("web-0", "new"), retry);
    at.server.delete(podsPath, "default", "web-0");
    at.server.set(podsPath, pod("web-0", "new"));
    expect(await found).toMatchObject({ uid: "new" });
    expect(at.server.lookups).toEqual([]);
  });

  test("that the watch does not bring is asked for once", async () => {
    await using at = await ServerWithClient.start();
    const pods = await openPods(at);
    at.server.set(podsPath, pod("web", "u1"), { seen: false });
    const begin = performance.now();
    expect(await pods.find(asked("web", "u1"), retry)).toMatchObject({ uid: "u1" });
    expect(performance.now() - begin).toBeGreaterThan(2_000);
    expect(at.server.lookups).toEqual(["GET /api/v1/namespaces/default/pods/web"]);
  });

  test("that the watch does not bring puts the node's name in doubt, once", async () => {
    await using at = await ServerWithClient.start();
    const log = new RecordingLogger();
    const pods = await openPods(at, { log });
    for (const name of ["web", "db"]) at.server.set(podsPath, pod(name, "u1"), { seen: false });
    await Promise.all(["web", "db"].map((name) => pods.find(asked(name, "u1"), retry)));
    expect(log.errors).toEqual([expect.stringContaining("is the node's name right?")]);
  });

  test("of another UID, to the end, is given as it is", async () => {
    await using at = await ServerWithClient.start();
    at.server.set(podsPath, pod("web", "other"));
    const log = new RecordingLogger();
    const pods = await openPods(at, { log });
    expect(await pods.find(asked("web", "u1"), retry)).toMatchObject({ uid: "other" });
    expect(at.server.lookups).toHaveLength(1);
    expect(log.errors).toEqual([]);
  });

  test("that is not there is no error", async () => {
    await using at = await ServerWithClient.start();
    const log = new RecordingLogger();
    const pods = await openPods(at, { log });
    expect(await pods.find(asked("gone", "u1"), retry)).toBeUndefined();
    expect(at.server.lookups).toHaveLength(1);
    expect(log.errors).toEqual([]);
  });
});

describe.concurrent("without a watch", () => {
  test("every pod is asked for, at once", async () => {
    await using at = await ServerWithClient.start();
    at.server.set(podsPath, pod("web", "u1", { [networks]: "a" }));
    const pods = await openPods(at, { nodeName: "", connected: false });
    const quick = await quickest(async () =>
      expect(await pods.find(asked("web", "u1"), retry)).toMatchObject({ annotations: { [networks]: "a" } }),
    );
    expect(quick).toBeLessThan(2_400);
    expect(at.server.asked).toEqual(Array(3).fill("GET /api/v1/namespaces/default/pods/web"));
  });

  test("those who want the same pod at once share the answer", async () => {
    await using at = await ServerWithClient.start();
    at.server.set(podsPath, pod("web", "u1"));
    const pods = await openPods(at, { nodeName: "", connected: false });
    const found = await Promise.all(Array.from({ length: 10 }, () => pods.find(asked("web"), retry)));
    expect(found.map((one) => one?.uid)).toEqual(Array(10).fill("u1"));
    expect(at.server.lookups).toHaveLength(1);
    await pods.ask(asked("web"));
    expect(at.server.lookups).toHaveLength(2);
  });

  test("a watch that is interrupted gets no time", async () => {
    await using at = await ServerWithClient.start();
    const pods = await openPods(at);
    at.server.set(podsPath, pod("web", "u1"), { seen: false });
    at.server.fault = ({ path }) => (path.includes("/namespaces/") ? undefined : "reset");
    at.server.cut();
    await vi.waitFor(() => expect(pods.watch?.connected).toBe(false), 10_000);
    const quick = await quickest(async () =>
      expect(await pods.find(asked("web", "u1"), retry)).toMatchObject({ uid: "u1" }),
    );
    expect(quick).toBeLessThan(2_400);
  });

  test("a name that no pod can have is not asked for", async () => {
    await using at = await ServerWithClient.start();
    const pods = await openPods(at, { nodeName: "", connected: false });
    for (const name of ["..", "../nodes", "a/status", "", "a?b"]) {
      expect(await pods.find(asked(name), retry)).toBeUndefined();
    }
    expect(at.server.requests).toEqual([]);
  });
});

describe.concurrent("an API that does not answer", () => {
  async function failure(work: Promise<unknown>): Promise<CniError> {
    const outcome = await work.catch((error: unknown) => error);
    const known = cniErrorOf(outcome);
    if (known !== undefined) return known;
    throw new Error(`no CniError but ${String(outcome)}`);
  }

  test("is asked again with retry, until it does", async () => {
    await using at = await ServerWithClient.start();
    at.server.set(podsPath, pod("web", "u1"));
    const pods = await openPods(at, { nodeName: "", connected: false });
    const faults = ["reset", { status: 503 }, { status: 500 }] as const;
    let next = 0;
    at.server.fault = () => faults[next++];
    expect(await pods.find(asked("web"), retry)).toMatchObject({ uid: "u1" });
    expect(at.server.lookups).toHaveLength(4);
  });

  test("is code 11 at once without retry, and names the pod", async () => {
    await using at = await ServerWithClient.start();
    const pods = await openPods(at, { nodeName: "", connected: false });
    at.server.fault = () => ({ status: 503 });
    for (const work of [pods.find(asked("web"), once), pods.ask(asked("web"))]) {
      const error = await failure(work);
      expect([error.code, error.message]).toEqual([
        11,
        expect.stringContaining("pod default/web cannot be looked up: "),
      ]);
    }
  });

  test("is code 11 after some seconds with retry", async () => {
    await using at = await ServerWithClient.start();
    const pods = await openPods(at, { nodeName: "", connected: false });
    at.server.fault = () => "reset";
    const begin = performance.now();
    expect((await failure(pods.find(asked("web"), retry))).code).toBe(11);
    expect(performance.now() - begin).toBeGreaterThan(2_000);
  });

  test("is not waited for any longer than it asks for", async () => {
    await using at = await ServerWithClient.start();
    const pods = await openPods(at, { nodeName: "", connected: false });
    at.server.fault = () => ({ status: 503, retryAfter: "60" });
    const quick = await quickest(async () =>
      expect((await failure(pods.find(asked("web"), retry))).code).toBe(11),
    );
    expect(quick).toBeLessThan(2_400);
    expect(at.server.lookups).toHaveLength(3);
  });

  test("that is silent holds nobody up who has something else to go on with", async () => {
    await using at = await ServerWithClient.start();
    const pods = await openPods(at, { nodeName: "", connected: false });
    at.server.fault = () => "silence";
    const begin = performance.now();
    expect((await failure(pods.find(asked("web"), once))).code).toBe(11);
    expect(performance.now() - begin).toBeLessThan(8_000);
  });

  test.each([401, 403])("but refuses with %i is code 11 at once", async (status) => {
    await using at = await ServerWithClient.start();
    const pods = await openPods(at, { nodeName: "", connected: false });
    at.server.fault = () => ({ status });
    expect((await failure(pods.find(asked("web"), retry))).message).toContain(`this is answer ${status}`);
  });
});

describe.concurrent("pods whose annotations are larger than memory may be", () => {
  test("are known, and asked for when their annotations are needed; those of other namespaces are kept", async () => {
    await using at = await ServerWithClient.start();
    const long = "a,".repeat(50_000);
    for (let index = 0; index < 20; index++) {
      const { metadata } = pod(`large-${index}`, `u${index}`, { [networks]: long });
      at.server.set(podsPath, { metadata: { ...metadata, namespace: "greedy" } });
    }
    at.server.set(podsPath, pod("web", "u1", { [networks]: "a" }));
    const log = new RecordingLogger();
    const limit = 1 << 20;
    const pods = new KubePods(at.api, "node-1", log, limit);
    at.opened.defer(() => pods.watch?.close());
    await vi.waitFor(() => expect(pods.watch?.connected).toBe(true), 10_000);
    expect(pods.state?.size).toBe(21);
    expect(pods.state?.memory.bytes).toBeLessThanOrEqual(limit);
    expect(pods.state?.memory.leftOut).toBeGreaterThanOrEqual(10);
    expect(log.errors).toHaveLength(1);
    expect(await pods.find(asked("web", "u1"), retry)).toMatchObject({ annotations: { [networks]: "a" } });
    expect(at.server.lookups).toEqual([]);
    for (let index = 0; index < 20; index++) {
      const found = await pods.find({ ...asked(`large-${index}`, `u${index}`), namespace: "greedy" }, retry);
      expect(found?.annotations[networks]).toBe(long);
    }
    expect(at.server.lookups.length).toBe(pods.state?.memory.leftOut);
    expect(log.errors).toHaveLength(1);
    expect(pods.withoutStatus({ ...asked("large-0", "u0"), namespace: "greedy" })).toMatchObject({
      uid: "u0",
    });
  });
});
