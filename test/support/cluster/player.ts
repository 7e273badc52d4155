/** `npm run cluster` in the background, and the shell of a user who does what it prints. */

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { runOrThrow } from "../command.ts";
import { session, sessionVariable } from "../session.ts";

export class Player {
  readonly #process: ChildProcess;
  output = "";

  constructor(...args: readonly string[]) {
    this.#process = spawn(process.execPath, [join(import.meta.dirname, "play.ts"), ...args], {
      env: { ...process.env, [sessionVariable]: session },
      stdio: ["ignore", "pipe", "pipe"],
    });
    for (const stream of [this.#process.stdout, this.#process.stderr]) {
      stream?.on("data", (chunk: Buffer) => {
        this.output += chunk.toString();
      });
    }
  }

  async until(pattern: RegExp): Promise<RegExpExecArray> {
    const deadline = Date.now() + 300_000;
    for (;;) {
      const match = pattern.exec(this.output);
      if (match !== null) return match;
      if (this.#process.exitCode !== null || Date.now() > deadline) {
        throw new Error(`no ${pattern} in:\n${this.output}`);
      }
      await sleep(100);
    }
  }

  /** Runs a shell in the directory and with the environment that the player told its user to take. */
  async shell(script: string): Promise<string> {
    const [, exported] = await this.until(/In another terminal:\n\n(.*?)\n\n/s);
    return runOrThrow(["sh", "-e", "-c", `${exported}\n${script}`], { timeoutMs: 300_000 });
  }

  /** Of a bare node: the test's own directory for a place of the node. */
  async onNode(place: string): Promise<string> {
    const [, directory = ""] = await this.until(
      new RegExp(`^ {2}${place.replaceAll(".", "\\.")} +(\\S+)$`, "m"),
    );
    return directory;
  }

  async signal(signal: NodeJS.Signals): Promise<number | null> {
    if (this.#process.exitCode !== null || this.#process.signalCode !== null) return this.#process.exitCode;
    const ended = once(this.#process, "exit");
    this.#process.kill(signal);
    await ended;
    return this.#process.exitCode;
  }
}
