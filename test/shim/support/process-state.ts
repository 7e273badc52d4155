/** Whether a process still does anything: one that is dead but not yet collected by its parent does not. */

import { readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";

export function isRunning(pid: number): boolean {
  let stat: string;
  try {
    stat = readFileSync(`/proc/${pid}/stat`, "latin1");
  } catch {
    return false;
  }
  // proc(5): "pid (name) state …", and the name may hold anything.
  return !/^[ZX]/.test(stat.slice(stat.lastIndexOf(")") + 2));
}

/** Waits until a process has ended. @returns false if it still runs after so many milliseconds */
export async function hasEnded(pid: number, patienceMs: number): Promise<boolean> {
  for (const end = performance.now() + patienceMs; performance.now() < end; await sleep(5)) {
    if (!isRunning(pid)) return true;
  }
  return !isRunning(pid);
}
