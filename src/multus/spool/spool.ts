/**
 * The spool of DELs that shims recorded because no daemon was there, or because they fail (docs/wire.md, "DELs while no daemon is there", "DELs that fail"): names of its files, and
 * numbers for those that report on it. The replay is in replay.ts, attempt.ts and own-records.ts beside it, which are loaded only where something is recorded.
 */

import { accessSync, constants, lstatSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { removeFile } from "../../base/atomic-file.ts";
import { directoryEntries } from "../../base/directory.ts";
import { isMissingFile } from "../../base/system-error.ts";
import { errorText } from "../../log/error-text.ts";
import { spoolDirectory } from "../input/cni-dir.ts";
import { checksum } from "./checksum.ts";

export interface SpoolState {
  /** Its path, whether it is there or not. */
  readonly directory: string;
  /** Records that are still to be replayed. */
  readonly waiting: number;
  /** How many of them have been tried, and failed. */
  readonly retried: number;
  /** Records set aside after too many tries. */
  readonly failed: number;
  /** Files set aside that are no records, or torn ones; and what will be. */
  readonly broken: number;
  /** Age of the oldest record that waits, in milliseconds; undefined if none does. */
  readonly oldestMs: number | undefined;
  /** Bytes of all files. */
  readonly bytes: number;
  /** Why nothing can be removed from it, and so nothing is replayed; undefined: it can. */
  readonly obstacle: string | undefined;
}

/** Microseconds since 1970, tries, container id. */
const recordName = /^(\d{16})-(\d{2})-([A-Za-z0-9][A-Za-z0-9_.-]*)$/;
const failedPrefix = "failed-";
const brokenPrefix = "broken-";
/** A name can still be given the prefix of what is set aside. */
const maxNameLength = 248;
/** Characters of `<time>-`, and of the tries behind it. */
const triesAt = 17;
const triesLength = 2;

/** The kind of a file in the spool, by its name. `broken`: set aside as no record, or will be; `hidden`: neither shim nor daemon looks at it. */
type SpoolName =
  | {
      readonly kind: "record";
      readonly microseconds: number;
      readonly tries: number;
      readonly containerId: string;
    }
  /** `containerId`: "" where what is behind the prefix is no record's name. */
  | { readonly kind: "failed"; readonly containerId: string }
  | { readonly kind: "broken" | "hidden" };

/** The shim reads names in the same way (shim/spool/spool_directory.c). */
export function spoolNameKind(name: string): SpoolName {
  if (name.startsWith(".")) return { kind: "hidden" };
  if (name.startsWith(failedPrefix)) {
    return { kind: "failed", containerId: recordName.exec(name.slice(failedPrefix.length))?.[3] ?? "" };
  }
  const [, time, tries, containerId = ""] = (name.length <= maxNameLength && recordName.exec(name)) || [];
  if (time === undefined) return { kind: "broken" };
  return { kind: "record", microseconds: Number(time), tries: Number(tries), containerId };
}

/** Has a file been set aside as no record? @param name of a file whose kind is `broken` */
export function isSetAsBroken(name: string): boolean {
  return name.startsWith(brokenPrefix);
}

/** The name of a record with another number of tries. @param name of a record @param tries 0 to 99 */
export function nameWithTries(name: string, tries: number): string {
  const digits = String(tries).padStart(triesLength, "0");
  return `${name.slice(0, triesAt)}${digits}${name.slice(triesAt + triesLength)}`;
}

/** The name of a record that has failed too often. @param name of a record */
export function failedName(name: string): string {
  return `${failedPrefix}${name}`;
}

/**
 * The name of a file that is set aside as no record: `broken-<name>`. Of a name that leaves no room for the prefix: its first 239 bytes, `-` and the CRC-32 of all of it in
 * hexadecimal, so that names which begin alike stay different.
 * @param name one character a byte (latin1), as file names are bytes
 */
export function brokenName(name: string): string {
  if (name.length <= maxNameLength) return `${brokenPrefix}${name}`;
  const tail = `-${checksum(Buffer.from(name, "latin1")).toString(16).padStart(8, "0")}`;
  return `${brokenPrefix}${name.slice(0, maxNameLength - tail.length)}${tail}`;
}

/**
 * Is a DEL of the container recorded? Asked before every ADD and DEL: one system call where nothing was ever recorded.
 * @throws {Error} of node:fs where the directory is there and cannot be read
 */
export function hasRecords(cniDir: string, containerId: string): boolean {
  const directory = join(cniDir, spoolDirectory);
  // An exception costs more than this look.
  if (lstatSync(directory, { throwIfNoEntry: false }) === undefined) return false;
  return readdirSync(directory).some((name) => {
    if (!name.endsWith(containerId)) return false;
    const file = spoolNameKind(name);
    return file.kind === "record" && file.containerId === containerId;
  });
}

/**
 * Looks at the names in the spool of a cniDir; no file is read. Gives way to other work: a daemon that was away for long finds many.
 * @param cniDir the netconf's
 * @param now milliseconds since 1970
 * @throws {Error} of node:fs where the directory is there and cannot be read
 */
export async function readSpool(cniDir: string, now: number = Date.now()): Promise<SpoolState> {
  const directory = join(cniDir, spoolDirectory);
  let waiting = 0;
  let retried = 0;
  let failed = 0;
  let broken = 0;
  let bytes = 0;
  let oldest: number | undefined;
  for await (const { name } of directoryEntries(directory)) {
    bytes += lstatSync(join(directory, name), { throwIfNoEntry: false })?.size ?? 0;
    const file = spoolNameKind(name);
    if (file.kind === "record") {
      waiting++;
      if (file.tries > 0) retried++;
      oldest = Math.min(oldest ?? Number.POSITIVE_INFINITY, file.microseconds / 1000);
    } else if (file.kind === "failed") {
      failed++;
    } else if (file.kind === "broken") {
      broken++;
    }
  }
  const oldestMs = oldest === undefined ? undefined : Math.max(0, now - oldest);
  return { directory, waiting, retried, failed, broken, oldestMs, bytes, obstacle: obstacleIn(directory) };
}

/** State of a container in the spool: `recorded`: its DEL is still tried; `given-up`: it was set aside after too many tries. */
export type RecordedState = "recorded" | "given-up";

/**
 * Containers with a record in the spool of a cniDir. No file is read.
 * @throws {Error} of node:fs where the directory is there and cannot be read
 */
export async function recordedContainers(cniDir: string): Promise<ReadonlyMap<string, RecordedState>> {
  const recorded = new Map<string, RecordedState>();
  for await (const { name } of directoryEntries(join(cniDir, spoolDirectory))) {
    const file = spoolNameKind(name);
    if (file.kind === "record") recorded.set(file.containerId, "recorded");
    if (file.kind === "failed" && file.containerId !== "" && !recorded.has(file.containerId)) {
      recorded.set(file.containerId, "given-up");
    }
  }
  return recorded;
}

function obstacleIn(directory: string): string | undefined {
  try {
    accessSync(directory, constants.W_OK | constants.X_OK);
    return undefined;
  } catch (error) {
    return isMissingFile(error) ? undefined : errorText(error);
  }
}

/**
 * Removes what is set aside of a container: a DEL that was given up, and that there is no room for any more.
 * @throws {Error} of node:fs
 */
export async function removeSetAside(cniDir: string, containerId: string): Promise<void> {
  const directory = join(cniDir, spoolDirectory);
  for await (const { name } of directoryEntries(directory)) {
    const file = spoolNameKind(name);
    if (file.kind === "failed" && file.containerId === containerId) removeFile(join(directory, name));
  }
}
