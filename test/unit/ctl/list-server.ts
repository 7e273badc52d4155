/** An HTTP server that answers lists and single objects as an API server does, page by page: for what a client makes of answers. What a real API server answers is tested in test/cluster. */

import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

const definitionsPath = "/apis/k8s.cni.cncf.io/v1";
const definitionsName = "network-attachment-definitions";

/** Status and Status object's reason of a refusal. */
export interface Refusal {
  readonly status: number;
  readonly reason: string;
}

export class ListServer implements AsyncDisposable {
  /** In lists; of any type, as long as it is JSON. */
  definitions: unknown[] = [];
  /** Not in lists, but there when asked for by name. */
  hidden: unknown[] = [];
  pods: unknown[] = [];
  /** Refuses what it returns something for. @param path without query */
  refuse: (path: string, attempt: number) => Refusal | undefined = () => undefined;
  readonly requests: { readonly url: URL; readonly accept: string }[] = [];
  readonly #server: Server;

  private constructor(server: Server) {
    this.#server = server;
    server.on("request", (request, response) => this.#answer(request, response));
  }

  static async start(): Promise<ListServer> {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    return new ListServer(server);
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
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

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #answer(request: IncomingMessage, response: ServerResponse): void {
    const url = new URL(request.url ?? "/", this.url);
    const attempt = this.requests.filter((earlier) => earlier.url.pathname === url.pathname).length + 1;
    this.requests.push({ url, accept: request.headers.accept ?? "" });
    const refusal = this.refuse(url.pathname, attempt);
    const [status, body] =
      refusal === undefined
        ? this.#find(url)
        : [refusal.status, statusObject(refusal.status, refusal.reason)];
    response.writeHead(status, { "content-type": "application/json" });
    response.end(JSON.stringify(body));
  }

  #find(url: URL): [number, unknown] {
    const steps = new RegExp(
      `^(?:${definitionsPath}|/api/v1)(?:/namespaces/([^/]+))?/(${definitionsName}|pods)(?:/([^/]+))?$`,
    ).exec(url.pathname);
    if (steps === null) return [404, statusObject(404, "NotFound")];
    const [, namespace, resource, name] = steps;
    const listed = resource === "pods" ? this.pods : this.definitions;
    if (name !== undefined) {
      const object = [...listed, ...this.hidden].find((each) => isNamed(each, namespace, name));
      return object === undefined ? [404, statusObject(404, "NotFound")] : [200, object];
    }
    const isRunning = url.searchParams.get("fieldSelector")?.includes("status.phase=Running");
    const items = listed.filter(
      (each) =>
        (namespace === undefined || isNamed(each, namespace, undefined)) &&
        (!isRunning || (each as { status?: { phase?: string } }).status?.phase === "Running"),
    );
    const from = Number(url.searchParams.get("continue") ?? "0");
    const to = from + Number(url.searchParams.get("limit") ?? items.length);
    const metadata = { resourceVersion: "1", ...(to < items.length ? { continue: String(to) } : {}) };
    return [200, { kind: "List", apiVersion: "v1", metadata, items: items.slice(from, to) }];
  }
}

function isNamed(object: unknown, namespace: string | undefined, name: string | undefined): boolean {
  const { metadata } = object as { metadata?: { namespace?: string; name?: string } };
  return metadata?.namespace === namespace && (name === undefined || metadata?.name === name);
}

function statusObject(code: number, reason: string): unknown {
  return { kind: "Status", apiVersion: "v1", status: "Failure", code, reason, message: `it is ${reason}` };
}

/** A definition. @param config undefined: without spec */
export function definition(namespace: string, name: string, config: unknown): unknown {
  return {
    apiVersion: "k8s.cni.cncf.io/v1",
    kind: "NetworkAttachmentDefinition",
    metadata: { namespace, name },
    ...(config === undefined ? {} : { spec: { config } }),
  };
}

/** A pod, which waits for its sandbox unless another phase is given. @param networks value of the annotation; undefined: without */
export function pod(
  namespace: string,
  name: string,
  networks: unknown,
  more: { readonly annotations?: object; readonly spec?: object; readonly phase?: string } = {},
): unknown {
  const annotations = {
    ...(networks === undefined ? {} : { "k8s.v1.cni.cncf.io/networks": networks }),
    ...more.annotations,
  };
  const { spec = {}, phase = "Pending" } = more;
  return { metadata: { namespace, name, annotations }, spec, status: { phase } };
}
