/** Small files that others change: tokens, certificates, kubeconfigs. */

import { FileMemory, type FileState, fileState } from "../base/file-state.ts";
import { ioFailure } from "../base/input-error.ts";
import { inputBytes } from "../base/regular-file.ts";

/** A changed file is seen by its state; where a file system does not tell, after this time. */
const rereadMs = 60_000;

/** The surroundings of followed files; tests have their own. */
export interface FileSurroundings {
  /** Milliseconds, of a clock that does not go back. */
  readonly now: () => number;
  readonly stateOf: (path: string) => FileState | undefined;
}

const realSurroundings: FileSurroundings = { now: () => performance.now(), stateOf: fileState };

export class FollowedFiles {
  readonly #surroundings: FileSurroundings;
  #texts = new FileMemory<string>();
  #forgottenAt: number;

  constructor(surroundings: FileSurroundings = realSurroundings) {
    this.#surroundings = surroundings;
    this.#forgottenAt = surroundings.now();
  }

  /** The content of a file as it is now; looks at the file, and reads it where it may have changed. @throws {InputError} */
  read(path: string): string {
    if (this.#surroundings.now() - this.#forgottenAt >= rereadMs) this.forget();
    const state = this.#surroundings.stateOf(path);
    // Never opened: a pipe would stop the daemon.
    if (state === undefined) throw ioFailure("read", path, "there is no such file");
    try {
      return this.#texts.get(path, [state], () => inputBytes(path).toString());
    } catch (error) {
      // Not remembered: the next read may succeed in the same state (too many open files).
      this.forget();
      throw error;
    }
  }

  /** Reads each file the next time, whatever its state. */
  forget(): void {
    this.#texts = new FileMemory();
    this.#forgottenAt = this.#surroundings.now();
  }
}
