/** Writes an archive of short text files in the ustar format (POSIX.1-2001, pax): a header of 512 bytes and the content for each. */

const blockSize = 512;
const longestName = 100;
const longestPrefix = 155;

export interface ArchiveFile {
  /** Relative path; its last part has at most 100 bytes, what is before at most 155. */
  readonly name: string;
  readonly content: Buffer;
}

/** @param modifiedAt seconds since the epoch, of every file @returns a tar @throws {RangeError} for a name that is too long */
export function tarOf(files: readonly ArchiveFile[], modifiedAt: number): Buffer {
  const blocks = files.flatMap(({ name, content }) => [
    headerOf(name, content.length, modifiedAt),
    content,
    Buffer.alloc((blockSize - (content.length % blockSize)) % blockSize),
  ]);
  return Buffer.concat([...blocks, Buffer.alloc(2 * blockSize)]);
}

function headerOf(name: string, size: number, modifiedAt: number): Buffer {
  const parts = name.split("/");
  const last = parts.pop() ?? "";
  const prefix = parts.join("/");
  if (Buffer.byteLength(last) > longestName || Buffer.byteLength(prefix) > longestPrefix) {
    throw new RangeError(`${name}: too long for the archive`);
  }
  const header = Buffer.alloc(blockSize);
  const write = (offset: number, text: string) => header.write(text, offset, "utf8");
  const octal = (number: number, digits: number) => `${number.toString(8).padStart(digits, "0")}\0`;
  write(0, last);
  write(100, octal(0o600, 7));
  write(108, octal(0, 7));
  write(116, octal(0, 7));
  write(124, octal(size, 11));
  write(136, octal(modifiedAt, 11));
  write(345, prefix);
  // The sum counts its own field as blanks.
  write(148, " ".repeat(8));
  write(156, "0");
  write(257, "ustar\x0000");
  const sum = header.reduce((total, byte) => total + byte, 0);
  write(148, `${octal(sum, 6)} `);
  return header;
}
