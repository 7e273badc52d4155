/** A socket between shims and a daemon that can kill the daemon when a given byte of a call has passed. */

import { connect, createServer, type Server, type Socket } from "node:net";
import { join } from "node:path";
import type { Daemon } from "../daemon.ts";

export class KillingRelay implements AsyncDisposable {
  readonly #server: Server;
  readonly #daemon: Daemon;
  readonly #target: string;
  readonly #open = new Set<Socket>();
  #passed = 0;
  #limit = Number.POSITIVE_INFINITY;
  #killed: Promise<unknown> | undefined;

  private constructor(daemon: Daemon, target: string) {
    this.#daemon = daemon;
    this.#target = target;
    this.#server = createServer((shim) => this.#serve(shim));
  }

  /** @param directory where `multus.sock` is made @param target the daemon's socket */
  static async listen(directory: string, daemon: Daemon, target: string): Promise<KillingRelay> {
    const relay = new KillingRelay(daemon, target);
    await new Promise<void>((resolve, reject) => {
      relay.#server.once("error", reject);
      relay.#server.listen(join(directory, "multus.sock"), resolve);
    });
    return relay;
  }

  /** Bytes of both directions since `killAfter`. */
  get passed(): number {
    return this.#passed;
  }

  /** @param bytes of both directions together that still pass; the daemon is killed then, once */
  killAfter(bytes: number): void {
    this.#passed = 0;
    this.#limit = bytes;
    this.#killed = undefined;
  }

  /** @returns whether the daemon was killed; resolves when it has ended */
  async wasKilled(): Promise<boolean> {
    const killed = this.#killed;
    this.#limit = Number.POSITIVE_INFINITY;
    await killed;
    return killed !== undefined;
  }

  #serve(shim: Socket): void {
    const daemon = connect(this.#target);
    for (const [from, to] of [
      [shim, daemon],
      [daemon, shim],
    ] as const) {
      this.#open.add(from);
      from.on("error", () => to.destroy());
      from.on("end", () => to.end());
      from.on("close", () => {
        this.#open.delete(from);
        to.destroy();
      });
      from.on("data", (chunk) => this.#pass(chunk, to));
    }
  }

  #pass(chunk: Buffer, to: Socket): void {
    if (this.#killed !== undefined) return;
    const rest = this.#limit - this.#passed;
    this.#passed += chunk.length;
    if (chunk.length < rest) {
      to.write(chunk);
      return;
    }
    to.write(chunk.subarray(0, rest));
    // Its sockets close with it, which the relay passes on.
    this.#killed = this.#daemon.stop("SIGKILL");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#open) socket.destroy();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}
