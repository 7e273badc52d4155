/** The cluster network's file is renamed once it has been read: for runtimes that would take it for a second network of the node. */

import { existsSync, renameSync } from "node:fs";
import { ioFailure } from "../../cni/errors.ts";
import type { Missing, RuntimeConfigSource, WantedFile } from "../../runtime-config/sources.ts";

/** As Go multus names it. */
const suffix = ".old";

export class RenamedSource implements RuntimeConfigSource {
  readonly #source: RuntimeConfigSource;
  #last: WantedFile | undefined;
  #renamed: string | undefined;

  /** @param source finds the file, whenever it is there again */
  constructor(source: RuntimeConfigSource) {
    this.#source = source;
  }

  get fileNames(): readonly string[] {
    return this.#source.fileNames;
  }

  get directories(): readonly string[] {
    return this.#source.directories;
  }

  /** What the file said that was renamed, for as long as there is no new one. */
  wanted(): WantedFile | Missing {
    const wanted = this.#source.wanted();
    if ("waitsFor" in wanted) return this.#last ?? wanted;
    this.#last = wanted;
    return wanted;
  }

  /** To be called when what was wanted is in place: until then a runtime has the file. @throws {CniError} 5 */
  rename(): void {
    const from = this.#last?.from;
    if (from === undefined || !existsSync(from)) return;
    move(from, from + suffix);
    this.#renamed = from;
  }

  /** Gives the file its name again, unless there is a new one: without Multus's own it is the node's network. @throws {CniError} 5 */
  restore(): void {
    const path = this.#renamed;
    if (path !== undefined && !existsSync(path) && existsSync(path + suffix)) move(path + suffix, path);
  }
}

/** @throws {CniError} 5 */
function move(path: string, to: string): void {
  try {
    renameSync(path, to);
  } catch (error) {
    throw ioFailure("rename", path, error);
  }
}
