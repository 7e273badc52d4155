/** Watches directories by inotify, including those that do not exist yet or are replaced. */

import { type FSWatcher, watch } from "node:fs";
import { directoryState } from "../base/file-state.ts";
import { errorText } from "../log/error-text.ts";
import type { Logger } from "../log/logger.ts";

/**
 * Calls `onChange` after something in the directory has changed, and `onLost` when it will never do so again.
 * @throws {Error} of node:fs: the directory is not there, or the node has no more watches to give
 */
export type WatchDirectory = (directory: string, onChange: () => void, onLost: () => void) => DirectoryWatch;

type DirectoryWatch = Pick<FSWatcher, "close">;

/** By inotify. `persistent: false`: a watch alone keeps no process alive. */
export const watchDirectory: WatchDirectory = (directory, onChange, onLost) => {
  const watcher = watch(directory, { persistent: false }, () => onChange());
  watcher.on("error", onLost);
  return watcher;
};

/**
 * Watches on directories as they are by now. A watch is of a directory, not of its name: where another one got the name, it is of no use. So
 * `renew` is called now and then, and before the directories are read: what changes after that is told.
 */
export class DirectoryWatches {
  readonly #directories: ReadonlySet<string>;
  readonly #watch: WatchDirectory;
  readonly #onChange: () => void;
  readonly #log: Logger;
  readonly #watched = new Map<string, { readonly identity: string; readonly watch: DirectoryWatch }>();
  /** Directories that are there and cannot be watched: each is logged once. */
  readonly #unwatched = new Set<string>();

  constructor(directories: readonly string[], watch: WatchDirectory, onChange: () => void, log: Logger) {
    this.#directories = new Set(directories);
    this.#watch = watch;
    this.#onChange = onChange;
    this.#log = log;
  }

  renew(): void {
    for (const directory of this.#directories) {
      const identity = directoryIdentity(directory);
      const known = this.#watched.get(directory);
      if (known !== undefined && known.identity === identity) continue;
      this.#drop(directory);
      if (identity === undefined) continue;
      try {
        const watch = this.#watch(directory, this.#onChange, () => this.#drop(directory));
        this.#watched.set(directory, { identity, watch });
        this.#unwatched.delete(directory);
      } catch (error) {
        if (this.#unwatched.has(directory)) continue;
        this.#unwatched.add(directory);
        const fields = { directory, error: errorText(error) };
        this.#log.verbose("directory is not watched, and looked at every few seconds instead", fields);
      }
    }
  }

  close(): void {
    for (const directory of this.#directories) this.#drop(directory);
  }

  #drop(directory: string): void {
    this.#watched.get(directory)?.watch.close();
    this.#watched.delete(directory);
  }
}

function directoryIdentity(path: string): string | undefined {
  try {
    return directoryState(path)?.identity;
  } catch {
    return undefined;
  }
}
