/** A program that runs in the background until it is stopped, and writes a log. */

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, fstatSync, openSync, readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { session, sessionVariable } from "../session.ts";

export class ServerProcess implements AsyncDisposable {
  readonly #argv: readonly string[];
  readonly #environment: Readonly<Record<string, string>>;
  readonly #logFile: string;
  #process: ChildProcess | undefined;

  /** @param argv the program and its arguments @param logFile gets what it prints, of every start */
  constructor(argv: readonly string[], logFile: string, environment: Readonly<Record<string, string>> = {}) {
    this.#argv = argv;
    this.#logFile = logFile;
    this.#environment = environment;
  }

  /** Undefined where it does not run. */
  get pid(): number | undefined {
    return this.#ended() ? undefined : this.#process?.pid;
  }

  #ended(): boolean {
    const running = this.#process;
    return running === undefined || running.exitCode !== null || running.signalCode !== null;
  }

  /**
   * Starts it and waits until it is ready. Where its port is taken it is started again: some other process may have it for a moment.
   * @param isReady asked every 50 ms; what it throws counts as no
   * @throws {Error} with the end of its log, where it ends or is not ready after `timeoutMs`
   */
  async start(isReady: () => Promise<boolean>, timeoutMs = 180_000): Promise<void> {
    const [command = "", ...args] = this.#argv;
    const deadline = Date.now() + timeoutMs;
    while (!(await this.#startOnce(command, args, isReady, deadline))) await sleep(500);
  }

  /** @returns whether it is ready; false: its port is taken */
  async #startOnce(
    command: string,
    args: readonly string[],
    isReady: () => Promise<boolean>,
    deadline: number,
  ): Promise<boolean> {
    const log = openSync(this.#logFile, "a");
    const { size: logged } = fstatSync(log);
    const started = spawn(command, args, {
      env: { ...process.env, ...this.#environment, [sessionVariable]: session },
      stdio: ["ignore", log, log],
    });
    closeSync(log);
    let failure: Error | undefined;
    started.on("error", (error) => {
      failure = error;
    });
    this.#process = started;
    for (;;) {
      const ready = await isReady().catch(() => false);
      if (failure !== undefined) throw failure;
      // An answer on its port after its end comes from another process.
      if (ready && !this.#ended()) return true;
      if (this.#ended() || Date.now() > deadline) {
        const said = readFileSync(this.#logFile).subarray(logged).toString();
        if (said.includes("address already in use") && Date.now() < deadline) return false;
        const state = started.exitCode ?? started.signalCode ?? "not ready in time";
        throw new Error(`${command} did not start (${state}):\n${this.log()}`);
      }
      await sleep(50);
    }
  }

  /** Sends the signal and waits for its end. Does nothing where it does not run. */
  async stop(signal: NodeJS.Signals = "SIGTERM"): Promise<void> {
    const running = this.#process;
    if (running === undefined || this.#ended()) return;
    const ended = once(running, "exit");
    running.kill(signal);
    await ended;
  }

  /** The end of what it has logged, for messages. */
  log(): string {
    return readFileSync(this.#logFile, "utf8").slice(-10_000);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop("SIGKILL");
  }
}
