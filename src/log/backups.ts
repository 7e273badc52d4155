/** Names and removal of rotated log files. The names are those that Go multus's library gives, so that files of either are found and removed by both. */

import { opendir, unlink } from "node:fs/promises";
import { basename, dirname, extname, join } from "node:path";
import type { LogOptions } from "./settings.ts";

const millisecondsPerDay = 24 * 60 * 60 * 1000;
/** Entries that the kernel is asked for at once. */
const entriesAtOnce = 512;
/** `2026-11-23T12-34-56.789`: UTC. */
const timestamp = /^(\d{4}-\d{2}-\d{2}T)(\d{2})-(\d{2})-(\d{2}\.\d{3})$/;

/** `multus-2026-11-23T12-34-56.789.log` beside `multus.log`, `.gz` after it where compressed. */
export function backupName(logFile: string, rotated: Date, compress: boolean): string {
  const extension = extname(logFile);
  const stem = logFile.slice(0, logFile.length - extension.length);
  const time = rotated.toISOString().slice(0, -1).replaceAll(":", "-");
  return `${stem}-${time}${extension}${compress ? ".gz" : ""}`;
}

/** When a file in the log's directory was rotated: milliseconds since the epoch, undefined if it is no backup of this log. */
function rotationTime(logFile: string, name: string): number | undefined {
  const extension = extname(logFile);
  const prefix = `${basename(logFile, extension)}-`;
  const bare = name.endsWith(".gz") ? name.slice(0, -".gz".length) : name;
  if (!bare.startsWith(prefix) || !bare.endsWith(extension)) return undefined;
  const match = timestamp.exec(bare.slice(prefix.length, bare.length - extension.length));
  if (match === null) return undefined;
  const [, day, hours, minutes, seconds] = match;
  const time = Date.parse(`${day}${hours}:${minutes}:${seconds}Z`);
  return Number.isNaN(time) ? undefined : time;
}

/**
 * Removes rotated files beyond `maxBackups` and older than `maxAge` days.
 * @throws {Error} of the file system
 */
export async function removeOldBackups(logFile: string, options: LogOptions, now: Date): Promise<void> {
  const directory = dirname(logFile);
  const backups: { readonly name: string; readonly time: number }[] = [];
  // In slices: other programs may write to the directory, and leave any number of files.
  for await (const { name } of await opendir(directory, { bufferSize: entriesAtOnce })) {
    const time = rotationTime(logFile, name);
    if (time !== undefined) backups.push({ name, time });
  }
  backups.sort((left, right) => right.time - left.time);
  const oldest = options.maxAge > 0 ? now.getTime() - options.maxAge * millisecondsPerDay : -Infinity;
  const kept = options.maxBackups > 0 ? options.maxBackups : backups.length;
  for (const [index, { name, time }] of backups.entries()) {
    if (index >= kept || time < oldest) await unlink(join(directory, name));
  }
}
