/**
 * Keeps a file up to date: compares it after each change in its directories and every few seconds, and writes it whole. Every event leads to the same comparison, so that neither the
 * order of events nor a lost one matters.
 */

import { type BigIntStats, lstatSync, readFileSync } from "node:fs";
import { dirname } from "node:path";
import { makeDirectory, removeFile, writeFileAtomically } from "../base/atomic-file.ts";
import { ioAction } from "../base/input-error.ts";
import type { Logger } from "../log/logger.ts";
import { DirectoryWatches, type WatchDirectory, watchDirectory } from "./watch.ts";

/** Milliseconds from a change to the comparison: files that are written in several steps, or renamed in two, are whole by then. */
const settleMs = 100;

/** May be looked into by other users; the file itself is its owner's alone. */
const directoryMode = 0o755;
const fileMode = 0o600;

export interface KeptFileOptions {
  /** Directories in which a change may make another file wanted. */
  readonly directories: readonly string[];
  /** A change without an event is seen after so many milliseconds. */
  readonly everyMs: number;
  /** Compares the file with the wanted one, and writes it if they differ. Never throws. */
  readonly look: () => void;
  readonly log: Logger;
  readonly watch?: WatchDirectory | undefined;
}

export class KeptFile {
  readonly #options: KeptFileOptions;
  readonly #watches: DirectoryWatches;
  #timer: NodeJS.Timeout | undefined;
  /** When the timer ends, on the clock of `performance.now()`. */
  #lookAt = Number.POSITIVE_INFINITY;
  #isStopped = false;

  constructor(options: KeptFileOptions) {
    this.#options = options;
    const { directories, watch = watchDirectory, log } = options;
    this.#watches = new DirectoryWatches(directories, watch, () => this.lookWithin(settleMs), log);
  }

  /** Looks now, and follows what changes from then on. */
  look(): void {
    if (this.#isStopped) return;
    this.#lookAt = Number.POSITIVE_INFINITY;
    const { everyMs, look } = this.#options;
    // First: what changes during the look then brings another one.
    this.#watches.renew();
    look();
    this.lookWithin(everyMs);
  }

  /** Looks in `milliseconds` at the latest. */
  lookWithin(milliseconds: number): void {
    if (this.#isStopped) return;
    const lookAt = performance.now() + milliseconds;
    if (lookAt >= this.#lookAt) return;
    clearTimeout(this.#timer);
    this.#lookAt = lookAt;
    this.#timer = setTimeout(() => this.look(), milliseconds);
    this.#timer.unref();
  }

  /** No look comes after this. */
  stop(): void {
    this.#isStopped = true;
    clearTimeout(this.#timer);
    this.#watches.close();
  }
}

/** Writes a file for its owner alone, whole. @param temporary path beside it @throws {InputError} */
export function writeOwnFile(path: string, bytes: Uint8Array, temporary: string): void {
  ioAction("write", path, () => {
    makeDirectory(dirname(path), directoryMode);
    // A file that a crash left may have another mode.
    removeFile(temporary);
  });
  writeFileAtomically(path, bytes, temporary);
}

/** Is it a file for its owner alone? @param stats of it, not of what a link leads to */
export function isOwnFile(stats: BigIntStats): boolean {
  return stats.isFile() && (Number(stats.mode) & 0o777) === fileMode;
}

/** Has the file that content? @param stats of it @throws {Error} of node:fs */
export function hasContent(path: string, stats: BigIntStats, bytes: Uint8Array): boolean {
  return Number(stats.size) === bytes.length && Buffer.compare(readFileSync(path), bytes) === 0;
}

/** @returns undefined where there is nothing; of a link the link's own @throws {Error} of node:fs */
export function statsOf(path: string): BigIntStats | undefined {
  return lstatSync(path, { bigint: true, throwIfNoEntry: false });
}
