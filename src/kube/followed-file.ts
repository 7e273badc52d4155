/** A small file that others change: a token, a certificate, a kubeconfig. */

import { readFileSync } from "node:fs";
import { type FileState, fileState } from "../base/file-state.ts";
import { ioFailure } from "../base/input-error.ts";

/** A changed file is seen by its state; where a file system does not tell, after this time. */
const rereadMs = 60_000;

/** The surroundings of a followed file; tests have their own. */
export interface FileSurroundings {
  /** Milliseconds, of a clock that does not go back. */
  readonly now: () => number;
  readonly stateOf: (path: string) => FileState | undefined;
}

const realSurroundings: FileSurroundings = { now: () => performance.now(), stateOf: fileState };

export class FollowedFile {
  readonly path: string;
  readonly #surroundings: FileSurroundings;
  #identity = "";
  #readAt = 0;
  #text: string | undefined;

  constructor(path: string, surroundings: FileSurroundings = realSurroundings) {
    this.path = path;
    this.#surroundings = surroundings;
  }

  /** Its content as it is now; looks at the file, and reads it where it may have changed. @throws {InputError} */
  read(): string {
    const now = this.#surroundings.now();
    const state = this.#surroundings.stateOf(this.path);
    // Never opened: a pipe would stop the daemon.
    if (state === undefined) throw ioFailure("read", this.path, "there is no such file");
    const { identity } = state;
    const isKnown = identity !== "" && identity === this.#identity && now - this.#readAt < rereadMs;
    if (this.#text !== undefined && isKnown) return this.#text;
    this.#readAt = now;
    try {
      this.#text = readFileSync(this.path, "utf8");
    } catch (error) {
      throw ioFailure("read", this.path, error);
    }
    this.#identity = identity;
    return this.#text;
  }

  /** Reads it the next time, whatever its state. */
  forget(): void {
    this.#identity = "";
  }
}

/** Files by path, each followed from its first use. */
export class FollowedFiles {
  readonly #files = new Map<string, FollowedFile>();

  /** @throws {InputError} */
  read(path: string): string {
    const file = this.#files.get(path) ?? new FollowedFile(path);
    this.#files.set(path, file);
    return file.read();
  }

  forget(): void {
    for (const file of this.#files.values()) file.forget();
  }
}
