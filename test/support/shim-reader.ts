/** The shim's readers (build/fuzz-shim), for tests that compare them with other readers of the same. */

import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { createInterface, type Interface } from "node:readline";

const binary = join(import.meta.dirname, "../../build/fuzz-shim");

/** The shim's readers as a process that answers each input with a line. */
export class ShimReader {
  readonly #mode: string;
  #child:
    | {
        readonly process: ChildProcessWithoutNullStreams;
        readonly lines: Interface;
        readonly ended: Promise<never>;
      }
    | undefined;

  /** @param mode see test/shim/fuzz/readers.h */
  constructor(mode: "frames" | "orders" | "netconf" | "spool-name") {
    this.#mode = mode;
  }

  /** The line that it says of an input. */
  async ask(input: Uint8Array): Promise<string> {
    if (this.#child === undefined) {
      const child = spawn(binary, ["describe", this.#mode]);
      child.stderr.pipe(process.stderr, { end: false });
      const ended = once(child, "exit").then(() => {
        throw new Error("the shim's reader has ended");
      });
      // While nothing is asked, nobody waits for it.
      ended.catch(() => {});
      this.#child = { process: child, lines: createInterface(child.stdout), ended };
    }
    const { process: child, lines, ended } = this.#child;
    const head = Buffer.alloc(4);
    head.writeUInt32BE(input.length);
    const answer = once(lines, "line", { signal: AbortSignal.timeout(60_000) });
    child.stdin.write(Buffer.concat([head, input]));
    const [line] = await Promise.race([answer, ended]);
    return String(line);
  }

  close(): void {
    this.#child?.process.stdin.end();
    this.#child?.lines.close();
    this.#child = undefined;
  }
}
