/**
 * Keeps the CNI configuration file of Multus up to date: writes it once the cluster network's file is there, follows changes of that, and removes it while the readiness indicator is missing
 * (docs/behaviour.md, "The runtime's file").
 */

import { type BigIntStats, existsSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { removeFile } from "../base/atomic-file.ts";
import { ExpectedError, ioAction, ioFailure } from "../base/input-error.ts";
import type { Logger } from "../log/logger.ts";
import { OnceLog } from "../log/once-log.ts";
import { ownFileNames } from "./files.ts";
import { hasContent, isOwnFile, KeptFile, statsOf, writeOwnFile } from "./kept-file.ts";
import type { Removal } from "./removal.ts";
import type { RuntimeConfigSource, WantedFile } from "./sources.ts";
import type { WatchDirectory } from "./watch.ts";

/** Changes without an event (a watch is lost, a directory was not there, a file is behind a link) are seen after this time. */
const rereadMs = 5_000;
/** A file that is broken for no longer than this is one that was being written. */
const confirmMs = 1_000;
/** Go multus gives up on a node without a cluster network after this time; here an error is logged, and the wait goes on. */
const patienceMs = 120_000;
/** The least time between writes that undo another program's change: two programs that disagree must not write without end. */
const restoreMs = 5_000;

const cannotUpdate = "cannot update the runtime configuration";

export interface KeeperOptions {
  /** Where the runtime reads its configuration: cniConfigDir, absolute. */
  readonly directory: string;
  readonly source: RuntimeConfigSource;
  /** Absolute path of a file without which the cluster network cannot be used; "" for none. */
  readonly readinessIndicatorFile: string;
  /** Called when the file was written: before that the runtime may have started pods without Multus. */
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

/** Why a file is written. `isForeign`: another program changed or removed it. */
interface Reason {
  readonly because: string;
  readonly isForeign: boolean;
}

export class RuntimeConfigKeeper {
  readonly #options: KeeperOptions;
  readonly #file: KeptFile;
  #written: Written | undefined;
  /** When another program's change was last undone, on the clock of `performance.now()`. */
  #restoredAt = Number.NEGATIVE_INFINITY;
  readonly #contests: OnceLog;
  /** Why the file is not up to date, where no file is missing and there is no problem; undefined: it is up to date. */
  #lack: string | undefined = "not written yet";
  /** The file that is missing, and since when. */
  #waiting: { readonly for: string; readonly since: number; complained: boolean } | undefined;
  /** The problem of the last look. */
  #problem: string | undefined;
  readonly #problems: OnceLog;

  constructor(options: KeeperOptions) {
    this.#options = options;
    const { directory, source, readinessIndicatorFile, log, watch } = options;
    this.#contests = new OnceLog(log);
    this.#problems = new OnceLog(log);
    const directories = [directory, ...source.directories];
    if (readinessIndicatorFile !== "") directories.push(dirname(readinessIndicatorFile));
    this.#file = new KeptFile({ directories, everyMs: rereadMs, look: () => this.#look(), log, watch });
  }

  /** Why there is no file yet by which the runtime finds this daemon; undefined: there is. */
  get notInPlace(): string | undefined {
    if (this.#lack === undefined) return undefined;
    const { directory } = this.#options;
    const why = this.#problem ?? (this.#waiting && `waiting for ${this.#waiting.for}`);
    return `no runtime configuration in ${directory}: ${why ?? this.#lack}`;
  }

  /** Begins with a check at once. To be called when the daemon serves: a runtime that sees the file calls right away. */
  start(): void {
    this.#file.look();
  }

  /** Writes and removes nothing from now on: the file may be another daemon's. */
  freeze(): void {
    this.#file.stop();
  }

  /** Graceful shutdown: removes the file, if that is wanted and it is still the one that this process wrote. */
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
      log.error(cannotUpdate, { error: ioFailure("remove", written.path, error).message });
    }
  }

  #look(): void {
    try {
      this.#bringInStep();
      this.#problem = undefined;
    } catch (error) {
      if (!(error instanceof ExpectedError)) throw error;
      const { message } = error;
      if (this.#problem === message) {
        this.#problems.error(cannotUpdate, { error: message }, message);
        return;
      }
      this.#problem = message;
      // Logged when it is still there a moment later, and once for as long as it is.
      this.#problems.over();
      this.#file.lookWithin(confirmMs);
    }
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
      // The present file stays: pods can be deleted with it, and new ones fail with the reason.
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
    const reason = ioAction("read", path, () => this.#reasonToWrite(path, bytes));
    if (reason?.isForeign) {
      this.#lack = `${fileName}: ${reason.because}, again and again`;
      const left = this.#restoredAt + restoreMs - performance.now();
      if (left > 0) {
        this.#contests.error(
          "another program keeps changing the runtime configuration; it is restored every few seconds",
          { file: path, because: reason.because },
        );
        this.#file.lookWithin(left);
        return;
      }
      this.#restoredAt = performance.now();
    }
    if (reason !== undefined) {
      writeOwnFile(path, bytes, temporaryPath(path));
      this.#written = { path, bytes, identity: ioAction("read", path, () => identityOf(statsOf(path))) };
      log.verbose("runtime configuration written", { file: path, from, cniVersion, because: reason.because });
    }
    this.#lack = undefined;
    if (reason !== undefined) this.#options.onWritten?.();
  }

  /** @returns undefined where the file is as it has to be */
  #reasonToWrite(path: string, bytes: Uint8Array): Reason | undefined {
    const written = this.#written;
    // Always once: so the file is this daemon's, and an earlier daemon that ends does not remove it.
    if (written === undefined) return { because: "this daemon has not written it yet", isForeign: false };
    if (Buffer.compare(bytes, written.bytes) !== 0) {
      return { because: "its source has changed", isForeign: false };
    }
    const stats = statsOf(path);
    if (stats === undefined) return { because: "it was removed", isForeign: true };
    // A second daemon may have written the same content.
    const isSame = () => identityOf(stats) === written.identity || hasContent(path, stats, bytes);
    if (isOwnFile(stats) && isSame()) return undefined;
    return { because: "it was changed", isForeign: true };
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
}

/** Runtimes ignore names with this ending. */
function temporaryPath(path: string): string {
  return join(dirname(path), `.${basename(path)}.new`);
}

/** Differs between files, and between states of one. */
function identityOf(stats: BigIntStats | undefined): string | undefined {
  return stats === undefined ? undefined : `${stats.dev} ${stats.ino} ${stats.size} ${stats.mtimeNs}`;
}
