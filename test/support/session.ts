/**
 * The owner of what a test makes outside of its process. Namespaces and directories carry a name with the pid of the test's process, processes carry it in
 * their environment, so that what a killed run left is known from what a running one uses.
 */

import { randomBytes } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";

const prefix = "mwt";

/** This process's session. */
export const session = `${prefix}-${process.pid}`;

/** Environment variable that marks every process of a session. */
export const sessionVariable = "MULTUS_TEST_SESSION";

let named = 0;

/**
 * A name for a namespace or directory that nobody else has: counted in this process, and with random bytes, as this module can be loaded
 * more than once in one process.
 */
export function uniqueName(role: string): string {
  named += 1;
  return `${session}-${named}${randomBytes(3).toString("hex")}-${role}`;
}

/** The pid in a name made by `uniqueName` or in a session, undefined for anything else. */
export function ownerOf(name: string): number | undefined {
  const match = new RegExp(`^${prefix}-(\\d+)(-|$)`).exec(name);
  return match?.[1] === undefined ? undefined : Number(match[1]);
}

/** Is there a process of this pid? */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error instanceof Error && "code" in error && error.code === "EPERM";
  }
}

/** Mount points below a directory, innermost first. */
export function mountsBelow(directory: string): string[] {
  return readFileSync("/proc/self/mounts", "utf8")
    .split("\n")
    .map((line) => line.split(" ")[1] ?? "")
    .filter((point) => point.startsWith(`${directory}/`))
    .reverse();
}

/** One process as far as a leak check cares. */
export interface MarkedProcess {
  readonly pid: number;
  readonly session: string;
  /** Arguments, blank separated. */
  readonly command: string;
}

function readIfThere(file: string): string {
  try {
    return readFileSync(file, "latin1");
  } catch {
    return ""; // the process ended meanwhile
  }
}

/** Every process on the machine that carries a session's mark. Zombies have no environment and do not count. */
export function markedProcesses(): MarkedProcess[] {
  return readdirSync("/proc")
    .filter((entry) => /^\d+$/.test(entry))
    .flatMap((entry) => {
      const mark = readIfThere(`/proc/${entry}/environ`)
        .split("\0")
        .find((variable) => variable.startsWith(`${sessionVariable}=`));
      if (mark === undefined) return [];
      const command = readIfThere(`/proc/${entry}/cmdline`).split("\0").join(" ").trim();
      return [{ pid: Number(entry), session: mark.slice(sessionVariable.length + 1), command }];
    });
}
