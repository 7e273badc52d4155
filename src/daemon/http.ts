/**
 * The HTTP side of the socket: probes. What Go multus serves beside them (`POST /cni`, `POST /delegate`) is answered with what is missing. The HTTP
 * server is loaded when the first request of that kind comes: most nodes never see one.
 */

import type { IncomingMessage, Server, ServerResponse } from "node:http";
import type { Socket } from "node:net";

export class HttpSide {
  readonly #notReady: () => string | undefined;
  #server: Server | undefined;

  /** @param notReady why the daemon should get nothing to do: it is stopping, …; undefined: it is ready */
  constructor(notReady: () => string | undefined) {
    this.#notReady = notReady;
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
      const problem = path === "/healthz" ? undefined : this.#notReady();
      response.writeHead(problem === undefined ? 200 : 500).end(`${problem ?? "ok"}\n`);
      return;
    }
    response
      .writeHead(501)
      .end(
        `${method} ${path} is not served by this version of multusd; there are GET /healthz and GET /readyz\n`,
      );
  }
}
