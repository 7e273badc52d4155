/** Runs other programs: returns their exit code, and passes interrupts on and waits for their end. */

import { spawn } from "node:child_process";
import { projectDirectory, taskEnvironment } from "./project.mjs";

/** Something the user must put right; printed without a stack. */
export class SetupError extends Error {
  name = "SetupError";
}

/** Says what is being done, on stderr, so that stdout stays the task's own. */
export function progress(text) {
  process.stderr.write(`> ${text}\n`);
}

let interruptedBy;

/** The signal that asked this process to stop, if any. */
export function interruption() {
  return interruptedBy;
}

const running = new Set();

for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) {
  process.on(signal, () => {
    // A terminal sends SIGINT to the whole foreground group: the child has it already. The others come to us alone.
    interruptedBy = signal;
    if (signal !== "SIGINT" || !process.stdin.isTTY) for (const child of running) child.kill(signal);
  });
}

/** Exit code of a program that can't be started, as of a shell. */
export const cannotStart = 127;

/**
 * Runs a program, in the project's directory if no other is named, and waits for its end.
 * @param {string} command
 * @param {readonly string[]} args
 * @param {{ quiet?: boolean, env?: NodeJS.ProcessEnv, cwd?: string | undefined, onSpawn?: (child: import("node:child_process").ChildProcess) => void }} [options] quiet: its output is kept
 *   and returned, not printed; onSpawn: is given the process
 * @returns {Promise<{ exitCode: number, output: string }>} exit code (128 + signal number if a signal ended it; 127 if it can't be started)
 */
export function run(command, args, options = {}) {
  return new Promise((resolve) => {
    const child = spawn(command, args, {
      cwd: options.cwd ?? projectDirectory,
      env: { ...taskEnvironment(), ...options.env },
      stdio: options.quiet ? ["ignore", "pipe", "pipe"] : ["inherit", "inherit", "inherit"],
    });
    running.add(child);
    options.onSpawn?.(child);
    let output = "";
    child.stdout?.on("data", (chunk) => {
      output += chunk;
    });
    child.stderr?.on("data", (chunk) => {
      output += chunk;
    });
    child.on("error", (error) => {
      running.delete(child);
      resolve({ exitCode: cannotStart, output: `${command}: ${error.message}` });
    });
    child.on("close", (code, signal) => {
      running.delete(child);
      resolve({ exitCode: code ?? 128 + (signal === "SIGKILL" ? 9 : signal === "SIGTERM" ? 15 : 2), output });
    });
  });
}
