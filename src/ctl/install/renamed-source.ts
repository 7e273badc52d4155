/** Renames the cluster network's file after reading it, for runtimes that would take it for a second network of the node. */

import { existsSync, renameSync } from "node:fs";
import { ioAction } from "../../base/input-error.ts";
import type { Missing, RuntimeConfigSource, WantedFile } from "../../runtime-config/sources.ts";

/** Go multus's suffix. */
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

  /** Content of the renamed file, as long as there is no new one. */
  wanted(): WantedFile | Missing {
    const wanted = this.#source.wanted();
    if ("waitsFor" in wanted) return this.#last ?? wanted;
    this.#last = wanted;
    return wanted;
  }

  /** Renames the file. Call it when Multus's file is in place: until then the runtime needs this one. @throws {InputError} */
  rename(): void {
    const from = this.#last?.from;
    if (from === undefined || !existsSync(from)) return;
    move(from, from + suffix);
    this.#renamed = from;
  }

  /** Restores the file's name, unless there is a new file: without Multus's own file it is the node's network. @throws {InputError} */
  restore(): void {
    const path = this.#renamed;
    if (path !== undefined && !existsSync(path) && existsSync(path + suffix)) move(path + suffix, path);
  }
}

/** @throws {InputError} */
function move(path: string, to: string): void {
  ioAction("rename", path, () => renameSync(path, to));
}
