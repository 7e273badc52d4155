/**
 * Connections between a node's network namespace and the machine's: they cross by a unix socket, which no network namespace keeps apart. Run as a program: the side that is in
 * the namespace.
 */

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { connect, createServer, type Server, type Socket } from "node:net";
import type { Namespace } from "../namespace.ts";
import { session, sessionVariable } from "../session.ts";

/** A unix socket, or an address of one side. */
type Endpoint = { readonly path: string } | { readonly host: string; readonly port: number };

/** The address at which one side listens, and the one that it passes connections to. */
interface Side {
  readonly listen: Endpoint;
  readonly to: Endpoint;
}

/** Each side's end is the other's. */
function join(one: Socket, other: Socket): void {
  one.pipe(other).pipe(one);
  one.on("error", () => other.destroy());
  other.on("error", () => one.destroy());
  one.on("close", () => other.destroy());
  other.on("close", () => one.destroy());
}

export class Crossing implements AsyncDisposable {
  readonly #server: Server;
  readonly #connections: Set<Socket>;
  readonly #inside: ChildProcess;

  private constructor(server: Server, connections: Set<Socket>, inside: ChildProcess) {
    this.#server = server;
    this.#connections = connections;
    this.#inside = inside;
  }

  /** @throws {Error} if the side in the namespace does not listen */
  static async start(network: Namespace, outside: Side, inside: Side): Promise<Crossing> {
    const connections = new Set<Socket>();
    const server = createServer((connection) => {
      connections.add(connection);
      connection.on("close", () => connections.delete(connection));
      join(connection, connect(outside.to));
    });
    server.listen(outside.listen);
    await once(server, "listening");
    const [command = "", ...args] = network.enter(
      process.execPath,
      import.meta.filename,
      JSON.stringify(inside),
    );
    const child = spawn(command, args, {
      env: { ...process.env, [sessionVariable]: session },
      stdio: ["ignore", "pipe", "inherit"],
    });
    const started = new Crossing(server, connections, child);
    const outcome = await Promise.race([
      once(child.stdout, "data").then(() => "listening"),
      once(child, "exit").then(([code]) => `exit code ${code}`),
    ]);
    if (outcome !== "listening") {
      await started[Symbol.asyncDispose]();
      throw new Error(`nobody listens at ${JSON.stringify(inside.listen)}: ${outcome}`);
    }
    return started;
  }

  /** Connects a port of the machine's loopback to the same port of the namespace's. @param socket path for the unix socket */
  static loopback(network: Namespace, socket: string, port: number): Promise<Crossing> {
    const address = { host: "127.0.0.1", port };
    const between = { path: socket };
    return Crossing.start(network, { listen: address, to: between }, { listen: between, to: address });
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
  const { listen, to }: Side = JSON.parse(process.argv[2] ?? "");
  createServer((connection) => join(connection, connect(to))).listen(listen, () =>
    process.stdout.write("listening\n"),
  );
}
