/**
 * What waits in the spool of DELs that shims recorded: because no daemon was there, or because they fail (docs/wire.md, "DELs while no daemon is there", "DELs that fail").
 * Only looked at: shims do the rest.
 */

import { accessSync, constants, lstatSync } from "node:fs";
import { join } from "node:path";
import { removeFile } from "../cni/atomic-file.ts";
import { directoryEntries } from "../cni/directory.ts";
import { isMissingFile } from "../cni/errors.ts";
import { errorText } from "../log/error-text.ts";
import { spoolDirectory } from "./input/cni-dir.ts";

/** The spool of one cniDir. */
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
/** A name can still be given the prefix of what is set aside. */
const maxNameLength = 248;

/** What a file in the spool is by its name. `broken`: set aside as no record, or will be; `hidden`: no file that a shim looks at. */
export type SpoolName =
  | {
      readonly kind: "record";
      readonly microseconds: number;
      readonly tries: number;
      readonly containerId: string;
    }
  /** `containerId`: "" where what is behind the prefix is no record's name. */
  | { readonly kind: "failed"; readonly containerId: string }
  | { readonly kind: "broken" | "hidden" };

/** As the shim reads it (shim/spool_directory.c). */
export function spoolNameKind(name: string): SpoolName {
  if (name.startsWith(".")) return { kind: "hidden" };
  if (name.startsWith(failedPrefix)) {
    return { kind: "failed", containerId: recordName.exec(name.slice(failedPrefix.length))?.[3] ?? "" };
  }
  const [, time, tries, containerId = ""] = (name.length <= maxNameLength && recordName.exec(name)) || [];
  if (time === undefined) return { kind: "broken" };
  return { kind: "record", microseconds: Number(time), tries: Number(tries), containerId };
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
