/** Processes that shims have started and that stay for recorded DELs: which there are, and how a test ends them. */

import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";

/** Looks at something that may go away meanwhile. @returns undefined where it has */
function ifThere<T>(look: () => T): T | undefined {
  try {
    return look();
  } catch {
    return undefined;
  }
}

/** Paths of the files that a process has open, or what the kernel says of others; none where it has ended. */
function openFilesOf(pid: number | string): readonly string[] {
  const descriptors = ifThere(() => readdirSync(`/proc/${pid}/fd`)) ?? [];
  return descriptors.map((fd) => ifThere(() => readlinkSync(`/proc/${pid}/fd/${fd}`)) ?? "");
}

/** The directories of recorded DELs that a process has open; none where it has ended. */
function spoolsOf(pid: string): readonly string[] {
  if (ifThere(() => readFileSync(`/proc/${pid}/comm`, "utf8")) !== "multus-spool\n") return [];
  return openFilesOf(pid)
    .map((path) => path.replace(/ \(deleted\)$/, ""))
    .filter((path) => path.endsWith("/.spool"));
}

/** Pids of the processes that stay for records somewhere below a directory. */
export function stayingBelow(directory: string): number[] {
  return readdirSync("/proc")
    .filter(
      (entry) => /^\d+$/.test(entry) && spoolsOf(entry).some((path) => path.startsWith(`${directory}/`)),
    )
    .map(Number);
}

/** Whether such a process is connected to a daemon. One whose daemon is killed meanwhile rests, longer each time, whatever is recorded. */
export function isAsking(pid: number): boolean {
  return openFilesOf(pid).some((path) => path.startsWith("socket:"));
}

/** Whether a process still holds anything: one that is dead and not yet collected by its parent does not, one that is just ending may. */
export function isStaying(pid: number): boolean {
  // proc(5): "pid (name) state parent …".
  const stat = ifThere(() => readFileSync(`/proc/${pid}/stat`, "latin1"));
  return stat !== undefined && !/\) [ZX] /.test(stat);
}

/** Kills these processes; the plugins that they run go with them. @returns their pids */
export function killStayingBelow(directory: string): readonly number[] {
  const pids = stayingBelow(directory);
  for (const pid of pids) ifThere(() => process.kill(pid, "SIGKILL"));
  return pids;
}

/** The same, and waits until they are gone and their lock is free. @throws {Error} where one is not after 10 s */
export async function endStayingBelow(directory: string): Promise<void> {
  const pids = killStayingBelow(directory);
  for (const end = performance.now() + 10_000; pids.some(isStaying); await sleep(5)) {
    if (performance.now() > end) throw new Error(`processes stay for records in ${directory}`);
  }
}
