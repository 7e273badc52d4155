/** Installs a program atomically: copied, synced and tested before it replaces the present file. */

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
import { removeFile } from "../../base/atomic-file.ts";
import { systemErrorCode } from "../../base/system-error.ts";
import { errorText } from "../../log/error-text.ts";
import { UserError } from "../command/user-error.ts";

/** Readable by every user: nothing in it is secret. */
export const programMode = 0o755;

/** After this time a temporary file is a leftover of an installer that was killed, in milliseconds. */
const abandonedMs = 10 * 60_000;

export class NewFile implements Disposable {
  /** Its final path. */
  readonly path: string;
  /** A hidden, unique path beside `path`. */
  readonly temporaryPath: string;

  /**
   * Copies a file to the directory of `path`, under a temporary name: a running program cannot be written ("text file busy"), only replaced.
   * @throws {UserError} if it cannot be written completely; nothing of it is left then
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

  /** Renames it to `path`. Running processes keep the former program. @throws {UserError} */
  takePlace(): void {
    try {
      renameSync(this.temporaryPath, this.path);
      flush(dirname(this.path));
    } catch (error) {
      throw cannotWrite(this.path, error);
    }
  }

  /** Removes the temporary file, unless it was renamed. */
  [Symbol.dispose](): void {
    try {
      removeFile(this.temporaryPath);
    } catch {
      // The next installer of this directory retries.
    }
  }
}

const temporaryName = /^\.multus(?:d|-shim)?\.[0-9a-f]{12}\.new$/;

/** A unique hidden name beside a program. */
export function temporaryPathBeside(path: string): string {
  return join(dirname(path), `.${basename(path)}.${randomBytes(6).toString("hex")}.new`);
}

/** Removes temporary files of installers that were killed, but not those of running ones. @throws {Error} of node:fs */
export function removeAbandoned(directory: string): void {
  for (const name of readdirSync(directory).filter((each) => temporaryName.test(each))) {
    const path = join(directory, name);
    // By ctime as well as mtime: a former file gets a new name while it is checked.
    const changedMs = lstatSync(path, { throwIfNoEntry: false })?.ctimeMs;
    if (changedMs !== undefined && Date.now() - changedMs > abandonedMs) removeFile(path);
  }
}

/** Syncs a file or directory, so that it survives a power cut. */
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
    `${isBarred ? "run it as root; " : ""}the former file is still in place`,
  );
}
