/** Looking through directories that may hold hundreds of thousands of files, without holding the event loop up. */

import type { Dirent } from "node:fs";
import { opendir } from "node:fs/promises";
import { setImmediate as nextTurn } from "node:timers/promises";
import { isMissingFile } from "./system-error.ts";

/** Entries that the kernel is asked for at once: about a millisecond's work for the event loop. */
const entriesAtOnce = 512;
/** Milliseconds of work after which other work has its turn. */
const sliceMs = 4;

/**
 * The entries of a directory, as the kernel gives them: in no order. Those that come or go meanwhile may be among them or not.
 * @param encoding of the names: `latin1` has one character for each byte, and so every name that is no text too
 * @returns nothing where there is no such directory
 * @throws {Error} of node:fs
 */
export async function* directoryEntries(
  path: string,
  encoding: "utf8" | "latin1" = "utf8",
): AsyncGenerator<Dirent> {
  const slices = new Slices();
  try {
    for await (const entry of await opendir(path, { bufferSize: entriesAtOnce, encoding })) {
      yield entry;
      await slices.pause();
    }
  } catch (error) {
    if (!isMissingFile(error)) throw error;
  }
}

/** Long work in slices, between which the event loop does other work. */
export class Slices {
  #since = performance.now();

  /** Waits a turn of the event loop where the slice has lasted long enough. To be called after each step. */
  async pause(): Promise<void> {
    if (performance.now() - this.#since < sliceMs) return;
    await nextTurn();
    this.#since = performance.now();
  }
}
