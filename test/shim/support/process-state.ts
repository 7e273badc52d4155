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

/** Numbers of poll(2) and ppoll(2), as /proc/PID/syscall has them. */
const pollCalls: Readonly<Record<string, readonly string[]>> = { x64: ["7", "271"], arm64: ["73"] };

/** Waits until a process waits in poll(2) for what happens next. @param pid undefined: it was not started @throws {Error} where it ends before */
export async function untilPolling(pid: number | undefined): Promise<void> {
  if (pid === undefined) throw new Error("the process was not started");
  while (isRunning(pid)) {
    const [call = ""] = readFileSync(`/proc/${pid}/syscall`, "latin1").split(" ");
    if (pollCalls[process.arch]?.includes(call)) return;
    await sleep(5);
  }
  throw new Error(`process ${pid} ended before it waited`);
}

/** Waits until a process has ended. @returns false if it still runs after so many milliseconds */
export async function hasEnded(pid: number, patienceMs: number): Promise<boolean> {
  for (const end = performance.now() + patienceMs; performance.now() < end; await sleep(5)) {
    if (!isRunning(pid)) return true;
  }
  return !isRunning(pid);
}
