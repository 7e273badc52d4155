/**
 * The HTTP side of the socket: probes. What Go multus serves beside them (`POST /cni`, `POST /delegate`) is answered with what is missing. The HTTP
 * server is loaded when the first request of that kind comes: most nodes never see one.
 */

import type { IncomingMessage, Server, ServerResponse } from "node:http";
import type { Socket } from "node:net";

export class HttpSide {
  readonly #isReady: () => boolean;
  readonly #status: (() => unknown) | undefined;
  #server: Server | undefined;

  /** @param isReady false once the daemon is stopping @param status what `GET /status` answers, as JSON */
  constructor(isReady: () => boolean, status?: () => unknown) {
    this.#isReady = isReady;
    this.#status = status;
  }

  /** Takes over a connection. @param first what was already read from it */
  take(socket: Socket, first: Buffer): void {
    socket.pause();
    socket.unshift(first);
    this.#server ??= this.#load();
    this.#server.emit("connection", socket);
    socket.resume();
  }

  #load(): Server {
    // Not imported: an `import` of node:http brings a WebSocket client along (6 MB).
    const { createServer } = process.getBuiltinModule("node:http");
    return createServer((request, response) => this.#answer(request, response));
  }

  #answer(request: IncomingMessage, response: ServerResponse): void {
    const { method = "", url = "" } = request;
    const [path = ""] = url.split("?", 1);
    // An answer ends its connection: nothing keeps a stopping daemon waiting.
    response.setHeader("Connection", "close");
    response.setHeader("Content-Type", "text/plain; charset=utf-8");
    if (path === "/healthz" || path === "/readyz") {
      if (method !== "GET" && method !== "POST" && method !== "HEAD") {
        response.writeHead(405, { Allow: "GET, HEAD, POST" }).end("use GET\n");
        return;
      }
      const ok = path === "/healthz" || this.#isReady();
      response.writeHead(ok ? 200 : 500).end(ok ? "ok\n" : "shutting down\n");
      return;
    }
    if (path === "/status" && method === "GET" && this.#status !== undefined) {
      response.setHeader("Content-Type", "application/json");
      response.writeHead(200).end(`${JSON.stringify(this.#status())}\n`);
      return;
    }
    response
      .writeHead(501)
      .end(
        `${method} ${path} is not served by this version of multusd; there are GET /healthz, GET /readyz and GET /status\n`,
      );
  }
}
