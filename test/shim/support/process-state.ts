/** Whether a process still does anything: one that is dead but not yet collected by its parent does not. */

import { readdirSync, readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";

/** Fields of /proc/PID/stat behind the name (proc(5): "pid (name) state parent group …", and the name may hold anything); undefined: no such process. */
function statOf(pid: number): readonly string[] | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
    return stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  } catch {
    return undefined;
  }
}

export function isRunning(pid: number): boolean {
  const [state = "X"] = statOf(pid) ?? [];
  return !/^[ZX]/.test(state);
}

/** Processes of a process group that still run. */
export function membersOfGroup(group: number): number[] {
  return readdirSync("/proc")
    .filter((entry) => /^\d+$/.test(entry))
    .map(Number)
    .filter((pid) => statOf(pid)?.[2] === String(group) && isRunning(pid));
}

/** Waits until a process has ended. @returns false if it still runs after so many milliseconds */
export async function hasEnded(pid: number, patienceMs: number): Promise<boolean> {
  for (const end = performance.now() + patienceMs; performance.now() < end; await sleep(5)) {
    if (!isRunning(pid)) return true;
  }
  return !isRunning(pid);
}
