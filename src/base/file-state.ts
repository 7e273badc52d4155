/** Keeps a value that was made of a file for as long as the file stays the same. */

import { readdirSync, type Stats, statSync } from "node:fs";
import { join } from "node:path";
import { ExpectedError, ioAction } from "./input-error.ts";
import { ifThere } from "./system-error.ts";

/**
 * Milliseconds for which a changed file counts as still changing. Time stamps move in steps of a few milliseconds: a second write
 * within one step would leave the file's state looking the same.
 */
const settlingTime = 100;

export interface FileState {
  readonly path: string;
  /** Differs whenever the content does. "": it may be changing at this moment, so that nothing can be said. */
  readonly identity: string;
}

/**
 * The state of a regular file, also behind a symbolic link (as ConfigMaps have them).
 * @returns undefined if there is none, or it is no regular file
 */
export function fileState(path: string): FileState | undefined {
  let stats: Stats | undefined;
  try {
    stats = statSync(path, { throwIfNoEntry: false });
  } catch {
    // The reader gets the error, with the file's name in it.
    return { path, identity: "" };
  }
  if (stats === undefined || !stats.isFile()) return undefined;
  const { dev, ino, size, mtimeMs, ctimeMs } = stats;
  const isSettled = Date.now() - Math.max(mtimeMs, ctimeMs) > settlingTime;
  return { path, identity: isSettled ? `${dev} ${ino} ${size} ${mtimeMs} ${ctimeMs}` : "" };
}

export interface DirectoryState {
  /** Differs for another directory of that path: one that was removed and made again may have the number of the old one, but not its birth. */
  readonly identity: string;
  /** When a name in it was last made, changed or removed: nanoseconds since 1970, in the steps of the kernel's clock. */
  readonly modified: bigint;
}

/**
 * The state of a directory, also behind a symbolic link.
 * @returns undefined if there is none of that path
 * @throws {Error} of node:fs
 */
export function directoryState(path: string): DirectoryState | undefined {
  const stats = statSync(path, { bigint: true, throwIfNoEntry: false });
  if (stats === undefined || !stats.isDirectory()) return undefined;
  const { dev, ino, birthtimeNs, mtimeNs } = stats;
  return { identity: `${dev} ${ino} ${birthtimeNs}`, modified: mtimeNs };
}

/**
 * The states of a directory's regular files whose names have one of `extensions`, in the order of their names.
 * @returns [] if there is no such directory
 * @throws {InputError} of kind "file"
 */
export function fileStates(directory: string, extensions: readonly string[]): FileState[] {
  return Array.from(statesIn(directory, extensions));
}

/** The first of them; the others are not looked at. @returns undefined if there is none @throws {InputError} of kind "file" */
export function firstFileState(directory: string, extensions: readonly string[]): FileState | undefined {
  for (const state of statesIn(directory, extensions)) return state;
  return undefined;
}

function* statesIn(directory: string, extensions: readonly string[]): Generator<FileState> {
  const names = ioAction("list", directory, () => ifThere(() => readdirSync(directory)) ?? []);
  const named = names.filter((name) => extensions.some((extension) => name.endsWith(extension)));
  for (const name of named.sort()) {
    const state = fileState(join(directory, name));
    if (state !== undefined) yield state;
  }
}

/** Values made from files, each kept until one of its files is in another state. */
export class FileMemory<Value> {
  readonly #kept = new Map<string, { identity: string; made: Made<Value> }>();

  /** Values that are kept. */
  get size(): number {
    return this.#kept.size;
  }

  /**
   * The kept value of `key`, or else what `make` gives.
   * @param states of all files that the value is made from
   * @param make may throw an ExpectedError, which is kept and thrown again (the same object) like a value
   */
  get(key: string, states: readonly FileState[], make: () => Value): Value {
    const identity = states.every((state) => state.identity !== "")
      ? states.map((state) => `${state.path} ${state.identity}`).join("\n")
      : "";
    const kept = this.#kept.get(key);
    if (kept !== undefined && kept.identity === identity && identity !== "") return unwrap(kept.made);
    const made = attempt(make);
    this.#kept.set(key, { identity, made });
    return unwrap(made);
  }
}

type Made<Value> = { readonly value: Value } | { readonly error: ExpectedError };

function attempt<Value>(make: () => Value): Made<Value> {
  try {
    return { value: make() };
  } catch (error) {
    if (error instanceof ExpectedError) return { error };
    throw error;
  }
}

function unwrap<Value>(made: Made<Value>): Value {
  if ("error" in made) throw made.error;
  return made.value;
}
