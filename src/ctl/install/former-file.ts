/** Keeps the file that one of our programs replaces (Go multus's, or the user's own) beside it, so that uninstall can restore it. */

import { copyFileSync, linkSync, lstatSync, renameSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { removeFile } from "../../base/atomic-file.ts";
import { isMissingFile } from "../../base/system-error.ts";
import { isOurs, type ProgramName } from "../node/program.ts";
import { temporaryPathBeside } from "./new-file.ts";

/** A hidden name: runtimes run plugins by name, and no configuration names this one. */
export function formerPath(path: string): string {
  return join(dirname(path), `.${basename(path)}.before-multus-wasm`);
}

/**
 * Keeps the file at `path` if it is not our own, as a hard link, so that it takes no space. Replaces a file that was kept before: a user wants the
 * newest back.
 *
 * Checks the file under a unique name: other installers may run at the same time, and may have replaced Go multus's file by ours meanwhile.
 * @returns whether a file was kept
 * @throws {Error} of node:fs
 */
export function keepFormer(path: string, program: ProgramName): boolean {
  const candidate = temporaryPathBeside(path);
  try {
    if (!addName(path, candidate) || isOurs(candidate, program)) return false;
    renameSync(candidate, formerPath(path));
    return true;
  } finally {
    // Also after the rename: if both are names of one file already, it does nothing (POSIX).
    removeFile(candidate);
  }
}

/** Restores the kept file at `path`. @returns false if none is kept @throws {Error} of node:fs */
export function restoreFormer(path: string): boolean {
  const former = formerPath(path);
  if (lstatSync(former, { throwIfNoEntry: false }) === undefined) return false;
  renameSync(former, path);
  return true;
}

/** @returns false if there is no file at `path` */
function addName(path: string, further: string): boolean {
  try {
    linkSync(path, further);
  } catch (error) {
    if (isMissingFile(error)) return false;
    // Not every file system has hard links.
    copyFileSync(path, further);
  }
  return true;
}
