/** A server of a test's own on some port: which one, how many connections are open, and its end. */

import { once } from "node:events";
import type { AddressInfo, Server, Socket } from "node:net";
import type { Duplex } from "node:stream";

export class ListeningServer implements AsyncDisposable {
  /** TCP connections accepted so far. */
  connections = 0;
  readonly #server: Server;
  readonly #sockets = new Set<Duplex>();

  constructor(server: Server) {
    this.#server = server;
    server.on("connection", (socket: Socket) => {
      this.connections += 1;
      this.keep(socket);
    });
  }

  /** @param host that it listens on */
  async listen(host = "127.0.0.1"): Promise<void> {
    this.#server.listen(0, host);
    await once(this.#server, "listening");
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** How many connections are open, those that it keeps beside its own among them. */
  get open(): number {
    return this.#sockets.size;
  }

  /** Ends a connection with the server. */
  keep(socket: Duplex): void {
    this.#sockets.add(socket);
    socket.on("close", () => this.#sockets.delete(socket));
  }

  /** Breaks every connection. */
  cut(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.close();
    this.cut();
    await once(this.#server, "close");
  }
}
