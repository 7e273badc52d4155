/**
 * Which files of a results directory are a container's, without listing it: others write there too (Go multus, a runtime that shares it), and what they
 * leave stays for the life of the node.
 *
 * An index of the names is made by one listing and follows the directory by inotify, whoever changes it. An event may be lost, when its queue is
 * full, so nothing depends on the events alone: a directory whose time stamp has moved without an event, too many events at once, and age have
 * the index made again. What the index names may be gone; what is there, it names.
 */

import { type FSWatcher, lstatSync, watch } from "node:fs";
import { basename, join } from "node:path";
import { setImmediate as nextTurn } from "node:timers/promises";
import { errorText } from "../log/error-text.ts";
import type { Logger } from "../log/logger.ts";
import { directoryEntries } from "./directory.ts";
import { isMissingFile } from "./errors.ts";
import { type DirectoryState, directoryState } from "./file-state.ts";
import { ResultNameTable } from "./result-name-table.ts";

/**
 * Events in one turn of the event loop, or names not yet looked at, above which the directory is listed again instead. A quarter of the kernel's queue
 * (fs.inotify.max_queued_events), which all watches of the daemon share. The watch ends there: events that nobody takes cost the event loop nothing.
 */
const maxEvents = 4096;
/** Names that are looked at in one turn. */
const namesAtOnce = 64;
/** Slots of the table, 16 bytes each: the next larger table would take the event loop 50 ms to make. A directory with more names is listed for each container. */
const maxSlots = 700_000;
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
    this.#directories.delete(path);
    this.#directories.set(path, directory);
    const [oldest] = this.#directories;
    if (this.#directories.size > maxDirectories && oldest !== undefined) {
      this.#directories.delete(oldest[0]);
      oldest[1].close();
    }
    return directory;
  }

  close(): void {
    for (const directory of this.#directories.values()) directory.close();
    this.#directories.clear();
  }
}

export class FollowedDirectory {
  readonly #path: string;
  readonly #log: Logger;
  #index: NameIndex | undefined;
  #making: Promise<void> | undefined;
  #isClosed = false;
  /** Before that time (of performance.now) no index is made. */
  #restsUntil = 0;
  readonly #reported = new Set<string>();

  constructor(path: string, log: Logger) {
    this.#path = path;
    this.#log = log;
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
    if (index === undefined) return this.#listed(containerId);
    const { names, isWhole } = index.of(containerId);
    if (performance.now() - index.since > maxAgeMs) void this.#make();
    return isWhole ? names.sort() : this.#listed(containerId);
  }

  /** Ends the watch, for good. */
  close(): void {
    this.#isClosed = true;
    this.#put(undefined);
  }

  #put(index: NameIndex | undefined): void {
    this.#index?.close();
    this.#index = index;
  }

  /** An index that has all that was in the directory when this was called; undefined: there can be none at the moment. */
  async #current(): Promise<NameIndex | undefined> {
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
    let index: NameIndex | undefined;
    try {
      index = NameIndex.of(this.#path);
      await index?.fill();
    } catch (error) {
      if (!isMissingFile(error)) this.#report("results directory: cannot be followed", error);
    }
    if (index?.isLost) this.#restsUntil = performance.now() + restMs;
    if (index?.isLost || this.#isClosed) {
      index?.close();
      index = undefined;
    }
    this.#put(index);
  }

  async #listed(containerId: string): Promise<string[]> {
    const middle = `-${containerId}-`;
    const names: string[] = [];
    for await (const { name } of directoryEntries(this.#path)) {
      if (!name.startsWith(".") && name.includes(middle)) names.push(name);
    }
    return names.sort();
  }

  /** Each reason once. */
  #report(message: string, error: unknown): void {
    const text = errorText(error);
    if (this.#reported.has(text)) return;
    this.#reported.add(text);
    this.#log.error(message, { directory: this.#path, error: text });
  }
}

/** The names of one directory, from a listing and the events since. */
class NameIndex {
  readonly since = performance.now();
  readonly #path: string;
  readonly #identity: string;
  readonly #watcher: FSWatcher;
  readonly #table = new ResultNameTable();
  /** Names of events, to be looked at. */
  readonly #touched = new Set<string>();
  #isLooking = false;
  #isFilling = true;
  #isLost = false;
  /** The directory's time stamp that the events before account for. */
  #modified: bigint;
  /** Names have changed since that time stamp was read. */
  #hasChanged = false;
  #eventsOfTurn = 0;

  /** Watches before it looks: no change comes between. @throws {Error} of node:fs */
  static of(path: string): NameIndex | undefined {
    const before = directoryState(path);
    if (before === undefined) return undefined;
    const index = new NameIndex(path, before);
    const after = directoryState(path);
    if (after?.identity === before.identity) return index;
    index.#lose();
    return index;
  }

  private constructor(path: string, { identity, modified }: DirectoryState) {
    this.#path = path;
    this.#identity = identity;
    this.#modified = modified;
    this.#watcher = watch(path, { persistent: false }, (kind, name) => this.#onEvent(kind, name));
    this.#watcher.on("error", () => this.#lose());
  }

  /** It does not follow the directory any more. */
  get isLost(): boolean {
    return this.#isLost;
  }

  /** Lists the directory. @throws {Error} of node:fs */
  async fill(): Promise<void> {
    try {
      for await (const { name } of directoryEntries(this.#path)) {
        if (!name.startsWith(".")) this.#table.add(name);
        if (this.#table.size > maxSlots) this.#lose();
        if (this.#isLost) return;
      }
    } catch (error) {
      this.#lose();
      throw error;
    }
    this.#isFilling = false;
    this.#lookSoon();
  }

  /**
   * Does it have every name that the directory had in that state? To be asked after the events before that state have come.
   * @param state not older than the index
   */
  has({ identity, modified }: DirectoryState): boolean {
    if (this.#isLost || identity !== this.#identity) return false;
    if (modified <= this.#modified) return true;
    // It changed without an event.
    if (!this.#hasChanged) return false;
    // As it is by now: another caller that has waited for the same events may ask for a later state next.
    this.#modified = directoryState(this.#path)?.modified ?? modified;
    this.#hasChanged = false;
    return true;
  }

  of(containerId: string): { names: string[]; isWhole: boolean } {
    const { names, isWhole } = this.#table.of(containerId);
    const middle = `-${containerId}-`;
    const touched = Array.from(this.#touched).filter((name) => name.includes(middle));
    return { names: Array.from(new Set([...names, ...touched])), isWhole };
  }

  close(): void {
    this.#watcher.close();
  }

  #lose(): void {
    this.#isLost = true;
    this.#touched.clear();
    this.#watcher.close();
  }

  #onEvent(kind: string, name: string | null): void {
    if (this.#isLost) return;
    if (this.#eventsOfTurn === 0) {
      setImmediate(() => {
        this.#eventsOfTurn = 0;
      }).unref();
    }
    this.#eventsOfTurn += 1;
    // An event about the directory itself has its name: it was moved or removed.
    const isOfDirectory = name === null || (kind === "rename" && name === basename(this.#path));
    if (isOfDirectory || this.#eventsOfTurn > maxEvents || this.#touched.size > maxEvents) {
      this.#lose();
      return;
    }
    // The index has nothing to do with the content of files.
    if (kind !== "rename") return;
    this.#hasChanged = true;
    if (name.startsWith(".")) return;
    this.#touched.add(name);
    this.#lookSoon();
  }

  /** Looks at the names that were touched, some in each turn: one that is there comes into the table, another goes. */
  #lookSoon(): void {
    if (this.#isLooking || this.#isFilling || this.#touched.size === 0) return;
    this.#isLooking = true;
    setImmediate(() => {
      this.#isLooking = false;
      for (const name of Array.from(this.#touched).slice(0, namesAtOnce)) this.#look(name);
      if (this.#table.size > maxSlots) this.#lose();
      this.#lookSoon();
    }).unref();
  }

  #look(name: string): void {
    let isThere = true;
    try {
      isThere = lstatSync(join(this.#path, name), { throwIfNoEntry: false }) !== undefined;
    } catch {
      // It counts as there: its reader gets the error.
    }
    if (isThere) this.#table.add(name);
    else this.#table.remove(name);
    this.#touched.delete(name);
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
