/**
 * The API server at the address of its Service, in a node's network namespace: what kube-proxy does on a real node, for pods in the host's network. Connections cross from there to the
 * machine's loopback by a unix socket, which no network namespace keeps apart. Run as a program: the side that is in the namespace.
 */

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { connect, createServer, type Server, type Socket } from "node:net";
import type { Namespace } from "../namespace.ts";
import { session, sessionVariable } from "../session.ts";

/** The first address of the API server's --service-cluster-ip-range: that of the Service `kubernetes`. */
const address = { host: "10.96.0.1", port: 443 };

export const serviceUrl = `https://${address.host}:${address.port}`;

/** Each side's end is the other's. */
function join(one: Socket, other: Socket): void {
  one.pipe(other).pipe(one);
  one.on("error", () => other.destroy());
  other.on("error", () => one.destroy());
  one.on("close", () => other.destroy());
  other.on("close", () => one.destroy());
}

export class ServiceAddress implements AsyncDisposable {
  readonly #server: Server;
  readonly #connections: Set<Socket>;
  readonly #inside: ChildProcess;

  private constructor(server: Server, connections: Set<Socket>, inside: ChildProcess) {
    this.#server = server;
    this.#connections = connections;
    this.#inside = inside;
  }

  /** @param socket path for the unix socket @param port that connections are to reach on the machine's loopback */
  static async start(network: Namespace, socket: string, port: number): Promise<ServiceAddress> {
    await network.ip("addr", "add", `${address.host}/32`, "dev", "lo");
    const connections = new Set<Socket>();
    const server = createServer((connection) => {
      connections.add(connection);
      connection.on("close", () => connections.delete(connection));
      join(connection, connect(port, "127.0.0.1"));
    });
    server.listen(socket);
    await once(server, "listening");
    const [command = "", ...args] = network.enter(process.execPath, import.meta.filename, socket);
    const inside = spawn(command, args, {
      env: { ...process.env, [sessionVariable]: session },
      stdio: ["ignore", "pipe", "inherit"],
    });
    const started = new ServiceAddress(server, connections, inside);
    const outcome = await Promise.race([
      once(inside.stdout, "data").then(() => "listening"),
      once(inside, "exit").then(([code]) => `exit code ${code}`),
    ]);
    if (outcome !== "listening") {
      await started[Symbol.asyncDispose]();
      throw new Error(`nobody listens at ${address.host}: ${outcome}`);
    }
    return started;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#inside.exitCode === null && this.#inside.signalCode === null) {
      const ended = once(this.#inside, "exit");
      this.#inside.kill("SIGKILL");
      await ended;
    }
    for (const connection of this.#connections) connection.destroy();
    this.#server.close();
  }
}

if (import.meta.main) {
  const [socket = ""] = process.argv.slice(2);
  createServer((connection) => join(connection, connect(socket))).listen(address.port, address.host, () =>
    process.stdout.write("listening\n"),
  );
}
