/** The names of one results directory, found by container: from one listing and the events of inotify since. */

import { type FSWatcher, lstatSync, watch } from "node:fs";
import { basename, join } from "node:path";
import { type DirectoryState, directoryState } from "../base/file-state.ts";
import { ResultNameTable } from "./result-name-table.ts";
import { resultNames } from "./result-names.ts";

/**
 * Events in one turn of the event loop, or names not yet looked at, above which the directory is listed again instead. A quarter of the kernel's queue
 * (fs.inotify.max_queued_events), which all watches of the daemon share. The watch ends there: events that nobody takes cost the event loop nothing.
 */
const maxEvents = 4096;
const namesAtOnce = 64;
/** Slots of the table, 16 bytes each: the next larger table would take the event loop 50 ms to make. A directory with more names is listed for each container. */
const maxSlots = 700_000;

export class ResultNameIndex {
  readonly since = performance.now();
  readonly #path: string;
  readonly #identity: string;
  readonly #watcher: FSWatcher;
  readonly #table = new ResultNameTable();
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
  static of(path: string): ResultNameIndex | undefined {
    const before = directoryState(path);
    if (before === undefined) return undefined;
    const index = new ResultNameIndex(path, before);
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

  get isLost(): boolean {
    return this.#isLost;
  }

  /** Lists the directory. @throws {Error} of node:fs */
  async fill(): Promise<void> {
    try {
      for await (const name of resultNames(this.#path)) {
        this.#table.add(name);
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
