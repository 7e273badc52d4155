/**
 * Which files of a results directory are a container's, without listing it: others write there too (Go multus, a runtime that shares it), and what they
 * leave stays for the life of the node.
 *
 * An index of the names is made by one listing and follows the directory by inotify, also where other programs change it. An event may be lost, when its queue is
 * full, so nothing depends on the events alone: a directory whose time stamp has moved without an event, too many events at once, and age have
 * the index made again. The index may name a file that is gone, and names every file that is there.
 */

import { setImmediate as nextTurn } from "node:timers/promises";
import { directoryState } from "../base/file-state.ts";
import { setNewest } from "../base/map-entry.ts";
import { isMissingFile } from "../base/system-error.ts";
import { errorText } from "../log/error-text.ts";
import type { Logger } from "../log/logger.ts";
import { OnceLog } from "../log/once-log.ts";
import { ResultNameIndex } from "./result-name-index.ts";
import { listedNamesOf } from "./result-names.ts";

/** Milliseconds after which an index is made again, in the background. */
const maxAgeMs = 10 * 60_000;
/** Milliseconds for which a directory that is too large, or changes too fast, is listed for each container before an index is tried again. */
const restMs = 10_000;
/** Directories that are followed: a daemon has one, unless its netconfs differ. */
const maxDirectories = 4;

/** The results directories of a daemon, each followed from its first use on. */
export class FollowedResults {
  readonly #log: Logger;
  /** By path, the one that was used last at the end. */
  readonly #directories = new Map<string, FollowedDirectory>();

  /** @param log told of directories that cannot be followed */
  constructor(log: Logger) {
    this.#log = log;
  }

  /** @param path of a results directory, which need not be there */
  of(path: string): FollowedDirectory {
    const known = this.#directories.get(path);
    const directory = known ?? new FollowedDirectory(path, this.#log);
    setNewest(this.#directories, path, directory, maxDirectories)?.close();
    return directory;
  }

  close(): void {
    for (const directory of this.#directories.values()) directory.close();
    this.#directories.clear();
  }
}

export class FollowedDirectory {
  readonly #path: string;
  readonly #failures: OnceLog;
  #index: ResultNameIndex | undefined;
  #making: Promise<void> | undefined;
  #isClosed = false;
  /** Before that time (of performance.now) no index is made. */
  #restsUntil = 0;

  constructor(path: string, log: Logger) {
    this.#path = path;
    this.#failures = new OnceLog(log);
  }

  /** Makes the index, if there is none, so that it is there when it is needed. */
  begin(): void {
    if (this.#index === undefined && performance.now() >= this.#restsUntil) void this.#make();
  }

  /**
   * Names of all files that were there when it was called and have `-<containerId>-` in them. Some of them may be gone, and some another's.
   * @returns in order of the names; none if there is no directory
   * @throws {Error} of node:fs
   */
  async namesOf(containerId: string): Promise<string[]> {
    const index = await this.#current();
    if (index === undefined) return listedNamesOf(this.#path, containerId);
    const { names, isWhole } = index.of(containerId);
    if (performance.now() - index.since > maxAgeMs) void this.#make();
    return isWhole ? names.sort() : listedNamesOf(this.#path, containerId);
  }

  /** Ends the watch, for good. */
  close(): void {
    this.#isClosed = true;
    this.#put(undefined);
  }

  #put(index: ResultNameIndex | undefined): void {
    this.#index?.close();
    this.#index = index;
  }

  /** An index that has all that was in the directory when this was called; undefined: there can be none at the moment. */
  async #current(): Promise<ResultNameIndex | undefined> {
    for (let tries = 0; ; tries++) {
      const state = directoryState(this.#path);
      if (state === undefined) {
        this.#put(undefined);
        return undefined;
      }
      if (this.#index !== undefined) {
        await pastEvents();
        if (this.#index?.has(state)) return this.#index;
      }
      if (tries === 2 || performance.now() < this.#restsUntil) return undefined;
      await this.#make();
    }
  }

  /** Puts a new index in the place of the one that is there. Never throws: there is none, then. */
  #make(): Promise<void> {
    this.#making ??= this.#made().finally(() => {
      this.#making = undefined;
    });
    return this.#making;
  }

  async #made(): Promise<void> {
    let index: ResultNameIndex | undefined;
    try {
      index = ResultNameIndex.of(this.#path);
      await index?.fill();
    } catch (error) {
      if (!isMissingFile(error)) this.#report(errorText(error));
    }
    if (index?.isLost) this.#restsUntil = performance.now() + restMs;
    if (index?.isLost || this.#isClosed) {
      index?.close();
      index = undefined;
    }
    this.#put(index);
  }

  #report(error: string): void {
    this.#failures.error("results directory: cannot be followed", { directory: this.#path, error }, error);
  }
}

/**
 * Waits until the events of all changes that were made before have been handed over. The kernel queues an event with the change; the event loop
 * takes them all where it polls, which it does between two turns of setImmediate.
 */
async function pastEvents(): Promise<void> {
  await nextTurn();
  await nextTurn();
}
