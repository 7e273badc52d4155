/** A small HTTP server that lists, watches and gives objects as an API server does, and takes whatever is written, for tests of what is made of its answers. The real one is in the cluster tests. */

import { once } from "node:events";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

export interface KubeObject {
  readonly metadata: {
    readonly name: string;
    readonly namespace: string;
    readonly [field: string]: unknown;
  };
  readonly [field: string]: unknown;
}

/** What a request is met with in place of its answer. */
export type Fault =
  | { readonly status: number; readonly headers?: Readonly<Record<string, string>> }
  | "reset"
  | "silence";

/** Paths of the collections, over all namespaces. */
export const podsPath = "/api/v1/pods";
export const nadsPath = "/apis/k8s.cni.cncf.io/v1/network-attachment-definitions";

interface Watch {
  readonly collection: string;
  readonly response: ServerResponse;
}

export class ApiServer implements AsyncDisposable {
  /** `GET /path?query`, in the order in which they came. */
  readonly requests: string[] = [];
  /** Called for each request before it is answered. */
  fault: (path: string) => Fault | undefined = () => undefined;
  /** Milliseconds that each answer takes. */
  delay = 0;
  readonly #server: Server;
  readonly #objects = new Map<string, Map<string, KubeObject>>();
  readonly #watches = new Set<Watch>();
  #version = 1;

  constructor() {
    this.#server = createServer((request, response) => {
      setTimeout(() => this.#answer(request, response), this.delay);
    });
  }

  /** @returns its URL */
  async start(port = 0): Promise<string> {
    // Connections end when the test says so.
    this.#server.keepAliveTimeout = 0;
    this.#server.listen(port, "127.0.0.1");
    await once(this.#server, "listening");
    return `http://127.0.0.1:${this.port}`;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  get watchCount(): number {
    return this.#watches.size;
  }

  /** Requests for single objects. */
  get lookups(): string[] {
    return this.requests.filter((request) => request.includes("/namespaces/"));
  }

  /** Creates or replaces an object. @param seen false: watches are not told, as if they lagged behind */
  set(collection: string, object: KubeObject, { seen = true } = {}): void {
    const objects = this.#collection(collection);
    const key = `${object.metadata.namespace}/${object.metadata.name}`;
    const type = objects.has(key) ? "MODIFIED" : "ADDED";
    this.#version += 1;
    const stored = { ...object, metadata: { ...object.metadata, resourceVersion: String(this.#version) } };
    objects.set(key, stored);
    if (seen) this.#tell(collection, type, stored);
  }

  delete(collection: string, namespace: string, name: string): void {
    const objects = this.#collection(collection);
    const object = objects.get(`${namespace}/${name}`);
    if (object === undefined) throw new Error(`no ${namespace}/${name}`);
    objects.delete(`${namespace}/${name}`);
    this.#version += 1;
    this.#tell(collection, "DELETED", {
      ...object,
      metadata: { ...object.metadata, resourceVersion: String(this.#version) },
    });
  }

  /** Breaks every connection. */
  cut(): void {
    this.#server.closeAllConnections();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.close();
    this.cut();
    await once(this.#server, "close").catch(() => {});
  }

  #collection(path: string): Map<string, KubeObject> {
    const objects = this.#objects.get(path) ?? new Map<string, KubeObject>();
    this.#objects.set(path, objects);
    return objects;
  }

  #tell(collection: string, type: string, object: KubeObject): void {
    for (const watch of this.#watches) {
      if (watch.collection === collection) watch.response.write(`${JSON.stringify({ type, object })}\n`);
    }
  }

  #answer(request: IncomingMessage, response: ServerResponse): void {
    const { method = "", url = "" } = request;
    this.requests.push(`${method} ${url}`);
    const fault = this.fault(url);
    if (fault === "silence") return;
    if (fault === "reset") {
      request.socket.destroy();
      return;
    }
    if (fault !== undefined) {
      sendStatus(response, fault.status, fault.headers);
      return;
    }
    if (method !== "GET") {
      request.resume();
      sendJson(response, 200, {});
      return;
    }
    const { pathname, searchParams } = new URL(url, "http://api");
    const single = /^(.*)\/namespaces\/([^/]+)\/([^/]+)\/([^/]+)$/.exec(pathname);
    if (single !== null) {
      const [, group, namespace, plural, name] = single;
      const object = this.#collection(`${group}/${plural}`).get(`${namespace}/${name}`);
      if (object === undefined) sendStatus(response, 404);
      else sendJson(response, 200, object);
    } else if (searchParams.has("watch")) {
      const watch = { collection: pathname, response };
      this.#watches.add(watch);
      response.on("close", () => this.#watches.delete(watch));
      response.writeHead(200, { "Content-Type": "application/json" });
      response.flushHeaders();
    } else {
      sendJson(response, 200, {
        kind: "List",
        apiVersion: "v1",
        metadata: { resourceVersion: String(this.#version) },
        items: [...this.#collection(pathname).values()],
      });
    }
  }
}

const reasons: Readonly<Record<number, string>> = { 401: "Unauthorized", 403: "Forbidden", 404: "NotFound" };

function sendStatus(
  response: ServerResponse,
  code: number,
  headers: Readonly<Record<string, string>> = {},
): void {
  sendJson(
    response,
    code,
    {
      kind: "Status",
      apiVersion: "v1",
      status: "Failure",
      reason: reasons[code] ?? "InternalError",
      message: `this is answer ${code}`,
      code,
    },
    headers,
  );
}

function sendJson(
  response: ServerResponse,
  code: number,
  body: unknown,
  headers: Readonly<Record<string, string>> = {},
): void {
  response.writeHead(code, { "Content-Type": "application/json", ...headers }).end(JSON.stringify(body));
}
