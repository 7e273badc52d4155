/** A shell that stays in a node's network namespace: for looks that are taken thousands of times, and would cost a start of nsenter and sh each. */

import { type ChildProcessByStdio, spawn } from "node:child_process";
import { once } from "node:events";
import type { Readable, Writable } from "node:stream";
import type { Namespace } from "../namespace.ts";
import { session, sessionVariable } from "../session.ts";

const end = "-- end of answer --\n";

export class NodeShell implements AsyncDisposable {
  readonly #process: ChildProcessByStdio<Writable, Readable, null>;
  #received = "";
  #wake: () => void = () => {};
  #hasEnded = false;

  constructor(network: Namespace) {
    const [command = "", ...args] = network.enter("sh");
    this.#process = spawn(command, args, {
      stdio: ["pipe", "pipe", "inherit"],
      env: { ...process.env, [sessionVariable]: session },
    });
    this.#process.stdout.setEncoding("utf8").on("data", (text: string) => {
      this.#received += text;
      if (this.#received.endsWith(end)) this.#wake();
    });
    this.#process.on("close", () => {
      this.#hasEnded = true;
      this.#wake();
    });
  }

  /** Runs lines of a shell, one call at a time. @returns what they print @throws {Error} where the shell has ended */
  async run(script: string): Promise<string> {
    this.#received = "";
    const answered = new Promise<void>((resolve) => {
      this.#wake = resolve;
    });
    this.#process.stdin.write(`${script}\nprintf '%s' '${end}'\n`);
    if (!this.#hasEnded) await answered;
    if (!this.#received.endsWith(end)) throw new Error(`the shell has ended after: ${this.#received}`);
    return this.#received.slice(0, -end.length);
  }

  /**
   * Runs lines that change nothing; once more where the kernel's answer to one of them was interrupted by a change.
   * @returns what they print, on stderr as well
   */
  async look(script: string): Promise<string> {
    for (let tries = 0; tries < 10; tries += 1) {
      const text = await this.run(`{ ${script}\n} 2>&1`);
      if (!text.includes("Dump was interrupted")) return text;
    }
    throw new Error("links change all the time");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#hasEnded) return;
    const closed = once(this.#process, "close");
    this.#process.stdin.end();
    await closed;
  }
}
