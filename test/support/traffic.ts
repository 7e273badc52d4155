/** Sends bytes between namespaces: an address that a plugin has set is worth something only when traffic passes. */

import { spawn } from "node:child_process";
import { once } from "node:events";
import type { Namespace } from "./namespace.ts";
import { session, sessionVariable } from "./session.ts";

const server = `
require("node:net").createServer((socket) => {
  socket.on("error", () => {});
  socket.end("you are " + socket.remoteAddress);
}).listen(Number(process.argv[1]), process.argv[2], () => console.log("listening"));
`;

const client = `
const socket = require("node:net").connect({ host: process.argv[1], port: Number(process.argv[2]), localAddress: process.argv[3] });
socket.setTimeout(5000, () => socket.destroy(new Error("nothing came back within 5 s")));
socket.on("data", (chunk) => process.stdout.write(chunk));
socket.on("error", (error) => { console.error(error.message); process.exitCode = 1; });
`;

/** A TCP server that tells each client the address that it is seen under. */
export class EchoServer implements AsyncDisposable {
  readonly #process: ReturnType<typeof spawn>;

  private constructor(process: ReturnType<typeof spawn>) {
    this.#process = process;
  }

  /** @param address on which it listens, "::" for all */
  static async start(network: Namespace, port: number, address = "::"): Promise<EchoServer> {
    const [command = "", ...args] = network.enter(process.execPath, "-e", server, String(port), address);
    const child = spawn(command, args, {
      env: { ...process.env, [sessionVariable]: session },
      stdio: ["ignore", "pipe", "inherit"],
    });
    await Promise.race([once(child.stdout, "data"), once(child, "exit")]);
    if (child.exitCode !== null) throw new Error(`no server on ${address} port ${port} in ${network.name}`);
    return new EchoServer(child);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const ended = once(this.#process, "exit");
    this.#process.kill("SIGKILL");
    await ended;
  }
}

/**
 * Connects from a namespace to an echo server.
 * @param from source address, where it matters which interface is used
 * @returns the address under which the server saw the client (IPv4 in its own form)
 * @throws {Error} where nothing came back within 5 s
 */
export async function seenAs(network: Namespace, host: string, port: number, from?: string): Promise<string> {
  const outcome = await network.run([
    process.execPath,
    "-e",
    client,
    host,
    String(port),
    ...(from === undefined ? [] : [from]),
  ]);
  const answer = outcome.stdout.toString();
  if (outcome.exitCode !== 0 || !answer.startsWith("you are ")) {
    throw new Error(`${network.name} to ${host} port ${port}: ${outcome.stderr.trim() || "no answer"}`);
  }
  return answer.slice("you are ".length).replace(/^::ffff:/, "");
}
