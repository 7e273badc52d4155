/** Starts the real daemon, build/multusd.mjs, with a configuration of the test's own. */

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { allocatorSettings } from "./dockerfile.ts";
import { session, sessionVariable } from "./session.ts";

const bundle = join(import.meta.dirname, "..", "..", "build", "multusd.mjs");

/** A daemon has the image's, so that its memory is measured as users have it. */
const allocator = Object.fromEntries(allocatorSettings().map((variable) => variable.split("=")));

/** Memory in kB, of one process and not of what it started. */
export interface Memory {
  readonly resident: number;
  readonly peak: number;
}

function accepts(socket: string): Promise<boolean> {
  return new Promise((resolve) => {
    const connection = connect(socket);
    connection.on("connect", () => {
      connection.destroy();
      resolve(true);
    });
    connection.on("error", () => resolve(false));
  });
}

/** Where a daemon runs, if not simply beside the test. */
export interface DaemonSurroundings {
  /** Environment variables beside this process's own. */
  readonly environment?: Readonly<Record<string, string>>;
  /** Words before the command that start it elsewhere and become it (`unshare …`): its pid must stay the daemon's. */
  readonly through?: readonly string[];
  /** Told of what it prints, as it comes. */
  readonly onOutput?: (text: string) => void;
}

export class Daemon implements AsyncDisposable {
  readonly #configFile: string;
  readonly #socket: string;
  readonly #surroundings: DaemonSurroundings;
  #process: ChildProcess | undefined;
  /** All that it ever printed. */
  output = "";

  /** @param directory where the configuration is written @param config the daemon's configuration; `socketDir` is needed */
  constructor(
    directory: string,
    config: Readonly<Record<string, unknown>> & { readonly socketDir: string },
    surroundings: DaemonSurroundings = {},
  ) {
    this.#surroundings = surroundings;
    this.#configFile = join(directory, "daemon-config.json");
    this.#socket = join(config.socketDir, "multus.sock");
    this.configure(config);
  }

  /** Writes another configuration, for the next start; its `socketDir` is that of the first. */
  configure(config: Readonly<Record<string, unknown>>): void {
    writeFileSync(this.#configFile, JSON.stringify(config, undefined, 2));
  }

  get pidIfRunning(): number | undefined {
    return this.#process?.pid;
  }

  get pid(): number {
    if (this.#process?.pid === undefined) throw new Error("the daemon is not running");
    return this.#process.pid;
  }

  /** Starts it and waits until its socket takes connections. @throws {Error} with what it printed, if it ends before that or needs more than a minute */
  async start(): Promise<void> {
    const { environment = {}, through = [] } = this.#surroundings;
    const [command = "", ...args] = [...through, process.execPath, bundle, "--config", this.#configFile];
    const daemon = spawn(command, args, {
      env: { ...process.env, ...allocator, ...environment, [sessionVariable]: session },
      stdio: ["ignore", "pipe", "pipe"],
    });
    this.#process = daemon;
    for (const stream of [daemon.stdout, daemon.stderr]) {
      stream.on("data", (chunk: Buffer) => {
        const text = chunk.toString();
        this.output += text;
        this.#surroundings.onOutput?.(text);
      });
    }
    const deadline = Date.now() + 60_000;
    while (!(existsSync(this.#socket) && (await accepts(this.#socket)))) {
      if (daemon.exitCode !== null || daemon.signalCode !== null || Date.now() > deadline) {
        const state = daemon.exitCode ?? daemon.signalCode ?? "not listening after 60 s";
        throw new Error(`the daemon did not start (${state}):\n${this.output}`);
      }
      await sleep(10);
    }
  }

  /** Sends the signal and waits for its end. @returns its exit code, null if a signal ended it */
  async stop(signal: NodeJS.Signals = "SIGTERM"): Promise<number | null> {
    const daemon = this.#process;
    this.#process = undefined;
    if (daemon === undefined) return null;
    if (daemon.exitCode === null && daemon.signalCode === null) {
      // Its end, and that of what it prints.
      const closed = once(daemon, "close");
      daemon.kill(signal);
      await closed;
    }
    return daemon.exitCode;
  }

  memory(): Memory {
    const status = readFileSync(`/proc/${this.pid}/status`, "utf8");
    const kilobytes = (key: string) => Number(new RegExp(`^${key}:\\s+(\\d+) kB`, "m").exec(status)?.[1]);
    return { resident: kilobytes("VmRSS"), peak: kilobytes("VmHWM") };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop("SIGKILL");
  }
}
