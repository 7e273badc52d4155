/** Runs a multusd for one try, with its own socket, configuration, directories and log. */

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { errorText } from "../../log/error-text.ts";
import { UserError } from "../command/user-error.ts";
import { daemonCommand } from "../node/installation.ts";
import { daemonConfiguration, type ScratchNode } from "./scratch.ts";

/** Time limits in milliseconds for the daemon to create its socket, and to exit on SIGTERM. */
const startTimeout = 10_000;
const stopTimeout = 5_000;

export class TrialDaemon {
  readonly socketDir: string;
  readonly cniDir: string;
  readonly #process: ChildProcess;
  readonly #ended: Promise<unknown>;
  readonly #logFile: string;
  #output = "";

  /** @param nadDir directory of NetworkAttachmentDefinition manifests */
  constructor(scratch: ScratchNode, nadDir: string) {
    this.socketDir = scratch.makeDirectory("run");
    this.cniDir = scratch.makeDirectory("cache");
    this.#logFile = join(scratch.directory, "multusd.log");
    const configFile = daemonConfiguration(scratch.directory);
    writeFileSync(
      configFile,
      JSON.stringify({
        socketDir: this.socketDir,
        cniDir: this.cniDir,
        confDir: scratch.makeDirectory("net.d"),
        nadDir,
        // The machine's kubelet knows nothing of the pod.
        podResourcesSocket: join(scratch.directory, "no-kubelet.sock"),
        devicePluginsDir: scratch.makeDirectory("device-plugins"),
        deviceInfoDir: scratch.makeDirectory("devinfo"),
        logFile: this.#logFile,
        logLevel: "verbose",
        logToStderr: false,
      }),
      { mode: 0o600 },
    );
    // A separate process group: Ctrl-C in a terminal must not end it before DEL has run.
    const [program = "", ...words] = daemonCommand();
    this.#process = spawn(program, [...words, "--config", configFile], {
      stdio: ["ignore", "ignore", "pipe"],
      detached: true,
    });
    this.#process.stderr?.setEncoding("utf8").on("data", (text: string) => {
      this.#output += text;
    });
    this.#ended = once(this.#process, "close").catch((error: unknown) => {
      this.#output += `${errorText(error)}\n`;
    });
  }

  /** Waits until it serves. @throws {UserError} with its output, if it ends or does not get ready */
  async ready(): Promise<void> {
    const deadline = Date.now() + startTimeout;
    while (!existsSync(join(this.socketDir, "multus.sock"))) {
      if (this.#hasEnded || Date.now() > deadline) {
        throw new UserError(`multusd ${this.#hasEnded ? "ended" : "did not get ready"}:\n${this.messages()}`);
      }
      await sleep(10);
    }
  }

  get #hasEnded(): boolean {
    return this.#process.exitCode !== null || this.#process.signalCode !== null || !this.#process.pid;
  }

  /** Its output and log so far. */
  messages(): string {
    const log = existsSync(this.#logFile) ? readFileSync(this.#logFile, "utf8") : "";
    return `${this.#output}${log}`.trim();
  }

  /** Asks it to exit, and kills it if it does not; returns when it is gone. */
  async stop(): Promise<void> {
    if (!this.#hasEnded) {
      this.#process.kill("SIGTERM");
      const timer = setTimeout(() => this.#process.kill("SIGKILL"), stopTimeout);
      await this.#ended;
      clearTimeout(timer);
    }
  }
}
