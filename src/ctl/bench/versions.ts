/** Asks a plugin's binary for its release. */

import { execFileSync } from "node:child_process";

/** Milliseconds for an answer. */
const answerWithin = 5_000;
const longestVersion = 200;

/** The first line that a program prints for `--version`; "" where it prints none. It is executed: only for a program that is to be executed anyway. */
export function programVersion(path: string): string {
  try {
    const said = execFileSync(path, ["--version"], {
      encoding: "utf8",
      timeout: answerWithin,
      killSignal: "SIGKILL",
      maxBuffer: 1 << 16,
      env: {},
      stdio: ["ignore", "pipe", "ignore"],
    });
    return (said.split("\n")[0] ?? "").trim().slice(0, longestVersion);
  } catch {
    return "";
  }
}
