/** Drives bench/runner.c, a small native process that starts the measured programs instead of Node. */

import { type ChildProcessByStdio, execFileSync, spawn } from "node:child_process";
import type { Readable, Writable } from "node:stream";

/** One start of a program. */
export interface Run {
  readonly program: string;
  readonly env: Readonly<Record<string, string>>;
  readonly stdin: Uint8Array;
}

/** How it went. */
export interface RunOutcome {
  readonly exitCode: number;
  readonly stdout: Buffer;
  /** Spawn to end. */
  readonly wallMilliseconds: number;
  /** CPU of the program and of the processes it waited for. */
  readonly cpuMilliseconds: number;
  /** Processes and threads that the machine started meanwhile; undefined where the kernel's numbers began again. */
  readonly processes: number | undefined;
}

/** @param out where the binary goes; needs a C compiler (`CC`, else cc) */
export function buildRunner(source: string, out: string): void {
  execFileSync(
    process.env.CC ?? "cc",
    ["-std=c11", "-O2", "-Wall", "-Wextra", "-Werror", "-o", out, source],
    {
      stdio: "inherit",
    },
  );
}

/** A running bench/runner.c. One run at a time. */
export class Runner {
  readonly #child: ChildProcessByStdio<Writable, Readable, null>;
  #received = Buffer.alloc(0);
  #wake: () => void = () => {};
  #ended = false;

  /** @param command the runner's binary, with what enters the namespace in front of it: `["ip", "netns", "exec", …, runner]` */
  constructor(command: readonly [string, ...string[]]) {
    const [file, ...args] = command;
    this.#child = spawn(file, args, { stdio: ["pipe", "pipe", "inherit"] });
    this.#child.stdout.on("data", (chunk: Buffer) => {
      this.#received = Buffer.concat([this.#received, chunk]);
      this.#wake();
    });
    this.#child.on("exit", () => {
      this.#ended = true;
      this.#wake();
    });
  }

  /** Runs a program to its end. @throws {Error} if the runner itself died */
  async run(run: Run): Promise<RunOutcome> {
    const env = Object.entries(run.env).map(([key, value]) => `${key}=${value}\0`);
    this.#child.stdin.write(
      Buffer.concat([
        Buffer.from(`${run.program} ${env.length} ${run.stdin.length}\n${env.join("")}`),
        run.stdin,
      ]),
    );
    let lineEnd = -1;
    while (true) {
      lineEnd = this.#received.indexOf(10);
      if (lineEnd >= 0) {
        const [exitCode, wall, cpu, processes, length] = this.#received
          .subarray(0, lineEnd)
          .toString()
          .split(" ")
          .map(Number);
        if (
          exitCode === undefined ||
          wall === undefined ||
          cpu === undefined ||
          processes === undefined ||
          length === undefined
        ) {
          throw new Error("bench/runner: bad answer");
        }
        const end = lineEnd + 1 + length;
        if (this.#received.length >= end) {
          const stdout = this.#received.subarray(lineEnd + 1, end);
          this.#received = this.#received.subarray(end);
          return {
            exitCode,
            stdout,
            wallMilliseconds: wall / 1e6,
            cpuMilliseconds: cpu / 1e3,
            processes: processes < 0 ? undefined : processes,
          };
        }
      }
      if (this.#ended) throw new Error("bench/runner ended early");
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  close(): void {
    this.#child.stdin.end();
  }
}
