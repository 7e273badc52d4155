/** Looks for leftovers of a try: files in the cache, reservations, links, namespaces, processes. */

import { existsSync, readdirSync, readFileSync, readlinkSync, statSync } from "node:fs";
import { isIP } from "node:net";
import { join } from "node:path";
import { linksOf, namespaceNames } from "./iproute.ts";
import { namespaceDirectory, type ScratchNode } from "./scratch.ts";

/**
 * Leftovers of DEL, looked for before the scratch node is removed: links in the pod, plan and results of the container,
 * reserved addresses.
 * @param cniDir the daemon's
 * @returns one phrase for each thing found
 */
export async function remainsOfAttachments(
  scratch: ScratchNode,
  cniDir: string,
  containerId: string,
): Promise<string[]> {
  const links = (await linksOf(scratch.podNamespace)).map((link) => `link ${link.name} in the pod`);
  const files = filesOfContainer(cniDir, containerId);
  const reservations = filesBelow(scratch.pluginState)
    .filter((file) => isIP(file.slice(file.lastIndexOf("/") + 1).replaceAll("_", ":")) !== 0)
    .map((file) => `reservation ${file}`);
  return [...links, ...files, ...reservations];
}

/** Plan and results of a container. @returns one phrase for each */
export function filesOfContainer(cniDir: string, containerId: string): string[] {
  return filesBelow(cniDir)
    .filter((file) => file.includes(containerId))
    .map((file) => `file ${file}`);
}

/**
 * Processes in the scratch node's namespaces, or with its directory on their command line. Call it while the namespaces exist:
 * the kernel reuses the number of a namespace at once.
 * @returns one phrase for each
 */
export function remainingProcesses(scratch: ScratchNode): string[] {
  return processesOf(scratch.namespaces, scratch.directory).map(
    ({ pid, command }) => `process ${pid} (${command})`,
  );
}

/** A process, with its command line. */
export interface FoundProcess {
  readonly pid: number;
  readonly command: string;
}

/** Processes in one of these network namespaces, or with the directory on their command line. @param namespaces their names */
export function processesOf(namespaces: readonly string[], directory: string): FoundProcess[] {
  const inodes = namespaces
    .map((name) => statSync(join(namespaceDirectory, name), { throwIfNoEntry: false })?.ino)
    .filter((inode) => inode !== undefined);
  const found: FoundProcess[] = [];
  for (const pid of readdirSync("/proc").filter((name) => /^\d+$/.test(name))) {
    try {
      const netns = readlinkSync(`/proc/${pid}/ns/net`);
      const command = readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0").join(" ").trim();
      const inside = inodes.some((inode) => netns === `net:[${inode}]`);
      if (inside || command.includes(directory)) found.push({ pid: Number(pid), command });
    } catch {
      // The process has ended meanwhile.
    }
  }
  return found;
}

/** Leftovers of the scratch node after its removal. @returns one phrase for each thing found */
export async function remainsOfScratch(scratch: ScratchNode): Promise<string[]> {
  const names = await namespaceNames();
  return [
    ...scratch.namespaces.filter((name) => names.includes(name)).map((name) => `namespace ${name}`),
    ...(existsSync(scratch.directory) ? [`directory ${scratch.directory}`] : []),
  ];
}

function filesBelow(directory: string): string[] {
  if (!existsSync(directory)) return [];
  return readdirSync(directory, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name));
}
