/** Reading files, also from directories into which others write too: what is there may be no regular file, or of any size. */

import { closeSync, constants, fstatSync, openSync, readFileSync, readSync } from "node:fs";
import { ioAction } from "./input-error.ts";

/** The content of a file as it was read. */
export interface FileStart {
  readonly bytes: Buffer;
  /** Bytes of the whole file. */
  readonly size: number;
}

/**
 * Reads a regular file from its start, also behind a symbolic link. Never waits for the other end of a FIFO or a device.
 * @param most bytes
 * @param flags further ones of open(2): O_NOFOLLOW
 * @throws {Error} of node:fs; or saying that it is no regular file
 */
export function readFileStart(path: string, most: number, flags = 0): FileStart {
  const file = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOCTTY | flags);
  try {
    const stats = fstatSync(file);
    if (!stats.isFile()) throw new Error("it is no regular file");
    // Files of ours and of Go multus are renamed into place or written at once; one that grows meanwhile is read as it was.
    const bytes = Buffer.allocUnsafe(Math.min(stats.size, most));
    let length = 0;
    while (length < bytes.length) {
      const read = readSync(file, bytes, length, bytes.length - length, null);
      if (read === 0) break;
      length += read;
    }
    return { bytes: bytes.subarray(0, length), size: stats.size };
  } finally {
    closeSync(file);
  }
}

/**
 * Reads a regular file as a whole, like readFileStart.
 * @param limit bytes; a file that is larger is not used
 * @param flags further ones of open(2): O_NOFOLLOW
 * @throws {Error} of node:fs; or saying that it is no regular file, or too large
 */
export function readRegularFile(path: string, limit: number, flags = 0): Uint8Array {
  const { bytes, size } = readFileStart(path, limit, flags);
  if (size > limit) throw new Error(`it has ${size} bytes, and at most ${limit} are allowed`);
  return bytes;
}

/** Reads a file that an administrator has named. @throws {InputError} of kind "file" */
export function inputBytes(path: string): Buffer {
  return ioAction("read", path, () => readFileSync(path));
}
