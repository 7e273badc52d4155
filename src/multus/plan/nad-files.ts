/** The source of NetworkAttachmentDefinitions that reads manifests from a directory. */

import { FileMemory, type FileState, fileState, fileStates } from "../../base/file-state.ts";
import { InputError, ioFailure } from "../../base/input-error.ts";
import { type FileStart, readFileStart } from "../../base/regular-file.ts";
import type { Logger } from "../../log/logger.ts";
import { type Manifests, parseManifests, type Yaml } from "./manifests.ts";
import type { Nad, NadSource } from "./nads.ts";

const extensions = [".yaml", ".yml", ".json"];

/**
 * NAD manifests (.yaml, .yml, .json) of a directory: any number of documents in a file, also of kind List; other kinds of
 * objects are passed over. Each file is read once for each state that it is in: a known NAD costs one stat call, one that is
 * not known a look at each file. A NAD in two files is taken from the first by file name.
 *
 * A broken document is an error for those who ask for a NAD that its file mentions, and for nobody else.
 * The file's content before it broke is not used: a network that differs from its file is worse than a clear error.
 */
export class NadFiles implements NadSource {
  readonly #directory: string;
  readonly #log: Logger;
  readonly #yaml: Promise<Yaml>;
  readonly #manifests = new FileMemory<Manifests>();
  /** By `namespace/name`: the file that it was last found in. */
  readonly #homes = new Map<string, string>();
  readonly #reported = new WeakSet<InputError>();

  /** @param directory need not exist; it is empty until it does */
  constructor(directory: string, log: Logger) {
    this.#directory = directory;
    this.#log = log;
    // Not imported above: a daemon without manifests does without the parser.
    this.#yaml = import("yaml");
  }

  /**
   * @returns undefined if no file has it
   * @throws {InputError} naming file, line and column if it is not a proper NAD, or a file that mentions it is broken; if the directory cannot be read
   */
  async get(namespace: string, name: string): Promise<Nad | undefined> {
    const yaml = await this.#yaml;
    const key = `${namespace}/${name}`;
    const entry = this.#atHome(yaml, key) ?? this.#lookThrough(yaml, key, name);
    if (entry instanceof InputError) throw entry;
    return entry;
  }

  /** Every proper NAD, in the order of files and documents. Problems of others are logged. @throws {InputError} if the directory cannot be read */
  async list(): Promise<Nad[]> {
    const yaml = await this.#yaml;
    const found = new Map<string, Nad>();
    for (const state of fileStates(this.#directory, extensions)) {
      for (const [key, entry] of this.#read(yaml, state).entries) {
        if (entry instanceof InputError) this.#report(entry);
        else if (!found.has(key)) found.set(key, entry);
      }
    }
    return [...found.values()];
  }

  names(): Promise<Nad[]> {
    return this.list();
  }

  #atHome(yaml: Yaml, key: string): Nad | InputError | undefined {
    const home = this.#homes.get(key);
    const state = home === undefined ? undefined : fileState(home);
    return state === undefined ? undefined : this.#read(yaml, state).entries.get(key);
  }

  #lookThrough(yaml: Yaml, key: string, name: string): Nad | InputError | undefined {
    let suspect: InputError | undefined;
    for (const state of fileStates(this.#directory, extensions)) {
      const manifests = this.#read(yaml, state);
      const entry = manifests.entries.get(key);
      if (entry !== undefined) {
        this.#homes.set(key, state.path);
        return entry;
      }
      if (mentions(manifests.text, name)) suspect ??= manifests.broken[0];
    }
    this.#homes.delete(key);
    return suspect;
  }

  #read(yaml: Yaml, state: FileState): Manifests {
    let manifests: Manifests;
    try {
      manifests = this.#manifests.get(state.path, [state], () => manifestsOf(yaml, state.path));
    } catch (error) {
      if (!(error instanceof InputError)) throw error;
      this.#report(error);
      return { entries: new Map(), broken: [error], text: "" };
    }
    for (const problem of manifests.broken) this.#report(problem);
    return manifests;
  }

  /** Once for each state of a file: the memory gives the same error object for it. */
  #report(error: InputError): void {
    if (this.#reported.has(error)) return;
    this.#reported.add(error);
    this.#log.error("NAD manifests: skipping broken ones", { error: error.message });
  }
}

/** Bytes of a file with manifests: some ten thousand networks. It is kept with all that is in it, and parsed on the event loop. */
const longestManifests = 8 * 1024 * 1024;

/** @throws {InputError} of kind "file" */
function manifestsOf(yaml: Yaml, path: string): Manifests {
  const { bytes, size } = readManifests(path);
  if (size <= longestManifests) return parseManifests(yaml, bytes.toString("utf8"), path);
  const message = `${path}: has ${size} bytes, and at most ${longestManifests} are allowed`;
  return { entries: new Map(), broken: [new InputError("content", message)], text: "" };
}

/** Is `name` in `text` as a word of its own? */
function mentions(text: string, name: string): boolean {
  return text.split(/[^-a-z0-9.]+/).includes(name);
}

function readManifests(path: string): FileStart {
  try {
    return readFileStart(path, longestManifests);
  } catch (error) {
    throw ioFailure("read", path, error);
  }
}
