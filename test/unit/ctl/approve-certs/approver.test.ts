/** The approver's loop: every request is decided about in the end, whatever the API does meanwhile, and once. */

import { afterEach, describe, expect, it } from "vitest";
import { Approver } from "../../../../src/ctl/approve-certs/approver.ts";
import { type Api, ApiError, type ApiRequest } from "../../../../src/kube/api.ts";
import { certificateRequest } from "../../../support/certificate-request.ts";
import { RecordingLogger } from "../../../support/recording-logger.ts";

const patience = { timeout: 30_000, interval: 20 };
type RequestObject = ReturnType<typeof certificateRequest>;

/** Requests for certificates, and nodes. */
class Cluster implements Api {
  readonly objects = new Map<string, RequestObject>();
  readonly nodes = new Set(["node-1"]);
  /** Writes so far: name, and the conditions' types. */
  readonly written: (readonly [string, unknown])[] = [];
  /** Before a request is answered. */
  fault: (request: ApiRequest) => Error | undefined = () => undefined;
  #onLine: (line: unknown) => void = () => {};

  put(name: string, spec: object = {}, status: object = {}): void {
    const object = certificateRequest(spec, status);
    this.objects.set(name, { ...object, metadata: { ...object.metadata, name } });
    this.#onLine({ type: "ADDED", object: this.objects.get(name) });
  }

  async request<Answer>(request: ApiRequest): Promise<Answer> {
    const error = this.fault(request);
    if (error !== undefined) throw error;
    return this.#answer(request) as Answer;
  }

  #answer({ method, path, body }: ApiRequest): unknown {
    const [, node] = /^\/api\/v1\/nodes\/(.*)$/.exec(path) ?? [];
    if (node !== undefined && this.nodes.has(node)) return {};
    if (path.includes("?")) return { metadata: { resourceVersion: "7" }, items: [...this.objects.values()] };
    const [, name = ""] = /certificatesigningrequests\/([^/]+)/.exec(path) ?? [];
    const object = this.objects.get(name);
    if (object === undefined) throw new ApiError(404, "NotFound", "not found");
    if (method === "GET") return object;
    const changed = body as RequestObject & { readonly status: { readonly conditions: { type: string }[] } };
    this.objects.set(name, changed);
    this.written.push([name, changed.status.conditions.map(({ type }) => type)]);
    return changed;
  }

  watch(request: ApiRequest, onLine: (line: unknown) => void, onOpen?: () => void): Promise<void> {
    this.#onLine = onLine;
    onOpen?.();
    return new Promise((_, reject) => {
      request.signal?.addEventListener("abort", () => reject(new Error("closed")));
    });
  }
}

const opened: Approver[] = [];
afterEach(() => {
  for (const approver of opened.splice(0)) approver.close();
});

function start(cluster: Cluster, log = new RecordingLogger(), forbiddenMs?: number): RecordingLogger {
  opened.push(
    new Approver({
      api: cluster,
      log,
      mostSeconds: 86_400,
      ...(forbiddenMs !== undefined && { forbiddenMs }),
    }),
  );
  return log;
}

/** As an API server says it. */
const nodesForbidden = new ApiError(
  403,
  "Forbidden",
  'nodes "node-1" is forbidden: User "approver" cannot get resource "nodes" in API group "" at the cluster scope',
);
const blind = "no right to get nodes: certificates are approved without a check that the node exists";

describe("the approver", () => {
  it("decides about what is there and what comes, and leaves the rest alone", async () => {
    const cluster = new Cluster();
    cluster.put("there");
    cluster.put("decided", {}, { conditions: [{ type: "Approved" }] });
    cluster.put("other", { signerName: "example.com/x" });
    start(cluster);
    await expect.poll(() => cluster.written, patience).toEqual([["there", ["Approved"]]]);
    cluster.put("comes", { username: "admin" });
    cluster.put("gone-node", { username: "system:node:node-9" });
    await expect.poll(() => cluster.written.length, patience).toBe(3);
    expect(cluster.written.slice(1)).toEqual([
      ["comes", ["Denied"]],
      ["gone-node", ["Denied"]],
    ]);
  });

  it("denies a node that the cluster does not have, with the reason", async () => {
    const cluster = new Cluster();
    cluster.nodes.clear();
    cluster.put("a");
    start(cluster);
    await expect.poll(() => cluster.written, patience).toEqual([["a", ["Denied"]]]);
    expect(cluster.objects.get("a")?.status).toMatchObject({
      conditions: [
        { status: "True", reason: "CSRDenied", message: "there is no node node-1 in the cluster" },
      ],
    });
  });

  it("tries again what the API does not answer, and others meanwhile", async () => {
    const cluster = new Cluster();
    let failures = 3;
    cluster.fault = ({ path }) =>
      path.endsWith("/first/approval") && failures-- > 0 ? new ApiError(503, "", "starting") : undefined;
    cluster.put("first");
    cluster.put("second");
    const log = start(cluster);
    await expect.poll(() => cluster.written.map(([name]) => name), patience).toEqual(["second", "first"]);
    expect(log.errors).toEqual(["a request cannot be decided yet and will be retried"]);
  });

  it("looks again at what somebody else has decided in between", async () => {
    const cluster = new Cluster();
    let isFirst = true;
    cluster.fault = ({ path, method }) => {
      if (method !== "PUT" || !isFirst) return undefined;
      isFirst = false;
      cluster.put(path.split("/").at(-2) ?? "", {}, { conditions: [{ type: "Denied" }] });
      return new ApiError(409, "Conflict", "modified");
    };
    cluster.put("a");
    cluster.put("b");
    start(cluster);
    await expect.poll(() => cluster.written, patience).toEqual([["b", ["Approved"]]]);
    // One at a time: when this is decided, the first has been looked at again.
    cluster.put("c");
    await expect.poll(() => cluster.written.length, patience).toBe(2);
    expect(cluster.written[1]).toEqual(["c", ["Approved"]]);
  });

  it("passes over what is gone", async () => {
    const cluster = new Cluster();
    cluster.put("a");
    cluster.fault = ({ path }) => {
      if (path.endsWith("/a")) cluster.objects.delete("a");
      return undefined;
    };
    const log = start(cluster);
    await expect.poll(() => cluster.objects.has("a"), patience).toBe(false);
    cluster.put("b");
    await expect.poll(() => cluster.written, patience).toEqual([["b", ["Approved"]]]);
    expect(log.errors).toEqual([]);
  });

  it("without the right to get nodes says so once, and decides by what is in the requests", async () => {
    const cluster = new Cluster();
    cluster.fault = ({ path }) => (path.startsWith("/api/v1/nodes/") ? nodesForbidden : undefined);
    cluster.put("first");
    cluster.put("second");
    cluster.put("of-another", { username: "admin" });
    const log = start(cluster, new RecordingLogger(), 0);
    await expect.poll(() => cluster.written.length, patience).toBe(3);
    expect(Object.fromEntries(cluster.written)).toEqual({
      first: ["Approved"],
      second: ["Approved"],
      "of-another": ["Denied"],
    });
    expect(cluster.objects.get("first")?.status).toMatchObject({
      conditions: [{ message: "the node node-1 may have it; whether it exists could not be looked up" }],
    });
    expect(log.errors).toEqual([blind]);
  });

  it("looks for nodes again as soon as it has the right", async () => {
    const cluster = new Cluster();
    let isForbidden = true;
    cluster.fault = ({ path }) =>
      path.startsWith("/api/v1/nodes/") && isForbidden ? nodesForbidden : undefined;
    cluster.put("before");
    const log = start(cluster, new RecordingLogger(), 0);
    await expect.poll(() => cluster.written, patience).toEqual([["before", ["Approved"]]]);
    isForbidden = false;
    cluster.nodes.clear();
    cluster.put("after");
    await expect.poll(() => cluster.written.length, patience).toBe(2);
    expect(cluster.written[1]).toEqual(["after", ["Denied"]]);
    expect(log.errors).toEqual([blind]);
  });

  it("does not believe a server that is only starting: the node is looked for when it can be", async () => {
    const cluster = new Cluster();
    cluster.nodes.clear();
    let refusals = 3;
    cluster.fault = ({ path }) =>
      path.startsWith("/api/v1/nodes/") && refusals-- > 0 ? nodesForbidden : undefined;
    cluster.put("a");
    const log = start(cluster);
    await expect.poll(() => cluster.written, patience).toEqual([["a", ["Denied"]]]);
    expect(log.errors).toEqual([]);
  });
});
