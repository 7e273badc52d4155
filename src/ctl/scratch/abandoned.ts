/** Finds and removes scratch nodes whose process was killed before it could do so. */

import { lstatSync, readdirSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { ip, namespaceNames } from "./iproute.ts";
import { isAlive, ownerOf } from "./owner.ts";
import { processesOf } from "./remains.ts";
import { daemonConfiguration, scratchPrefix } from "./scratch.ts";

/**
 * Directories of scratch nodes whose process is gone. Only directories of this user count, which nobody else may write to: anyone may make one in a directory for temporary files.
 * @returns absolute paths
 */
export function abandonedScratchNodes(): string[] {
  return readdirSync(tmpdir())
    .filter((name) => name.startsWith(scratchPrefix))
    .map((name) => join(tmpdir(), name))
    .filter((directory) => {
      const stats = lstatSync(directory, { throwIfNoEntry: false });
      if (stats === undefined || !stats.isDirectory()) return false;
      if (stats.uid !== process.getuid?.() || (stats.mode & 0o077) !== 0) return false;
      const owner = ownerOf(directory);
      return owner !== undefined && !isAlive(owner);
    });
}

/** Ends the processes of an abandoned scratch node, and removes its namespaces, with their links, and its directory. @throws {UserError} of `ip` */
export async function removeAbandoned(directory: string): Promise<void> {
  const prefix = `${basename(directory)}-`;
  const namespaces = (await namespaceNames()).filter((name) => name.startsWith(prefix));
  for (const { pid } of processesOf(namespaces, daemonConfiguration(directory))) {
    // Of another user it is none that we started.
    if (
      pid === process.pid ||
      statSync(`/proc/${pid}`, { throwIfNoEntry: false })?.uid !== process.getuid?.()
    )
      continue;
    try {
      process.kill(pid, "SIGKILL");
    } catch {
      // It has ended meanwhile.
    }
  }
  for (const namespace of namespaces) await ip("netns", "delete", namespace);
  rmSync(directory, { recursive: true, force: true });
}
