/** A small HTTP server that takes network-statuses and events as kube-apiserver 1.36 was seen to, for tests of what is sent and when. The real one is in the cluster tests. */

import { once } from "node:events";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { isJsonObject, type JsonObject } from "../../../src/cni/json.ts";
import { ApiClient } from "../../../src/kube/api-client.ts";

export interface SeenRequest {
  readonly method: string;
  readonly path: string;
  readonly contentType: string;
  readonly body: JsonObject;
  /** Milliseconds of `performance.now()`. */
  readonly at: number;
  /** Others that were being answered when it came. */
  readonly beside: number;
}

/** What a request is met with in place of its answer, or before it. */
export type Fault =
  | { readonly status: number; readonly message?: string; readonly retryAfter?: string }
  | { readonly delayMs: number }
  /** The connection breaks before, or after, the server has done what it was asked. */
  | "reset"
  | "reset-afterwards";

export interface StoredPod {
  uid: string;
  resourceVersion: number;
  annotations: JsonObject;
}

export type StoredEvent = JsonObject;

const statusKey = "k8s.v1.cni.cncf.io/network-status";

/** Text of the server where the role does not allow it. */
export const noRight = (verb: string, resource: string) =>
  `x is forbidden: User "u" cannot ${verb} resource "${resource}" in API group "" in the namespace "default"`;

export class PodServer implements AsyncDisposable {
  readonly requests: SeenRequest[] = [];
  /** By namespace/name. */
  readonly pods = new Map<string, StoredPod>();
  /** By namespace/name. */
  readonly events = new Map<string, StoredEvent>();
  fault: (request: SeenRequest) => Fault | undefined = () => undefined;
  readonly #server: Server;
  #answering = 0;

  constructor() {
    this.#server = createServer((request, response) => {
      this.#answer(request, response).catch((error: unknown) => {
        response.destroy(error instanceof Error ? error : new Error(String(error)));
      });
    });
  }

  /** A client of it. Closed by whoever asked for it. */
  async start(): Promise<ApiClient> {
    // Connections end when the test says so.
    this.#server.keepAliveTimeout = 0;
    this.#server.listen(0, "127.0.0.1");
    await once(this.#server, "listening");
    const { port } = this.#server.address() as AddressInfo;
    const access = { server: new URL(`http://127.0.0.1:${port}`), tls: undefined, headers: {} };
    return new ApiClient({ access: async () => access, renewed: async () => access });
  }

  addPod(name: string, uid: string, annotations: JsonObject = {}): StoredPod {
    const pod = { uid, resourceVersion: 1, annotations };
    this.pods.set(`default/${name}`, pod);
    return pod;
  }

  /** The network-status of a pod of namespace default; undefined if it has none. */
  statusOf(name: string): unknown {
    return this.pods.get(`default/${name}`)?.annotations[statusKey];
  }

  of(method: string): SeenRequest[] {
    return this.requests.filter((request) => request.method === method);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.close();
    this.#server.closeAllConnections();
    await once(this.#server, "close").catch(() => {});
  }

  async #answer(incoming: IncomingMessage, response: ServerResponse): Promise<void> {
    const pieces: Buffer[] = [];
    for await (const piece of incoming) pieces.push(piece as Buffer);
    const text = Buffer.concat(pieces).toString("utf8");
    const request: SeenRequest = {
      method: incoming.method ?? "",
      path: incoming.url ?? "",
      contentType: incoming.headers["content-type"] ?? "",
      body: text === "" ? {} : (JSON.parse(text) as JsonObject),
      at: performance.now(),
      beside: this.#answering,
    };
    this.requests.push(request);
    this.#answering++;
    try {
      const fault = this.fault(request);
      if (fault === "reset") return void incoming.socket.destroy();
      if (fault !== undefined && fault !== "reset-afterwards" && "status" in fault) {
        return sendStatus(response, fault.status, fault.message ?? "as the test wants it", fault.retryAfter);
      }
      const [code, answer] = this.#serve(request);
      if (fault === "reset-afterwards") return void incoming.socket.destroy();
      if (fault !== undefined) await new Promise((resolve) => setTimeout(resolve, fault.delayMs));
      if (typeof answer === "string") sendStatus(response, code, answer);
      else sendJson(response, code, answer);
    } finally {
      this.#answering--;
    }
  }

  #serve(request: SeenRequest): readonly [code: number, answer: JsonObject | string] {
    const pod = /^\/api\/v1\/namespaces\/([^/]+)\/pods\/([^/]+)(\/status)?$/.exec(request.path);
    if (pod !== null) {
      return this.#servePod(request, `${pod[1]}/${pod[2]}`, pod[2] ?? "", pod[3] !== undefined);
    }
    const event = /^\/apis\/events\.k8s\.io\/v1\/namespaces\/([^/]+)\/events(?:\/([^/]+))?$/.exec(
      request.path,
    );
    if (event !== null) return this.#serveEvent(request, event[1] ?? "", event[2]);
    return [404, "the server could not find the requested resource"];
  }

  #servePod(
    { method, body }: SeenRequest,
    key: string,
    name: string,
    isStatus: boolean,
  ): readonly [number, JsonObject | string] {
    const pod = this.pods.get(key);
    if (pod === undefined) return [404, `pods "${name}" not found`];
    const metadata = isJsonObject(body.metadata) ? body.metadata : {};
    const annotations = isJsonObject(metadata.annotations) ? metadata.annotations : {};
    if (method === "PATCH" && isStatus) {
      if (metadata.uid !== undefined && metadata.uid !== pod.uid) {
        return [422, `Pod "${name}" is invalid: metadata.uid: Invalid value: field is immutable`];
      }
      pod.annotations = { ...pod.annotations, ...annotations };
      pod.resourceVersion++;
    } else if (method === "PUT" && isStatus) {
      if (metadata.resourceVersion !== String(pod.resourceVersion)) {
        return [409, `Operation cannot be fulfilled on pods "${name}": the object has been modified`];
      }
      pod.annotations = annotations;
      pod.resourceVersion++;
    } else if (method !== "GET") {
      return [405, "not allowed here"];
    }
    const { uid, resourceVersion } = pod;
    return [
      200,
      {
        kind: "Pod",
        apiVersion: "v1",
        metadata: { name, uid, resourceVersion: String(resourceVersion), annotations: pod.annotations },
        spec: { containers: [{ name: "main" }] },
      },
    ];
  }

  #serveEvent(
    { method, body }: SeenRequest,
    namespace: string,
    name: string | undefined,
  ): readonly [number, JsonObject | string] {
    if (method === "POST" && name === undefined) {
      const metadata = isJsonObject(body.metadata) ? body.metadata : {};
      const key = `${namespace}/${String(metadata.name)}`;
      if (this.events.has(key))
        return [409, `events.events.k8s.io "${String(metadata.name)}" already exists`];
      this.events.set(key, body);
      return [201, body];
    }
    const key = `${namespace}/${name}`;
    const event = this.events.get(key);
    if (method !== "PATCH" || event === undefined)
      return [404, `events.events.k8s.io "${String(name)}" not found`];
    const patched = { ...event, ...body };
    this.events.set(key, patched);
    return [200, patched];
  }
}

function sendStatus(response: ServerResponse, code: number, message: string, retryAfter?: string): void {
  sendJson(
    response,
    code,
    {
      kind: "Status",
      apiVersion: "v1",
      status: "Failure",
      message,
      ...(code === 404 ? { reason: "NotFound" } : {}),
      code,
    },
    retryAfter,
  );
}

function sendJson(response: ServerResponse, code: number, body: JsonObject, retryAfter?: string): void {
  response
    .writeHead(code, {
      "Content-Type": "application/json",
      ...(retryAfter === undefined ? {} : { "Retry-After": retryAfter }),
    })
    .end(JSON.stringify(body));
}
