/** multusctl as a process: what it prints, and what it leaves of its scratch nodes. */

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { expect } from "vitest";
import { runOrThrow } from "./command.ts";
import { markedProcesses, session, sessionVariable } from "./session.ts";

export const multusctl = join(import.meta.dirname, "..", "..", "build", "multusctl.mjs");

export interface Ended {
  readonly exitCode: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunningOptions {
  /** Its TMPDIR: what it leaves on disk is here. */
  readonly temporary: string;
  /** Puts the command somewhere else, into a namespace say. */
  readonly wrap?: (command: readonly string[]) => readonly string[];
}

/** A multusctl that runs. */
export class RunningMultusctl {
  readonly process: ChildProcess;
  stdout = "";
  stderr = "";
  readonly #closed: Promise<unknown>;

  constructor(args: readonly string[], { temporary, wrap = (command) => command }: RunningOptions) {
    const [file = "", ...words] = wrap([process.execPath, multusctl, ...args]);
    this.process = spawn(file, words, {
      env: { ...process.env, TMPDIR: temporary, [sessionVariable]: session },
      stdio: ["ignore", "pipe", "pipe"],
    });
    this.process.stdout?.on("data", (chunk) => {
      this.stdout += chunk;
    });
    this.process.stderr?.on("data", (chunk) => {
      this.stderr += chunk;
    });
    this.#closed = once(this.process, "close");
  }

  async end(): Promise<Ended> {
    await this.#closed;
    return { exitCode: this.process.exitCode, stdout: this.stdout, stderr: this.stderr };
  }
}

/** Names of the scratch nodes below a temporary directory, which those of their namespaces begin with. */
export function scratchNames(temporary: string): string[] {
  return readdirSync(temporary);
}

/**
 * Looks for what multusctl has left, and does not take its word for it.
 * @param names of scratch nodes, as they were seen while it ran
 * @param plugins matches the commands of plugins that it may have run
 */
export async function expectNoTraces(
  temporary: string,
  names: readonly string[],
  plugins = /multus|slow/,
): Promise<void> {
  expect(readdirSync(temporary)).toEqual([]);
  const listed = (await runOrThrow(["ip", "netns", "list"])).split("\n");
  expect(listed.filter((line) => names.some((name) => line.includes(name)))).toEqual([]);
  const processes = markedProcesses().filter(
    (each) => each.session === session && plugins.test(each.command) && each.pid !== process.pid,
  );
  expect(processes.filter(({ command }) => !command.includes("vitest"))).toEqual([]);
}
