/** Runs a program and keeps all that it says. */

import { spawn } from "node:child_process";
import { session, sessionVariable } from "./session.ts";

export interface CommandOutcome {
  /** Exit code, 128 + signal number where a signal ended it. */
  readonly exitCode: number;
  readonly stdout: Buffer;
  readonly stderr: string;
  /** Spawn to the end of its output. */
  readonly milliseconds: number;
}

export interface CommandOptions {
  readonly stdin?: string | Uint8Array | undefined;
  /** The whole environment but for the session's mark; without it this process's own. */
  readonly env?: Readonly<Record<string, string | undefined>> | undefined;
  /** Killed after so many milliseconds; default 60 s. */
  readonly timeoutMs?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** Exit codes of a shell: signals as 128 + number. */
const signalNumbers: Readonly<Record<string, number>> = { SIGTERM: 15, SIGKILL: 9, SIGINT: 2, SIGPIPE: 13 };

/** Runs `argv` to its end, whatever its exit code. */
export function runCommand(argv: readonly string[], options: CommandOptions = {}): Promise<CommandOutcome> {
  const [command = "", ...args] = argv;
  const started = performance.now();
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, {
      env: { ...(options.env ?? process.env), [sessionVariable]: session },
      stdio: ["pipe", "pipe", "pipe"],
      timeout: options.timeoutMs ?? 60_000,
      killSignal: "SIGKILL",
      signal: options.signal,
    });
    const stdout: Buffer[] = [];
    let stderr = "";
    child.stdout.on("data", (chunk: Buffer) => stdout.push(chunk));
    child.stderr.on("data", (chunk: Buffer) => {
      stderr += chunk.toString();
    });
    child.stdin.on("error", () => {}); // it may end without reading
    child.on("error", reject);
    child.on("close", (code, signal) =>
      resolve({
        exitCode: code ?? 128 + (signalNumbers[signal ?? ""] ?? 0),
        stdout: Buffer.concat(stdout),
        stderr,
        milliseconds: performance.now() - started,
      }),
    );
    child.stdin.end(options.stdin ?? "");
  });
}

/** Runs `argv`, which must succeed. @returns its stdout as text @throws {Error} with its stderr */
export async function runOrThrow(argv: readonly string[], options: CommandOptions = {}): Promise<string> {
  const outcome = await runCommand(argv, options);
  if (outcome.exitCode !== 0) {
    throw new Error(`${argv.join(" ")}: exit code ${outcome.exitCode}: ${outcome.stderr.trim()}`);
  }
  return outcome.stdout.toString();
}
