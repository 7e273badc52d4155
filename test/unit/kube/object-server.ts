/** One kind of objects behind HTTP as an API server has them: lists in pages, watches from a version on, a history that can be forgotten. */

import type { ServerResponse } from "node:http";
import { HttpServer } from "./http-server.ts";

export interface StoredObject {
  readonly metadata: { readonly name: string; readonly namespace: string; readonly resourceVersion: string };
  readonly value: string;
}

interface Event {
  readonly type: "ADDED" | "MODIFIED" | "DELETED";
  readonly version: number;
  readonly object: StoredObject;
}

/** Answers a request in place of the server. @returns false: it did not */
export type Interception = (url: URL, response: ServerResponse) => boolean;

export const listPath = "/apis/test/v1/things";

export class ObjectServer implements AsyncDisposable {
  /** Every request's URL, in order. */
  readonly requests: URL[] = [];
  /** Accept headers of the requests. */
  readonly accepts: (string | undefined)[] = [];
  /** Open watches. */
  readonly watches = new Set<ServerResponse>();
  intercept: Interception = () => false;
  /** Called before a page of a list is sent. */
  beforePage: (url: URL) => void = () => {};
  readonly #objects = new Map<string, StoredObject>();
  readonly #history: Event[] = [];
  /** Events up to this version are forgotten. */
  #compacted = 0;
  #version = 100;
  #http: HttpServer | undefined;

  async start(): Promise<this> {
    this.#http = await HttpServer.start((request, response) => {
      const url = new URL(request.url ?? "", "http://api");
      this.requests.push(url);
      this.accepts.push(request.headers.accept);
      if (this.intercept(url, response)) return;
      if (url.searchParams.has("watch")) this.#watch(url, response);
      else this.#list(url, response);
    });
    return this;
  }

  get port(): number {
    return this.#http?.port ?? 0;
  }

  get version(): string {
    return String(this.#version);
  }

  /** `namespace/name` of everything that there is. */
  get keys(): string[] {
    return [...this.#objects.keys()];
  }

  get lists(): URL[] {
    return this.requests.filter(({ searchParams }) => !searchParams.has("watch"));
  }

  get watchRequests(): URL[] {
    return this.requests.filter(({ searchParams }) => searchParams.has("watch"));
  }

  set(key: string, value: string): void {
    const [namespace = "", name = ""] = key.split("/");
    this.#version += 1;
    const metadata = { name, namespace, resourceVersion: this.version };
    const type = this.#objects.has(key) ? "MODIFIED" : "ADDED";
    this.#objects.set(key, { metadata, value });
    this.#happened({ type, version: this.#version, object: { metadata, value } });
  }

  delete(key: string): void {
    const object = this.#objects.get(key);
    if (object === undefined) throw new Error(`no ${key}`);
    this.#objects.delete(key);
    this.#version += 1;
    const metadata = { ...object.metadata, resourceVersion: this.version };
    this.#happened({ type: "DELETED", version: this.#version, object: { ...object, metadata } });
  }

  /** Something else happened in the cluster: only a bookmark tells. */
  bookmark(): void {
    this.#version += 1;
    this.send({ type: "BOOKMARK", object: { metadata: { resourceVersion: this.version } } });
  }

  /** A line to every watch. */
  send(event: unknown): void {
    for (const watch of this.watches) watch.write(`${JSON.stringify(event)}\n`);
  }

  /** Forgets what has happened so far: whoever has not seen all of it has to list. */
  compact(): void {
    this.#compacted = this.#version;
  }

  /** Ends every watch in order. */
  end(): void {
    for (const watch of this.watches) watch.end();
    this.watches.clear();
  }

  /** Breaks every watch off. @param text sent before */
  cut(text = ""): void {
    for (const watch of this.watches) {
      if (text === "") watch.destroy();
      else watch.write(text, () => watch.destroy());
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#http?.[Symbol.asyncDispose]();
  }

  #happened(event: Event): void {
    this.#history.push(event);
    this.send({ type: event.type, object: event.object });
  }

  #list(url: URL, response: ServerResponse): void {
    this.beforePage(url);
    const limit = Number(url.searchParams.get("limit") ?? "0");
    const [from = 0, version = this.#version] = (url.searchParams.get("continue") ?? "")
      .split(".")
      .filter(Boolean)
      .map(Number);
    if (version < this.#compacted) {
      sendStatus(response, 410, "Expired", "The provided continue parameter is too old");
      return;
    }
    const all = [...this.#objects.values()];
    const items = all.slice(from, from + limit);
    const next = from + limit < all.length ? { continue: `${from + limit}.${version}` } : {};
    sendJson(response, 200, { kind: "List", metadata: { resourceVersion: String(version), ...next }, items });
  }

  #watch(url: URL, response: ServerResponse): void {
    const from = Number(url.searchParams.get("resourceVersion"));
    response.writeHead(200).flushHeaders();
    if (from < this.#compacted) {
      const object = status(410, "Expired", `too old resource version: ${from} (${this.#compacted})`);
      response.end(`${JSON.stringify({ type: "ERROR", object })}\n`);
      return;
    }
    for (const { type, version, object } of this.#history) {
      if (version > from) response.write(`${JSON.stringify({ type, object })}\n`);
    }
    this.watches.add(response);
    response.on("close", () => this.watches.delete(response));
  }
}

function status(code: number, reason: string, message: string): object {
  return { kind: "Status", apiVersion: "v1", status: "Failure", reason, message, code };
}

export function sendStatus(response: ServerResponse, code: number, reason: string, message = reason): void {
  sendJson(response, code, status(code, reason, message));
}

function sendJson(response: ServerResponse, code: number, body: unknown): void {
  response.writeHead(code, { "content-type": "application/json" }).end(JSON.stringify(body));
}
