/** A proxy as a test needs one: CONNECT and requests in absolute form over http or https, or SOCKS 5; it remembers what it was asked. */

import { once } from "node:events";
import { createServer, type IncomingMessage, type RequestListener, request } from "node:http";
import { createServer as createTlsServer, type ServerOptions } from "node:https";
import { connect, createServer as createTcpServer, type Server, type Socket } from "node:net";
import type { Duplex } from "node:stream";
import { ListeningServer } from "../../support/listening-server.ts";

export interface ProxyBehaviour {
  /** For a proxy of https. */
  readonly tls?: ServerOptions;
  /** Proxy-Authorization that a client has to send. */
  readonly authorization?: string;
  /** Answers a CONNECT in its place. */
  readonly onConnect?: (request: IncomingMessage, socket: Duplex) => void;
}

export class TestProxy extends ListeningServer {
  /** `CONNECT host:port`, `GET http://host:port/path`, `SOCKS host:port`. */
  readonly asked: string[] = [];

  static http(behaviour: ProxyBehaviour = {}): Promise<TestProxy> {
    const { tls, authorization, onConnect } = behaviour;
    const server = tls === undefined ? createServer() : createTlsServer(tls);
    return TestProxy.#start(server, (proxy) => {
      const isAllowed = ({ headers }: IncomingMessage) =>
        authorization === undefined || headers["proxy-authorization"] === authorization;
      const forward: RequestListener = (incoming, response) => {
        proxy.asked.push(`${incoming.method} ${incoming.url}`);
        if (!isAllowed(incoming)) {
          response.writeHead(407).end();
          return;
        }
        const outgoing = request(
          incoming.url ?? "",
          { method: incoming.method, headers: incoming.headers },
          (answer) => {
            response.writeHead(answer.statusCode ?? 0, answer.headers);
            answer.pipe(response);
          },
        );
        outgoing.on("error", () => response.destroy());
        incoming.pipe(outgoing);
      };
      server.on("request", forward);
      server.on("connect", (incoming: IncomingMessage, socket: Duplex) => {
        proxy.asked.push(`CONNECT ${incoming.url}`);
        socket.on("error", () => {});
        if (onConnect !== undefined) {
          socket.resume();
          socket.on("end", () => socket.end());
          onConnect(incoming, socket);
        } else if (!isAllowed(incoming)) socket.end("HTTP/1.1 407 Proxy Authentication Required\r\n\r\n");
        else {
          const [, host = "", port] = /^(?:\[?)(.*?)(?:\]?):(\d+)$/.exec(incoming.url ?? "") ?? [];
          proxy.#join(socket, host, Number(port), () =>
            socket.write("HTTP/1.1 200 Connection established\r\n\r\n"),
          );
        }
      });
    });
  }

  /** RFC 1928, CONNECT alone. @param user name and password that it asks for (RFC 1929) */
  static socks(user?: { readonly name: string; readonly password: string }): Promise<TestProxy> {
    const server = createTcpServer();
    return TestProxy.#start(server, (proxy) => {
      server.on("connection", (socket: Socket) => {
        proxy.#serveSocks(socket, user).catch(() => socket.destroy());
      });
    });
  }

  /** @param serve begins to answer what comes to the server */
  static async #start(server: Server, serve: (proxy: TestProxy) => void): Promise<TestProxy> {
    const proxy = new TestProxy(server);
    serve(proxy);
    await proxy.listen();
    return proxy;
  }

  override keep(socket: Duplex): void {
    super.keep(socket);
    socket.on("error", () => {});
  }

  /** Names lead to this machine, whatever they are. */
  #join(client: Duplex, host: string, port: number, connected: () => void): void {
    const upstream = connect(port, /^[\d.:a-f]+$/.test(host) ? host : "127.0.0.1", () => {
      connected();
      client.pipe(upstream).pipe(client);
    });
    this.keep(upstream);
    upstream.on("close", () => client.destroy());
    client.on("close", () => upstream.destroy());
  }

  async #serveSocks(
    socket: Socket,
    user?: { readonly name: string; readonly password: string },
  ): Promise<void> {
    const next = async () => (await once(socket, "data"))[0] as Buffer;
    await next();
    if (user === undefined) socket.write(Buffer.from([5, 0]));
    else {
      socket.write(Buffer.from([5, 2]));
      const given = await next();
      const nameLength = given[1] ?? 0;
      const name = given.subarray(2, 2 + nameLength).toString();
      const password = given.subarray(3 + nameLength).toString();
      const isRight = name === user.name && password === user.password;
      socket.write(Buffer.from([1, isRight ? 0 : 1]));
      if (!isRight) return;
    }
    const order = await next();
    const length = order[4] ?? 0;
    const host = order[3] === 1 ? order.subarray(4, 8).join(".") : order.subarray(5, 5 + length).toString();
    const port = order.readUInt16BE(order.length - 2);
    this.asked.push(`SOCKS ${host}:${port}`);
    this.#join(socket, host, port, () => socket.write(Buffer.from([5, 0, 0, 1, 0, 0, 0, 0, 0, 0])));
  }
}
