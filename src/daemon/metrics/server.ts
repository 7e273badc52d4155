/** Serves GET /metrics over HTTP, as Go multus's daemon does on its metricsPort. */

import type { IncomingMessage, Server, ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { errorText } from "../../log/error-text.ts";
import type { Logger } from "../../log/logger.ts";
import { OnceLog } from "../../log/once-log.ts";
import { ConnectionLimits } from "../connection-limits.ts";
import type { Metrics } from "./registry.ts";
import { SharedCollection } from "./shared-collection.ts";

/** A port that another daemon still has: of the pod that this one replaces, on the host's network. */
const tryAgainMs = 5_000;
/** The port is open to everybody. A scraper has one connection or two; it sends a line or two, and reads some kilobytes. */
const bounds = {
  most: 64,
  mostOfPeer: 8,
  requestWithinMs: 5_000,
  answerWithinMs: 10_000,
} as const;
/** Of the request's line and headers together. */
const mostHeaderBytes = 8 * 1024;

export class MetricsServer {
  readonly #contentType: string;
  readonly #collection: SharedCollection;
  readonly #connections = new ConnectionLimits(bounds);
  readonly #address: string;
  readonly #port: number;
  readonly #server: Server;
  #retry: NodeJS.Timeout | undefined;
  #isClosed = false;
  readonly #failures: OnceLog;

  /** @param address to listen on; "": every one of this host @param port 0: any that is free */
  constructor(metrics: Metrics, address: string, port: number, log: Logger) {
    this.#contentType = metrics.contentType;
    this.#collection = new SharedCollection(() => metrics.text());
    this.#address = address;
    this.#port = port;
    this.#failures = new OnceLog(log);
    // Not imported: an `import` of node:http brings a WebSocket client along (6 MB).
    const { createServer } = process.getBuiltinModule("node:http");
    this.#server = createServer({ maxHeaderSize: mostHeaderBytes }, (request, response) => {
      this.#answer(request, response).catch((error: unknown) => {
        log.error("metrics could not be served", { error: errorText(error) });
        response.destroy();
      });
    });
    this.#server.on("connection", (socket) => this.#connections.add(socket, socket.remoteAddress ?? ""));
    this.#server.on("error", (error) => this.#failed(error));
    this.#server.on("listening", () => {
      this.#failures.over();
      log.verbose("metrics are served", { address: this.#where() });
    });
  }

  /** Begins to serve; a port that is in use is tried again until it is free. Metrics are worth no pod: the daemon serves without. */
  listen(): void {
    if (this.#isClosed) return;
    this.#server.listen({ port: this.#port, ...(this.#address === "" ? {} : { host: this.#address }) });
  }

  close(): void {
    this.#isClosed = true;
    clearTimeout(this.#retry);
    this.#server.close();
    this.#server.closeAllConnections();
  }

  #failed(error: Error): void {
    this.#failures.error("metrics are not served", { port: this.#port, error: errorText(error) });
    // It was one connection that could not be taken: the next one may be.
    if (this.#server.listening) return;
    this.#retry = setTimeout(() => this.listen(), tryAgainMs).unref();
  }

  #where(): string {
    const { address, port } = this.#server.address() as AddressInfo;
    return address.includes(":") ? `[${address}]:${port}` : `${address}:${port}`;
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { method = "", url = "", headers, socket } = request;
    this.#connections.hasRequest(socket);
    // One request each: a connection that is kept would be one that is idle.
    response.setHeader("Connection", "close");
    const [path = ""] = url.split("?", 1);
    if (headers["transfer-encoding"] !== undefined || Number(headers["content-length"] ?? 0) !== 0) {
      response.writeHead(413).end();
      return;
    }
    if (path !== "/metrics") {
      response.writeHead(404, { "Content-Type": "text/plain; charset=utf-8" }).end("there is GET /metrics\n");
      return;
    }
    if (method !== "GET" && method !== "HEAD") {
      response.writeHead(405, { Allow: "GET, HEAD" }).end();
      return;
    }
    this.#failures.over();
    const text = await this.#collection.text();
    response.writeHead(200, { "Content-Type": this.#contentType }).end(text);
  }
}
