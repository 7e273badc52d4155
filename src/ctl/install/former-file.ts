/** What was in the place of one of our programs before it (Go multus's, or the user's own): kept beside it, so that uninstall can put it back. */

import { copyFileSync, linkSync, lstatSync, renameSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { removeFile } from "../../cni/atomic-file.ts";
import { isMissingFile } from "../../cni/errors.ts";
import { isOurs, type ProgramName } from "../node/program.ts";
import { temporaryPathBeside } from "./new-file.ts";

/** Hidden: a runtime takes plugins by name, and nobody lists this one. */
export function formerPath(path: string): string {
  return join(dirname(path), `.${basename(path)}.before-multus-wasm`);
}

/**
 * Keeps what is at `path` if it is not our own: as a further name of the same file, so that it costs no room. What was kept before is replaced: the
 * newest is what a user wants back.
 *
 * It is looked at under a name that is ours alone: others may install at the same time, and what was Go multus's a moment ago can be ours by now.
 * @returns has it been kept?
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

/** @returns is something kept? */
export function isFormerKept(path: string): boolean {
  return lstatSync(formerPath(path), { throwIfNoEntry: false }) !== undefined;
}

/** Puts it back in place of what is at `path`. @throws {Error} of node:fs */
export function restoreFormer(path: string): void {
  renameSync(formerPath(path), path);
}

/** @throws {Error} of node:fs */
export function forgetFormer(path: string): void {
  removeFile(formerPath(path));
}

/** @returns false where there is nothing at `path` */
function addName(path: string, further: string): boolean {
  try {
    linkSync(path, further);
  } catch (error) {
    if (isMissingFile(error)) return false;
    // Not every file system has more than one name for a file.
    copyFileSync(path, further);
  }
  return true;
}
