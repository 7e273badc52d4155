/** Marks a scratch directory with the process that made it, so that a later one can tell whether it was abandoned. */

import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { isJsonObject, parseJson } from "../../base/json.ts";
import { readRegularFile } from "../../base/regular-file.ts";

/** In a scratch directory. */
const ownerFile = "owner.json";
const longestOwnerFile = 1_000;

/** A process; its start tells it from a later one with the same id. */
export interface Owner {
  readonly pid: number;
  /** Clock ticks since the machine's boot: proc(5), stat, field 22. */
  readonly started: number;
}

/** This process. */
export function thisProcess(): Owner {
  return { pid: process.pid, started: startOf(process.pid) ?? 0 };
}

/** Does this process still run? */
export function isAlive({ pid, started }: Owner): boolean {
  return startOf(pid) === started;
}

/** @param directory of a scratch node that this process makes */
export function noteOwner(directory: string): void {
  writeFileSync(join(directory, ownerFile), JSON.stringify(thisProcess()), { mode: 0o600 });
}

/** The process that made a scratch directory; undefined where the directory does not say so. */
export function ownerOf(directory: string): Owner | undefined {
  try {
    const path = join(directory, ownerFile);
    const value = parseJson(readRegularFile(path, longestOwnerFile), path);
    if (!isJsonObject(value)) return undefined;
    const { pid, started } = value;
    return typeof pid === "number" && typeof started === "number" ? { pid, started } : undefined;
  } catch {
    return undefined;
  }
}

/** When a process was started; undefined: there is none. */
function startOf(pid: number): number | undefined {
  try {
    // The name, in brackets, may contain anything.
    const [, fields = ""] = /^.*\) (.*)$/s.exec(readFileSync(`/proc/${pid}/stat`, "utf8")) ?? [];
    return Number(fields.split(" ")[19]);
  } catch {
    return undefined;
  }
}
