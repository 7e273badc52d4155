/** Writing a file so that its readers see the old content or the new one, never a part. */

import {
  closeSync,
  lstatSync,
  mkdirSync,
  openSync,
  renameSync,
  statSync,
  unlinkSync,
  writeSync,
} from "node:fs";
import { dirname } from "node:path";
import { ioFailure } from "./input-error.ts";
import { isMissingFile, systemErrorCode } from "./system-error.ts";

/** State files may hold addresses and configuration secrets: for the owner only. */
const fileMode = 0o600;
const directoryMode = 0o700;

/**
 * Writes `bytes` to `temporaryPath` and renames it to `path`. Makes the directory if it is missing.
 *
 * There is no fsync: on a disk it takes longer than all else that an ADD does here. The rename keeps a crash of the daemon or a
 * kill from tearing the file. A power cut may leave an empty or short one; but it also ends every pod of the node, and
 * whoever reads these files takes a torn one for what is left of it.
 *
 * Synchronous: a few short system calls cost less in place than the way to another thread and back.
 * @param temporaryPath in the same directory; always the same for one `path`, so that a leftover of a crash does not stay
 * @throws {InputError} of kind "file"
 */
export function writeFileAtomically(path: string, bytes: Uint8Array, temporaryPath: string): void {
  try {
    writeWhole(temporaryPath, bytes);
    renameSync(temporaryPath, path);
  } catch (error) {
    try {
      removeFile(temporaryPath);
    } catch {
      // The error of the write is the one to report; the same cause keeps the leftover from being removed.
    }
    throw ioFailure("write", path, error);
  }
}

/**
 * Removes a file; one that is not there is no error. Looks before it unlinks: a temporary file is hardly ever there, and an
 * exception costs more than the look (rmSync five times as much).
 * @throws {Error} of node:fs
 */
export function removeFile(path: string): void {
  try {
    if (lstatSync(path, { throwIfNoEntry: false }) !== undefined) unlinkSync(path);
  } catch (error) {
    if (!isMissingFile(error) && !isNoPlaceForFile(error)) throw error;
  }
}

/**
 * The same for a file that is there nearly always: it is unlinked without a look.
 * @throws {Error} of node:fs
 */
export function removeFileThatIs(path: string): void {
  try {
    unlinkSync(path);
  } catch (error) {
    if (!isMissingFile(error) && !isNoPlaceForFile(error)) throw error;
  }
}

/**
 * Where the file system takes no such path, there is no file of that path: names that are made of others (network, container,
 * interface) can be too long, and what should be a directory can be a file.
 */
function isNoPlaceForFile(error: unknown): boolean {
  return ["ENAMETOOLONG", "ENOTDIR"].includes(systemErrorCode(error) ?? "");
}

function writeWhole(path: string, bytes: Uint8Array): void {
  const file = openInDirectory(path);
  try {
    let written = 0;
    while (written < bytes.length) written += writeSync(file, bytes, written);
  } finally {
    closeSync(file);
  }
}

function openInDirectory(path: string): number {
  try {
    return openSync(path, "w", fileMode);
  } catch (error) {
    if (!isMissingFile(error)) throw error;
    makeDirectory(dirname(path), directoryMode);
    return openSync(path, "w", fileMode);
  }
}

/**
 * Makes a directory and those above it; one that is there is no error. Not mkdirSync's own `recursive`: where the kernel answers "no such
 * file" below a directory that is there (/proc), that one tries for ever, and the daemon stands still.
 * @throws {Error} of node:fs
 */
export function makeDirectory(path: string, mode: number): void {
  try {
    mkdirSync(path, { mode });
  } catch (error) {
    if (isMissingFile(error) && dirname(path) !== path) {
      makeDirectory(dirname(path), mode);
      mkdirSync(path, { mode });
    } else if (!statSync(path, { throwIfNoEntry: false })?.isDirectory()) {
      throw error;
    }
  }
}
