/** Writes an archive of short text files in the ustar format (POSIX.1-1988), with tar-stream. */

import { posix } from "node:path";
import { buffer } from "node:stream/consumers";
import { pack } from "tar-stream";

const longestName = 100;
const longestPrefix = 155;
const ownerReadsAndWrites = 0o600;

export interface ArchiveFile {
  /** Relative path; its last part has at most 100 bytes, what is before at most 155. */
  readonly name: string;
  readonly content: Buffer;
}

/** @param modifiedAt seconds since the epoch, of every file @returns a tar @throws {RangeError} for a name that is too long */
export async function tarOf(files: readonly ArchiveFile[], modifiedAt: number): Promise<Buffer> {
  for (const { name } of files) refuseLongName(name);
  const archive = pack();
  const mtime = new Date(modifiedAt * 1000);
  for (const { name, content } of files) {
    archive.entry({ name, mode: ownerReadsAndWrites, uid: 0, gid: 0, mtime }, content);
  }
  archive.finalize();
  return await buffer(archive);
}

/** tar-stream would write an extended header of pax for such a name, which not every reader of ustar knows. */
function refuseLongName(name: string): void {
  const { dir, base } = posix.parse(name);
  if (Buffer.byteLength(base) > longestName || Buffer.byteLength(dir) > longestPrefix) {
    throw new RangeError(`${name}: too long for the archive`);
  }
}
