/** Objects behind HTTP as an API server has them, for tests of requests and of what is made of answers: lists in pages, watches from a version on, a history that can be forgotten, network-statuses, events, and faults. It answers as kube-apiserver 1.36 was seen to; the real one is in the cluster tests. */

import type { IncomingMessage, ServerResponse } from "node:http";
import { setTimeout as sleep } from "node:timers/promises";
import { isJsonObject, type JsonObject } from "../../src/base/json.ts";
import { bodyOf, HttpServer } from "./http-server.ts";

export interface KubeObject {
  readonly metadata: {
    readonly name: string;
    readonly namespace: string;
    readonly [field: string]: unknown;
  };
  readonly [field: string]: unknown;
}

export interface SeenRequest {
  readonly method: string;
  /** With its query. */
  readonly path: string;
  readonly url: URL;
  readonly accept: string;
  readonly contentType: string;
  readonly body: JsonObject;
  /** 1: the first one of this path, whatever its query. */
  readonly attempt: number;
  /** Milliseconds of `performance.now()`. */
  readonly at: number;
  /** Others that were being answered when it came. */
  readonly beside: number;
}

/** A fault that a request meets in place of its answer, or before it. */
export type Fault =
  | {
      readonly status: number;
      /** Without it that of the status. */
      readonly reason?: string;
      readonly message?: string;
      readonly retryAfter?: string;
    }
  | { readonly delayMs: number }
  /** The connection breaks before, or after, the server has done what it was asked. */
  | "reset"
  | "reset-afterwards"
  | "silence"
  /** Answers in place of the server. */
  | ((response: ServerResponse) => void);

/** Paths of the collections, over all namespaces. */
export const podsPath = "/api/v1/pods";
export const nadsPath = "/apis/k8s.cni.cncf.io/v1/network-attachment-definitions";
const eventsPath = "/apis/events.k8s.io/v1/events";

/** Text of the server where the role does not allow it. */
export const noRight = (verb: string, resource: string) =>
  `x is forbidden: User "u" cannot ${verb} resource "${resource}" in API group "" in the namespace "default"`;

interface Change {
  readonly collection: string;
  readonly type: "ADDED" | "MODIFIED" | "DELETED";
  readonly version: number;
  readonly object: KubeObject;
}

interface Watch {
  readonly collection: string;
  readonly response: ServerResponse;
}

type Answer = readonly [code: number, body: unknown];

/** Path of a collection, over all namespaces, and what a request names in it. */
interface Target {
  readonly collection: string;
  readonly namespace: string | undefined;
  readonly name: string | undefined;
  readonly subresource: string | undefined;
}

export class PretendedApiServer implements AsyncDisposable {
  /** In the order in which they came. */
  readonly requests: SeenRequest[] = [];
  /** Called for each request before it is answered. */
  fault: (request: SeenRequest) => Fault | undefined = () => undefined;
  /** Called before a list, or a page of it, is sent. */
  beforePage: (url: URL) => void = () => {};
  readonly #objects = new Map<string, Map<string, KubeObject>>();
  readonly #unlisted = new Map<string, KubeObject>();
  readonly #history: Change[] = [];
  readonly #watches = new Set<Watch>();
  readonly #attempts = new Map<string, number>();
  /** Changes up to this version are forgotten. */
  #compacted = 0;
  #version = 100;
  #answering = 0;
  #http: HttpServer | undefined;

  async start(): Promise<this> {
    this.#http = await HttpServer.start((request, response) => {
      this.#answer(request, response).catch(() => response.destroy());
    });
    return this;
  }

  get port(): number {
    return this.#http?.port ?? 0;
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  /** A kubeconfig for it, as YAML (JSON is YAML). */
  get kubeconfig(): string {
    const name = "here";
    return JSON.stringify({
      apiVersion: "v1",
      kind: "Config",
      clusters: [{ name, cluster: { server: this.url } }],
      users: [{ name, user: { token: "secret" } }],
      contexts: [{ name, context: { cluster: name, user: name } }],
      "current-context": name,
    });
  }

  /** `METHOD /path?query` of each request. */
  get asked(): string[] {
    return this.requests.map(({ method, path }) => `${method} ${path}`);
  }

  /** Of requests for single objects. */
  get lookups(): string[] {
    return this.asked.filter((request) => request.includes("/namespaces/"));
  }

  get watchCount(): number {
    return this.#watches.size;
  }

  /** Events that were created, by `namespace/name`. */
  get events(): Map<string, KubeObject> {
    return this.collection(eventsPath);
  }

  of(method: string): SeenRequest[] {
    return this.requests.filter((request) => request.method === method);
  }

  /** The objects, by `namespace/name`. @param path over all namespaces */
  collection(path: string): Map<string, KubeObject> {
    const objects = this.#objects.get(path) ?? new Map<string, KubeObject>();
    this.#objects.set(path, objects);
    return objects;
  }

  /** Creates or replaces an object. @param seen false: watches are not told, as if they lagged behind @returns what is stored */
  set(collection: string, object: KubeObject, { seen = true } = {}): KubeObject {
    const objects = this.collection(collection);
    const key = keyOf(object);
    const type = objects.has(key) ? "MODIFIED" : "ADDED";
    const stored = this.#versioned(object);
    objects.set(key, stored);
    if (seen) this.#happened({ collection, type, version: this.#version, object: stored });
    return stored;
  }

  /** Puts these in the place of all objects of a collection. */
  fill(collection: string, objects: readonly KubeObject[]): void {
    this.collection(collection).clear();
    for (const object of objects) this.set(collection, object);
  }

  /** Makes an object that is in no list, but there when it is asked for by name. */
  setUnlisted(collection: string, object: KubeObject): void {
    this.#unlisted.set(`${collection} ${keyOf(object)}`, object);
  }

  delete(collection: string, namespace: string, name: string): void {
    const key = `${namespace}/${name}`;
    const object = this.collection(collection).get(key);
    if (object === undefined) throw new Error(`no ${key}`);
    this.collection(collection).delete(key);
    const deleted = this.#versioned(object);
    this.#happened({ collection, type: "DELETED", version: this.#version, object: deleted });
  }

  /** A pod in namespace default. */
  addPod(name: string, uid: string, annotations: JsonObject = {}): void {
    const metadata = { name, namespace: "default", uid, annotations };
    const spec = { containers: [{ name: "main" }] };
    this.set(podsPath, { kind: "Pod", apiVersion: "v1", metadata, spec });
  }

  /** Adds annotations to a pod of namespace default, as another client would. */
  annotate(name: string, annotations: JsonObject): void {
    const pod = this.collection(podsPath).get(`default/${name}`);
    if (pod === undefined) throw new Error(`no pod ${name}`);
    this.set(podsPath, withAnnotations(pod, { ...annotationsOf(pod), ...annotations }));
  }

  /** Of a pod of namespace default; undefined: there is none. */
  annotationsOf(name: string): JsonObject | undefined {
    const pod = this.collection(podsPath).get(`default/${name}`);
    return pod && annotationsOf(pod);
  }

  /** The network-status of a pod of namespace default; undefined if it has none. */
  statusOf(name: string): unknown {
    return this.annotationsOf(name)?.["k8s.v1.cni.cncf.io/network-status"];
  }

  /** Something else happened in the cluster: only a bookmark tells. */
  bookmark(): void {
    this.#version += 1;
    this.send({ type: "BOOKMARK", object: { metadata: { resourceVersion: String(this.#version) } } });
  }

  /** A line to every watch. */
  send(event: unknown): void {
    for (const { response } of this.#watches) response.write(`${JSON.stringify(event)}\n`);
  }

  /** Forgets what has happened so far: a client that has not seen all of it has to list. */
  compact(): void {
    this.#compacted = this.#version;
  }

  /** Ends every watch in order. */
  endWatches(): void {
    for (const { response } of this.#watches) response.end();
    this.#watches.clear();
  }

  /** Breaks every watch off. @param text sent before */
  breakWatches(text = ""): void {
    for (const { response } of this.#watches) {
      if (text === "") response.destroy();
      else response.write(text, () => response.destroy());
    }
  }

  /** Breaks every connection. */
  cut(): void {
    this.#http?.cut();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#http?.[Symbol.asyncDispose]();
  }

  #versioned(object: KubeObject): KubeObject {
    this.#version += 1;
    return { ...object, metadata: { ...object.metadata, resourceVersion: String(this.#version) } };
  }

  #happened(change: Change): void {
    const { collection, type, object } = change;
    this.#history.push(change);
    for (const watch of this.#watches) {
      if (watch.collection === collection) watch.response.write(`${JSON.stringify({ type, object })}\n`);
    }
  }

  async #seen(incoming: IncomingMessage): Promise<SeenRequest> {
    const { method = "", url: path = "", headers } = incoming;
    const text = method === "GET" ? "" : await bodyOf(incoming);
    const url = new URL(path, "http://api");
    const attempt = (this.#attempts.get(url.pathname) ?? 0) + 1;
    this.#attempts.set(url.pathname, attempt);
    return {
      method,
      path,
      url,
      accept: headers.accept ?? "",
      contentType: headers["content-type"] ?? "",
      body: text === "" ? {} : (JSON.parse(text) as JsonObject),
      attempt,
      at: performance.now(),
      beside: this.#answering,
    };
  }

  async #answer(incoming: IncomingMessage, response: ServerResponse): Promise<void> {
    const request = await this.#seen(incoming);
    this.requests.push(request);
    this.#answering++;
    try {
      const fault = this.fault(request);
      if (fault === "silence") return;
      if (fault === "reset") return void incoming.socket.destroy();
      if (typeof fault === "function") return fault(response);
      if (typeof fault === "object" && "status" in fault) {
        const { status, reason, message = `this is answer ${status}`, retryAfter } = fault;
        if (retryAfter !== undefined) response.setHeader("Retry-After", retryAfter);
        return send(response, statusOf(status, message, reason));
      }
      const target = targetOf(request.url);
      const isWatch = request.url.searchParams.has("watch");
      const answer = isWatch ? undefined : this.#serve(request, target);
      if (fault === "reset-afterwards") return void incoming.socket.destroy();
      if (fault !== undefined) await sleep(fault.delayMs, undefined, { ref: false });
      if (answer !== undefined) send(response, answer);
      else if (target !== undefined) this.#watch(request.url, target.collection, response);
    } finally {
      this.#answering--;
    }
  }

  #serve(request: SeenRequest, target: Target | undefined): Answer {
    if (target === undefined) return statusOf(404, "the server could not find the requested resource");
    const { method, url, body } = request;
    const { collection, namespace, name, subresource } = target;
    if (method === "GET" && name === undefined) return this.#list(url, target);
    if (method === "POST" && name === undefined) return this.#create(collection, namespace, body);
    const key = `${namespace}/${name}`;
    const object = this.collection(collection).get(key) ?? this.#unlisted.get(`${collection} ${key}`);
    if (object === undefined) {
      return statusOf(404, `${collection.slice(collection.lastIndexOf("/") + 1)} "${name}" not found`);
    }
    if (method === "GET") return [200, object];
    if (subresource === "status") return this.#writeStatus(collection, object, request);
    if (method !== "PATCH" || subresource !== undefined) return statusOf(405, "not allowed here");
    return [200, this.set(collection, { ...object, ...body })];
  }

  #list(url: URL, { collection, namespace }: Target): Answer {
    this.beforePage(url);
    const { searchParams } = url;
    const [from = 0, version = this.#version] = (searchParams.get("continue") ?? "")
      .split(".")
      .filter(Boolean)
      .map(Number);
    if (version < this.#compacted) {
      return statusOf(410, "The provided continue parameter is too old", "Expired");
    }
    // Of selectors the pods' phase is the one that a test depends on.
    const isRunning = searchParams.get("fieldSelector")?.split(",").includes("status.phase=Running");
    const listed = [...this.collection(collection).values()].filter(
      ({ metadata, status }) =>
        (namespace === undefined || metadata.namespace === namespace) &&
        (isRunning !== true || (isJsonObject(status) && status.phase === "Running")),
    );
    const to = from + Number(searchParams.get("limit") ?? listed.length);
    const next = to < listed.length ? { continue: `${to}.${version}` } : {};
    const metadata = { resourceVersion: String(version), ...next };
    return [200, { kind: "List", apiVersion: "v1", metadata, items: listed.slice(from, to) }];
  }

  #create(collection: string, namespace = "", body: JsonObject): Answer {
    const metadata = isJsonObject(body.metadata) ? body.metadata : {};
    const name = String(metadata.name);
    if (this.collection(collection).has(`${namespace}/${name}`)) {
      return statusOf(409, `${collection} "${name}" already exists`, "AlreadyExists");
    }
    return [201, this.set(collection, { ...body, metadata: { ...metadata, name, namespace } })];
  }

  /** The subresource `status`: of what is sent the annotations are stored. */
  #writeStatus(collection: string, object: KubeObject, { method, body }: SeenRequest): Answer {
    const { name, uid, resourceVersion } = object.metadata;
    const metadata = isJsonObject(body.metadata) ? body.metadata : {};
    const annotations = isJsonObject(metadata.annotations) ? metadata.annotations : {};
    if (method === "PATCH") {
      if (metadata.uid !== undefined && metadata.uid !== uid) {
        return statusOf(422, `Pod "${name}" is invalid: metadata.uid: Invalid value: field is immutable`);
      }
      return [
        200,
        this.set(collection, withAnnotations(object, { ...annotationsOf(object), ...annotations })),
      ];
    }
    if (method !== "PUT") return statusOf(405, "not allowed here");
    if (metadata.resourceVersion !== resourceVersion) {
      return statusOf(
        409,
        `Operation cannot be fulfilled on pods "${name}": the object has been modified`,
        "Conflict",
      );
    }
    return [200, this.set(collection, withAnnotations(object, annotations))];
  }

  #watch(url: URL, collection: string, response: ServerResponse): void {
    const from = Number(url.searchParams.get("resourceVersion"));
    response.writeHead(200, { "Content-Type": "application/json" }).flushHeaders();
    if (from < this.#compacted) {
      const message = `too old resource version: ${from} (${this.#compacted})`;
      const [, object] = statusOf(410, message, "Expired");
      response.end(`${JSON.stringify({ type: "ERROR", object })}\n`);
      return;
    }
    for (const { type, version, object, collection: changed } of this.#history) {
      if (changed === collection && version > from) response.write(`${JSON.stringify({ type, object })}\n`);
    }
    const watch = { collection, response };
    this.#watches.add(watch);
    response.on("close", () => this.#watches.delete(watch));
  }
}

/** @returns undefined: no path of an API server's objects */
function targetOf({ pathname }: URL): Target | undefined {
  const parts =
    /^(\/api\/[^/]+|\/apis\/[^/]+\/[^/]+)(?:\/namespaces\/([^/]+))?\/([^/]+)(?:\/([^/]+))?(?:\/([^/]+))?$/.exec(
      pathname,
    );
  if (parts === null) return undefined;
  const [, group, namespace, plural, name, subresource] = parts;
  return { collection: `${group}/${plural}`, namespace, name, subresource };
}

const keyOf = ({ metadata }: KubeObject) => `${metadata.namespace}/${metadata.name}`;

function annotationsOf({ metadata: { annotations } }: KubeObject): JsonObject {
  return isJsonObject(annotations) ? annotations : {};
}

function withAnnotations(object: KubeObject, annotations: JsonObject): KubeObject {
  return { ...object, metadata: { ...object.metadata, annotations } };
}

const reasons: Readonly<Record<number, string>> = {
  400: "BadRequest",
  401: "Unauthorized",
  403: "Forbidden",
  404: "NotFound",
  405: "MethodNotAllowed",
  409: "Conflict",
  410: "Gone",
  422: "Invalid",
  429: "TooManyRequests",
  503: "ServiceUnavailable",
  504: "Timeout",
};

function statusOf(code: number, message: string, reason = reasons[code] ?? "InternalError"): Answer {
  return [code, { kind: "Status", apiVersion: "v1", status: "Failure", reason, message, code }];
}

function send(response: ServerResponse, [code, body]: Answer): void {
  response.writeHead(code, { "Content-Type": "application/json" }).end(JSON.stringify(body));
}
