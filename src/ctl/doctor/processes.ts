/** Lists the processes of a program. */

import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

/** @param name of the program, its first 15 characters (proc(5), comm) @param processes the directory /proc @returns process ids */
export function processesCalled(name: string, processes: string): string[] {
  if (!existsSync(processes)) return [];
  return readdirSync(processes)
    .filter((id) => /^\d+$/.test(id))
    .filter((id) => {
      try {
        return readFileSync(join(processes, id, "comm"), "utf8").trim() === name;
      } catch {
        // The process has ended.
        return false;
      }
    });
}
