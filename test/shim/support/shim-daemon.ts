/** A daemon for one shim at a time: a socket in a directory of its own, the shim as a process, a directory for plugins. */

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { chmodSync, mkdirSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:net";
import { constants } from "node:os";
import { join } from "node:path";
import type { FrameBody } from "../../../src/agent/frames.ts";
import type { CommandOutcome } from "../../support/command.ts";
import { ScratchDirectory } from "../../support/scratch-directory.ts";
import { session, sessionVariable } from "../../support/session.ts";
import { endStayingBelow, isStaying, stayingBelow } from "../../support/staying.ts";
import { ShimStream } from "./shim-stream.ts";

export interface ShimOptions {
  /** Over the variables of an ADD; undefined removes one. */
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** stdin; by default a netconf that names this daemon's socket. */
  readonly config?: string | Uint8Array;
  readonly args?: readonly string[];
}

/** A shim that runs. */
export interface ShimProcess {
  readonly child: ChildProcess;
  readonly outcome: Promise<CommandOutcome>;
}

export class ShimDaemon implements AsyncDisposable {
  readonly #directory = new ScratchDirectory("shim");
  readonly #binary: string;
  readonly #server: Server;
  readonly #streams: ShimStream[] = [];
  readonly #unclaimed: ShimStream[] = [];
  readonly #accepting: ((stream: ShimStream) => void)[] = [];
  readonly #children: ChildProcess[] = [];
  /** Those that were seen. One that ends closes its directory first, and lets go of the lock after that. */
  readonly #stayed = new Set<number>();
  /** Where `addPlugin` puts plugins; the CNI_PATH of every shim. */
  readonly pluginDirectory: string;

  private constructor(binary: string) {
    this.#binary = binary;
    this.pluginDirectory = join(this.#directory.path, "plugins");
    mkdirSync(this.pluginDirectory);
    this.#server = createServer((socket) => {
      const stream = new ShimStream(socket);
      this.#streams.push(stream);
      const accept = this.#accepting.shift();
      if (accept === undefined) this.#unclaimed.push(stream);
      else accept(stream);
    });
  }

  /** @param listening false: the socket is not there until `listen` */
  static async create(binary: string, { listening = true } = {}): Promise<ShimDaemon> {
    const daemon = new ShimDaemon(binary);
    if (listening) await daemon.listen();
    return daemon;
  }

  get socketDirectory(): string {
    return this.#directory.path;
  }

  /** The netconf's cniDir, so that nothing is recorded in the machine's own. */
  get cniDir(): string {
    return join(this.#directory.path, "cni");
  }

  get socketPath(): string {
    return join(this.#directory.path, "multus.sock");
  }

  async listen(): Promise<void> {
    this.#server.listen(this.socketPath);
    await once(this.#server, "listening");
  }

  /** Takes no more connections, and the socket's name goes; those that are there stay. */
  stopListening(): void {
    this.#server.close();
  }

  /** A path in the scratch directory. */
  path(name: string): string {
    return join(this.#directory.path, name);
  }

  /** Writes a shell script as a plugin. */
  addPlugin(name: string, script: string): void {
    const file = join(this.pluginDirectory, name);
    writeFileSync(file, `#!/bin/sh\n${script}\n`);
    chmodSync(file, 0o755);
  }

  /** The netconf that leads a shim here. */
  config(extra: Readonly<Record<string, unknown>> = {}): string {
    return JSON.stringify({
      cniVersion: "1.0.0",
      name: "shim-test",
      type: "multus",
      daemonSocketDir: this.#directory.path,
      cniDir: this.cniDir,
      ...extra,
    });
  }

  /** Starts a shim. */
  run({ env = {}, config = this.config(), args = [] }: ShimOptions = {}): ShimProcess {
    const started = performance.now();
    const child = spawn(this.#binary, args, {
      env: {
        PATH: process.env.PATH,
        CNI_COMMAND: "ADD",
        CNI_CONTAINERID: "container1",
        CNI_NETNS: "/run/netns/none",
        CNI_IFNAME: "eth0",
        CNI_ARGS: "A=b",
        CNI_PATH: this.pluginDirectory,
        [sessionVariable]: session,
        ...env,
      },
      stdio: ["pipe", "pipe", "pipe"],
    });
    this.#children.push(child);
    const stdout: Buffer[] = [];
    let stderr = "";
    child.stdout.on("data", (chunk: Buffer) => stdout.push(chunk));
    child.stderr.on("data", (chunk: Buffer) => {
      stderr += chunk.toString();
    });
    // It may end without reading.
    child.stdin.on("error", () => {});
    child.stdin.end(config);
    const outcome = once(child, "close").then(([code, signal]: (number | NodeJS.Signals | null)[]) => ({
      exitCode: typeof code === "number" ? code : 128 + constants.signals[signal as NodeJS.Signals],
      stdout: Buffer.concat(stdout),
      stderr,
      milliseconds: performance.now() - started,
    }));
    return { child, outcome };
  }

  /** The next shim that connects. */
  accept(): Promise<ShimStream> {
    const stream = this.#unclaimed.shift();
    if (stream !== undefined) return Promise.resolve(stream);
    return new Promise((resolve) => this.#accepting.push(resolve));
  }

  /** A shim that has connected and sent its REQUEST. */
  async connected(options: ShimOptions = {}): Promise<ShimProcess & { readonly stream: ShimStream }> {
    const shim = this.run(options);
    const stream = await this.accept();
    await stream.greet();
    return { ...shim, stream };
  }

  /** The next question of the process that stays for recorded DELs, which is what connects next. */
  async replay(): Promise<{ readonly stream: ShimStream; readonly request: FrameBody }> {
    const stream = await this.accept();
    return { stream, request: await stream.greet("replay") };
  }

  /** Pids of processes that stay for recorded DELs of this daemon's shims. */
  get staying(): readonly number[] {
    for (const pid of stayingBelow(this.#directory.path)) this.#stayed.add(pid);
    return [...this.#stayed].filter(isStaying);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const stream of this.#streams) stream.destroy();
    for (const child of this.#children) if (child.exitCode === null) child.kill("SIGKILL");
    // Their records go with the directory.
    await endStayingBelow(this.#directory.path);
    if (this.#server.listening) {
      this.#server.close();
      await once(this.#server, "close");
    }
    this.#directory[Symbol.dispose]();
  }
}

/** The error object that a shim printed. @throws {Error} unless stdout is exactly one JSON object and the exit code is not 0 */
export function errorOf(outcome: CommandOutcome): {
  readonly cniVersion?: string;
  readonly code: number;
  readonly msg: string;
  readonly details?: string;
} {
  if (outcome.exitCode === 0) throw new Error(`exit code 0: ${outcome.stdout} ${outcome.stderr}`);
  return JSON.parse(outcome.stdout.toString());
}
