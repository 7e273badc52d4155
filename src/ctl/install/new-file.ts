/** A program on its way into a directory: whole, on the disk and tried before it takes the place of what is there. */

import { randomBytes } from "node:crypto";
import {
  chmodSync,
  closeSync,
  constants,
  copyFileSync,
  fsyncSync,
  lstatSync,
  openSync,
  readdirSync,
  renameSync,
} from "node:fs";
import { basename, dirname, join } from "node:path";
import { removeFile } from "../../cni/atomic-file.ts";
import { systemErrorCode } from "../../cni/errors.ts";
import { errorText } from "../../log/error-text.ts";
import { UserError } from "../command/user-error.ts";

/** For everybody: the runtime's user is root, and nothing in it is secret. */
export const programMode = 0o755;

/** After this time a file on its way belongs to nobody: its installer was killed. */
const abandonedMs = 10 * 60_000;

export class NewFile implements Disposable {
  /** Where it takes its place. */
  readonly path: string;
  /** Hidden, beside `path`, and nobody else's. */
  readonly temporaryPath: string;

  /**
   * Copies a file to the directory of `path`. A program that runs can't be written ("text file busy"), only replaced: so it gets a name of its own first.
   * @throws {UserError} where it can't be written whole; nothing of it is left then
   */
  constructor(source: string, path: string) {
    this.path = path;
    this.temporaryPath = temporaryPathBeside(path);
    try {
      copyFileSync(source, this.temporaryPath, constants.COPYFILE_EXCL | constants.COPYFILE_FICLONE);
      chmodSync(this.temporaryPath, programMode);
      flush(this.temporaryPath);
    } catch (error) {
      this[Symbol.dispose]();
      throw cannotWrite(path, error);
    }
  }

  /** Who runs what was there before goes on with that; who starts the program from now on gets this. @throws {UserError} */
  takePlace(): void {
    try {
      renameSync(this.temporaryPath, this.path);
      flush(dirname(this.path));
    } catch (error) {
      throw cannotWrite(this.path, error);
    }
  }

  /** Leaves nothing of it, if it has not taken its place. */
  [Symbol.dispose](): void {
    try {
      removeFile(this.temporaryPath);
    } catch {
      // The next installer of this directory tries again.
    }
  }
}

const temporaryName = /^\.multus(?:d|-shim)?\.[0-9a-f]{12}\.new$/;

/** A hidden name beside a program that nobody else has. */
export function temporaryPathBeside(path: string): string {
  return join(dirname(path), `.${basename(path)}.${randomBytes(6).toString("hex")}.new`);
}

/** Removes what installers that were killed left in a directory; one that still works on its file is left alone. @throws {Error} of node:fs */
export function removeAbandoned(directory: string): void {
  for (const name of readdirSync(directory).filter((each) => temporaryName.test(each))) {
    const path = join(directory, name);
    // Of the name as well as of the content: a former file gets a new name while it is looked at.
    const changedMs = lstatSync(path, { throwIfNoEntry: false })?.ctimeMs;
    if (changedMs !== undefined && Date.now() - changedMs > abandonedMs) removeFile(path);
  }
}

/** Until a power cut can't take it back. */
function flush(path: string): void {
  const descriptor = openSync(path, "r");
  try {
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}

function cannotWrite(path: string, error: unknown): UserError {
  const isBarred = systemErrorCode(error) === "EACCES";
  return new UserError(
    `${path} cannot be written: ${errorText(error)}`,
    `${isBarred ? "run it as root; " : ""}what was there before is still in its place`,
  );
}
