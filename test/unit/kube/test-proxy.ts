/** A proxy as a test needs one: CONNECT and requests in absolute form over http or https, or SOCKS 5; it remembers what it was asked. */

import { once } from "node:events";
import { createServer, type IncomingMessage, type RequestListener, request } from "node:http";
import { createServer as createTlsServer, type ServerOptions } from "node:https";
import {
  type AddressInfo,
  connect,
  createServer as createTcpServer,
  type Server,
  type Socket,
} from "node:net";
import type { Duplex } from "node:stream";

export interface ProxyBehaviour {
  /** For a proxy of https. */
  readonly tls?: ServerOptions;
  /** What a client has to send as Proxy-Authorization. */
  readonly authorization?: string;
  /** Answers a CONNECT in its place. */
  readonly onConnect?: (request: IncomingMessage, socket: Duplex) => void;
}

export class TestProxy implements AsyncDisposable {
  /** `CONNECT host:port`, `GET http://host:port/path`, `SOCKS host:port`. */
  readonly asked: string[] = [];
  readonly #server: Server;
  readonly #sockets = new Set<Duplex>();

  private constructor(make: (proxy: TestProxy) => Server) {
    this.#server = make(this);
    this.#server.on("connection", (socket: Socket) => this.#keep(socket));
  }

  static http(behaviour: ProxyBehaviour = {}): Promise<TestProxy> {
    const { tls, authorization, onConnect } = behaviour;
    return TestProxy.#start((proxy) => {
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
      const server = tls === undefined ? createServer(forward) : createTlsServer(tls, forward);
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
      return server;
    });
  }

  /** RFC 1928, CONNECT alone. @param user name and password that it asks for (RFC 1929) */
  static socks(user?: { readonly name: string; readonly password: string }): Promise<TestProxy> {
    return TestProxy.#start((proxy) =>
      createTcpServer((socket) => {
        proxy.#serveSocks(socket, user).catch(() => socket.destroy());
      }),
    );
  }

  static async #start(make: (proxy: TestProxy) => Server): Promise<TestProxy> {
    const proxy = new TestProxy(make);
    proxy.#server.listen(0, "127.0.0.1");
    await once(proxy.#server, "listening");
    return proxy;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** Connections that are open, to it and from it. */
  get open(): number {
    return this.#sockets.size;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.close();
    for (const socket of this.#sockets) socket.destroy();
    await once(this.#server, "close");
  }

  #keep(socket: Duplex): void {
    this.#sockets.add(socket);
    socket.on("error", () => {});
    socket.on("close", () => this.#sockets.delete(socket));
  }

  /** Names lead to this machine, whatever they are. */
  #join(client: Duplex, host: string, port: number, connected: () => void): void {
    const upstream = connect(port, /^[\d.:a-f]+$/.test(host) ? host : "127.0.0.1", () => {
      connected();
      client.pipe(upstream).pipe(client);
    });
    this.#keep(upstream);
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
