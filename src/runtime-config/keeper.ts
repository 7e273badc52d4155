/**
 * Keeps the file by which a runtime finds Multus as it has to be: there once its cluster network is, the same when that changes, away while the readiness indicator is
 * (docs/behaviour.md, "The runtime's file"). Every event leads to the same comparison of the present files with those that should be there, so that neither the order of events nor a lost one matters.
 */

import { type BigIntStats, existsSync, lstatSync, readFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { makeDirectory, removeFile, writeFileAtomically } from "../cni/atomic-file.ts";
import { CniError, ioFailure } from "../cni/errors.ts";
import { errorText } from "../log/error-text.ts";
import type { Logger } from "../log/logger.ts";
import { ownFileNames } from "./files.ts";
import type { Removal } from "./removal.ts";
import type { RuntimeConfigSource, WantedFile } from "./sources.ts";
import { DirectoryWatches, type WatchDirectory, watchDirectory } from "./watch.ts";

/** Milliseconds from a change to the look: what is written in several steps, or renamed in two, is seen when it is whole. */
const settleMs = 100;
/** Changes without an event (a watch is lost, a directory was not there, a file is behind a link) are seen after this time. */
const rereadMs = 5_000;
/** A file that is broken for no longer than this is one that was being written. */
const confirmMs = 1_000;
/** Go multus's patience with a node that has no cluster network. Ours has no end; the log says so after this time. */
const patienceMs = 120_000;
/** The least time between writes that undo what somebody else did to the file: two who both want it their way must not write without end. */
const restoreMs = 5_000;

/** May be looked into by other users; the file itself is its owner's alone. */
const directoryMode = 0o755;
const fileMode = 0o600;

export interface KeeperOptions {
  /** Where the runtime reads its configuration: cniConfigDir, absolute. */
  readonly directory: string;
  readonly source: RuntimeConfigSource;
  /** Absolute path of a file without which the cluster network cannot be used; "" for none. */
  readonly readinessIndicatorFile: string;
  /** Called when the file was written: until then the runtime may have started pods without Multus. */
  readonly onWritten?: () => void;
  readonly log: Logger;
  readonly watch?: WatchDirectory;
}

/** The file as this process wrote it. */
interface Written {
  readonly path: string;
  readonly bytes: Uint8Array;
  readonly identity: string | undefined;
}

/** Why a file is written; what is `foreign` was done to it by somebody else. */
interface Reason {
  readonly because: string;
  readonly isForeign: boolean;
}

export class RuntimeConfigKeeper {
  readonly #options: KeeperOptions;
  readonly #watches: DirectoryWatches;
  #timer: NodeJS.Timeout | undefined;
  /** When the timer ends. */
  #lookAt = Number.POSITIVE_INFINITY;
  #frozen = false;
  #written: Written | undefined;
  /** When the last write was that undid what somebody else did; on the clock of `performance.now()`. */
  #restoredAt = Number.NEGATIVE_INFINITY;
  #saidContested = false;
  /** Why the file is not as it has to be, where nothing is waited for and nothing is wrong; undefined: it is. */
  #lack: string | undefined = "not written yet";
  /** The file that is missing, and since when. */
  #waiting: { readonly for: string; readonly since: number; complained: boolean } | undefined;
  /** The problem of the last look, and whether it is logged. */
  #problem: { readonly message: string; reported: boolean } | undefined;

  constructor(options: KeeperOptions) {
    this.#options = options;
    const { directory, source, readinessIndicatorFile, watch = watchDirectory } = options;
    const directories = [directory, ...source.directories];
    if (readinessIndicatorFile !== "") directories.push(dirname(readinessIndicatorFile));
    this.#watches = new DirectoryWatches(directories, watch, () => this.#lookWithin(settleMs));
  }

  /** Why there is no file yet by which the runtime finds this daemon; undefined: there is. */
  get notInPlace(): string | undefined {
    if (this.#lack === undefined) return undefined;
    const { directory } = this.#options;
    const why = this.#problem?.message ?? (this.#waiting && `waiting for ${this.#waiting.for}`);
    return `no runtime configuration in ${directory}: ${why ?? this.#lack}`;
  }

  /** Begins, with a first look at once. To be called when the daemon serves: a runtime that sees the file calls right away. */
  start(): void {
    if (this.#frozen) return;
    this.#look();
  }

  /** Writes and removes nothing any more: from here on the file may be another daemon's. */
  freeze(): void {
    this.#frozen = true;
    clearTimeout(this.#timer);
    this.#watches.close();
  }

  /** The daemon ends in order: the file goes, if that is wanted and it is still the one that this process wrote. */
  leave({ isWanted, because }: Removal): void {
    this.freeze();
    const written = this.#written;
    if (written === undefined) return;
    const { log } = this.#options;
    if (!isWanted) {
      log.verbose("runtime configuration stays: pods wait for the next daemon", {
        file: written.path,
        because,
      });
      return;
    }
    try {
      if (written.identity === undefined || identityOf(statsOf(written.path)) !== written.identity) return;
      removeFile(written.path);
      log.verbose("runtime configuration removed", { file: written.path, because });
    } catch (error) {
      this.#complain(ioFailure("remove", written.path, error));
    }
  }

  /** Looks in `milliseconds` at the latest. */
  #lookWithin(milliseconds: number): void {
    if (this.#frozen) return;
    const lookAt = performance.now() + milliseconds;
    if (lookAt >= this.#lookAt) return;
    clearTimeout(this.#timer);
    this.#lookAt = lookAt;
    this.#timer = setTimeout(() => this.#look(), milliseconds);
    this.#timer.unref();
  }

  #look(): void {
    this.#lookAt = Number.POSITIVE_INFINITY;
    // First: what changes during the look then brings another one.
    this.#watches.renew((directory, error) =>
      this.#options.log.verbose("directory is not watched, and looked at every few seconds instead", {
        directory,
        error: errorText(error),
      }),
    );
    try {
      this.#bringInStep();
      this.#problem = undefined;
    } catch (error) {
      if (!(error instanceof CniError)) throw error;
      this.#wrong(error);
    }
    this.#lookWithin(rereadMs);
  }

  #bringInStep(): void {
    const { source, readinessIndicatorFile } = this.#options;
    if (readinessIndicatorFile !== "" && !existsSync(readinessIndicatorFile)) {
      this.#lack = "not written yet";
      this.#remove([...ownFileNames, ...source.fileNames], `${readinessIndicatorFile} is not there`);
      this.#wait(`the file ${readinessIndicatorFile} (readinessindicatorfile)`);
      return;
    }
    const wanted = source.wanted();
    if ("waitsFor" in wanted) {
      // The present file stays: with it pods can go, and those that come are told what is missing.
      this.#wait(wanted.waitsFor);
      return;
    }
    this.#waiting = undefined;
    this.#put(wanted);
    // A runtime that reads more than one file would call Multus twice; one that reads the first only might miss the one that counts.
    const others = ownFileNames.filter((name) => name !== wanted.fileName);
    this.#remove(others, `${wanted.fileName} takes its place`);
  }

  #put({ fileName, bytes, from, cniVersion }: WantedFile): void {
    const { directory, log } = this.#options;
    const path = join(directory, fileName);
    const reason = whileReading(path, () => this.#reasonToWrite(path, bytes));
    if (reason?.isForeign) {
      this.#lack = `${fileName}: ${reason.because}, again and again`;
      const left = this.#restoredAt + restoreMs - performance.now();
      if (left > 0) {
        this.#sayContested(path, reason.because);
        this.#lookWithin(left);
        return;
      }
      this.#restoredAt = performance.now();
    }
    if (reason !== undefined) {
      writeOwnFile(path, bytes, temporaryPath(path));
      this.#written = { path, bytes, identity: whileReading(path, () => identityOf(statsOf(path))) };
      log.verbose("runtime configuration written", { file: path, from, cniVersion, because: reason.because });
    }
    this.#lack = undefined;
    if (reason !== undefined) this.#options.onWritten?.();
  }

  /** @returns undefined where the file is as it has to be */
  #reasonToWrite(path: string, bytes: Uint8Array): Reason | undefined {
    const written = this.#written;
    // Once in any case, whatever an earlier daemon left: so it is this one's, and the end of that one does not remove it.
    if (written === undefined) return { because: "this daemon has not written it yet", isForeign: false };
    if (Buffer.compare(bytes, written.bytes) !== 0) {
      return { because: "its source has changed", isForeign: false };
    }
    const stats = statsOf(path);
    if (stats === undefined) return { because: "it was removed", isForeign: true };
    if (isAsWritten(path, stats, written)) return undefined;
    return { because: "it was changed", isForeign: true };
  }

  #sayContested(path: string, because: string): void {
    if (this.#saidContested) return;
    this.#saidContested = true;
    this.#options.log.error(
      "another program keeps changing the runtime configuration; it is restored every few seconds",
      { file: path, because },
    );
  }

  #remove(names: readonly string[], because: string): void {
    for (const name of names) {
      const path = join(this.#options.directory, name);
      try {
        if (statsOf(path) === undefined) continue;
        removeFile(path);
      } catch (error) {
        throw ioFailure("remove", path, error);
      }
      this.#options.log.verbose("runtime configuration removed", { file: path, because });
      if (this.#written?.path === path) this.#written = undefined;
    }
  }

  #wait(what: string): void {
    const now = performance.now();
    const { log } = this.#options;
    if (this.#waiting?.for !== what) {
      this.#waiting = { for: what, since: now, complained: false };
      log.verbose("runtime configuration waits", { for: what });
    } else if (!this.#waiting.complained && now - this.#waiting.since >= patienceMs) {
      this.#waiting.complained = true;
      log.error("runtime configuration still waits", { for: what, seconds: patienceMs / 1000 });
    }
  }

  /** Said when it is still so a moment later, and once for as long as it is. */
  #wrong(error: CniError): void {
    const { message } = error;
    if (this.#problem?.message !== message) {
      this.#problem = { message, reported: false };
      this.#lookWithin(confirmMs);
    } else if (!this.#problem.reported) {
      this.#problem.reported = true;
      this.#complain(error);
    }
  }

  #complain(error: CniError): void {
    this.#options.log.error("cannot update the runtime configuration", { error: error.message });
  }
}

/** A runtime passes over names with such an ending. */
function temporaryPath(path: string): string {
  return join(dirname(path), `.${basename(path)}.new`);
}

/** @throws {CniError} 5 */
function writeOwnFile(path: string, bytes: Uint8Array, temporary: string): void {
  try {
    makeDirectory(dirname(path), directoryMode);
    // A file that a crash left may have another mode.
    removeFile(temporary);
  } catch (error) {
    throw ioFailure("write", path, error);
  }
  writeFileAtomically(path, bytes, temporary);
}

/** @throws {CniError} 5 in place of what the file system answers */
function whileReading<Value>(path: string, read: () => Value): Value {
  try {
    return read();
  } catch (error) {
    throw ioFailure("read", path, error);
  }
}

/** @returns undefined where there is nothing; of a link the link's own @throws {Error} of node:fs */
function statsOf(path: string): BigIntStats | undefined {
  return lstatSync(path, { bigint: true, throwIfNoEntry: false });
}

/** Differs between files, and between states of one. */
function identityOf(stats: BigIntStats | undefined): string | undefined {
  return stats === undefined ? undefined : `${stats.dev} ${stats.ino} ${stats.size} ${stats.mtimeNs}`;
}

/** Is a file what was written, in content and mode? It may be another one: a second daemon's. */
function isAsWritten(path: string, stats: BigIntStats, written: Written): boolean {
  if (!stats.isFile() || (Number(stats.mode) & 0o777) !== fileMode) return false;
  if (identityOf(stats) === written.identity) return true;
  return (
    Number(stats.size) === written.bytes.length && Buffer.compare(readFileSync(path), written.bytes) === 0
  );
}
