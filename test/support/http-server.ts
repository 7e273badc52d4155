/** An HTTP(S) server that answers as a test says, and counts connections. */

import { createServer, type IncomingMessage, type RequestListener } from "node:http";
import { createServer as createTlsServer, type ServerOptions } from "node:https";
import { ListeningServer } from "./listening-server.ts";

export class HttpServer extends ListeningServer {
  /**
   * @param tls for https
   * @param host that it listens on
   */
  static async start(answer: RequestListener, tls?: ServerOptions, host?: string): Promise<HttpServer> {
    const server = tls === undefined ? createServer(answer) : createTlsServer(tls, answer);
    // Connections end when the test says so.
    server.keepAliveTimeout = 0;
    const started = new HttpServer(server);
    await started.listen(host);
    return started;
  }
}

/** The answer of {@link echo}. */
export interface Echo {
  readonly method: string;
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

/** Answers with what it was asked, as JSON. */
export const echo: RequestListener = (request, response) => {
  bodyOf(request).then(
    (body) =>
      response
        .writeHead(200, { "content-type": "application/json" })
        .end(JSON.stringify({ method: request.method, url: request.url, headers: request.headers, body })),
    () => response.destroy(),
  );
};

/** The whole body of a request. */
export async function bodyOf(request: IncomingMessage): Promise<string> {
  const pieces: Buffer[] = [];
  for await (const piece of request) pieces.push(piece as Buffer);
  return Buffer.concat(pieces).toString("utf8");
}
