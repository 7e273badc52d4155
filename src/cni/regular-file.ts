/** Reading files from directories into which others write too: what is there may be no regular file, or of any size. */

import { closeSync, constants, fstatSync, openSync, readSync } from "node:fs";

/**
 * Reads a regular file, also behind a symbolic link. Never waits for the other end of a FIFO or a device.
 * @param limit bytes; a file that is larger is not read
 * @throws {Error} of node:fs; or saying that it is no regular file, or too large
 */
export function readRegularFile(path: string, limit: number): Uint8Array {
  const file = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOCTTY);
  try {
    const stats = fstatSync(file);
    if (!stats.isFile()) throw new Error("it is no regular file");
    if (stats.size > limit) throw new Error(`its ${stats.size} bytes are more than ${limit}`);
    // Files of ours and of Go multus are renamed into place or written at once; one that grows meanwhile is read as it was.
    const bytes = Buffer.allocUnsafe(stats.size);
    let length = 0;
    while (length < bytes.length) {
      const read = readSync(file, bytes, length, bytes.length - length, null);
      if (read === 0) break;
      length += read;
    }
    return bytes.subarray(0, length);
  } finally {
    closeSync(file);
  }
}
