/**
 * The file for the stderr of a daemon that the shim has started: `multusd.stderr` beside the socket, on most nodes in memory. It is truncated when it is
 * large; a log that is to be kept has a `logFile`.
 */

import { fstatSync, ftruncateSync } from "node:fs";
import { join } from "node:path";
import { printedFileName } from "../socket/directory.ts";
import { isSame, statIfThere } from "./socket-file.ts";

const maxBytes = 1024 * 1024;
const stderr = 2;

/**
 * @param socketDir directory of the daemon's socket
 * @returns writes a text to stderr, and bounds the file; undefined where stderr is something else, which is not ours to bound
 */
export function printedFile(socketDir: string): ((text: string) => void) | undefined {
  const printed = statIfThere(join(socketDir, printedFileName));
  if (printed === undefined || !isSame(printed, fstatSync(stderr))) return undefined;
  // A file system that is full must not end the daemon.
  process.stderr.on("error", () => {});
  let bytes = printed.size;
  return (text) => {
    const length = Buffer.byteLength(text);
    if (bytes + length > maxBytes) {
      ftruncateSync(stderr);
      bytes = 0;
    }
    bytes += length;
    process.stderr.write(text);
  };
}
