/** NetworkAttachmentDefinitions: where they come from, as far as this room cares, and the source that reads manifests from a directory. */

import type { Document } from "yaml";
import { CniError, CniErrorCode, ioFailure, textError } from "../cni/errors.ts";
import { FileMemory, type FileState, fileState, fileStates } from "../cni/file-state.ts";
import { isJsonObject, type JsonObject, parseJson } from "../cni/json.ts";
import { type FileStart, readFileStart } from "../cni/regular-file.ts";
import type { Logger } from "../log/logger.ts";
import { TextPlaces } from "./text-places.ts";

/** A NetworkAttachmentDefinition, as much of it as matters here. */
export interface Nad {
  readonly namespace: string;
  readonly name: string;
  /** spec.config as JSON text; empty if there is none. */
  readonly config: Uint8Array;
  readonly annotations: Readonly<Record<string, string>>;
  /** Names the object in errors: file and object. */
  readonly where: string;
}

export interface NadSource {
  /** undefined: there is none. @throws {CniError} if it cannot be read */
  get(namespace: string, name: string): Promise<Nad | undefined>;
}

/** As for objects of Kubernetes that are made to hold data: 1 MiB. What is larger than that is no configuration but a mistake. */
const longestConfig = 1024 * 1024;

/** What is wrong with the length of spec.config; undefined: nothing. @param length bytes */
export function nadConfigProblem(length: number): string | undefined {
  return length <= longestConfig
    ? undefined
    : `spec.config has ${length} bytes, and at most ${longestConfig} are allowed`;
}

/** Several sources as one: the first that has the object. One that cannot be asked is an error, as it may have it. */
export function firstOf(sources: readonly NadSource[]): NadSource {
  return {
    async get(namespace, name) {
      for (const source of sources) {
        const nad = await source.get(namespace, name);
        if (nad !== undefined) return nad;
      }
      return undefined;
    },
  };
}

const extensions = [".yaml", ".yml", ".json"];
const nadKind = "NetworkAttachmentDefinition";
const nadApiVersion = "k8s.cni.cncf.io/v1";

/** What one file says. */
export interface Manifests {
  /** By `namespace/name`: the NAD, or what is wrong with it. */
  readonly entries: ReadonlyMap<string, Nad | CniError>;
  /** What is wrong with documents that do not even say which object they are. */
  readonly broken: readonly CniError[];
  readonly text: string;
}

type Yaml = typeof import("yaml");

/**
 * NAD manifests (.yaml, .yml, .json) of a directory: any number of documents in a file, also of kind List; other kinds of
 * objects are passed over. Each file is read once for each state that it is in: a known NAD costs one stat call, one that is
 * not known a look at each file. A NAD in two files is taken from the first by file name.
 *
 * A broken document is an error for those who ask for a NAD that its file mentions, and for nobody else.
 * What the file said before it broke is not used: a network that differs from its file is worse than a clear error.
 */
export class NadFiles implements NadSource {
  readonly #directory: string;
  readonly #log: Logger;
  readonly #yaml: Promise<Yaml>;
  readonly #manifests = new FileMemory<Manifests>();
  /** By `namespace/name`: the file that it was last found in. */
  readonly #homes = new Map<string, string>();
  readonly #reported = new WeakSet<CniError>();

  /** @param directory need not exist; it is empty until it does */
  constructor(directory: string, log: Logger) {
    this.#directory = directory;
    this.#log = log;
    // Not imported above: a daemon without manifests does without the parser.
    this.#yaml = import("yaml");
  }

  /**
   * @returns undefined if no file has it
   * @throws {CniError} 7 (6: not JSON) naming file, line and column if it is not a proper NAD, or a file that mentions it is broken; 5 if the directory cannot be read
   */
  async get(namespace: string, name: string): Promise<Nad | undefined> {
    const yaml = await this.#yaml;
    const key = `${namespace}/${name}`;
    const entry = this.#atHome(yaml, key) ?? this.#lookThrough(yaml, key, name);
    if (entry instanceof CniError) throw entry;
    return entry;
  }

  /** Every proper NAD, in the order of files and documents. What is wrong with others goes to the log. @throws {CniError} 5 if the directory cannot be read */
  async list(): Promise<Nad[]> {
    const yaml = await this.#yaml;
    const found = new Map<string, Nad>();
    for (const state of fileStates(this.#directory, extensions)) {
      for (const [key, entry] of this.#read(yaml, state).entries) {
        if (entry instanceof CniError) this.#report(entry);
        else if (!found.has(key)) found.set(key, entry);
      }
    }
    return [...found.values()];
  }

  #atHome(yaml: Yaml, key: string): Nad | CniError | undefined {
    const home = this.#homes.get(key);
    const state = home === undefined ? undefined : fileState(home);
    return state === undefined ? undefined : this.#read(yaml, state).entries.get(key);
  }

  #lookThrough(yaml: Yaml, key: string, name: string): Nad | CniError | undefined {
    let suspect: CniError | undefined;
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
      if (!(error instanceof CniError)) throw error;
      this.#report(error);
      return { entries: new Map(), broken: [error], text: "" };
    }
    for (const problem of manifests.broken) this.#report(problem);
    return manifests;
  }

  /** Once for each state of a file: the memory gives the same error object for it. */
  #report(error: CniError): void {
    if (this.#reported.has(error)) return;
    this.#reported.add(error);
    this.#log.error("NAD manifests: passing over what is broken", { error: error.message });
  }
}

/** Bytes of a file with manifests: some ten thousand networks. It is kept with all that is in it, and parsed on the event loop. */
const longestManifests = 8 * 1024 * 1024;

/** @throws {CniError} 5 */
function manifestsOf(yaml: Yaml, path: string): Manifests {
  const { bytes, size } = readManifests(path);
  if (size <= longestManifests) return parseManifests(yaml, bytes.toString("utf8"), path);
  const message = `${path}: has ${size} bytes, and at most ${longestManifests} are allowed`;
  return { entries: new Map(), broken: [new CniError(CniErrorCode.invalidNetworkConfig, message)], text: "" };
}

/** Is `name` in `text` as a word of its own? */
function mentions(text: string, name: string): boolean {
  return text.split(/[^-a-z0-9.]+/).includes(name);
}

/** One document of a file with the places of its values. */
interface Located {
  readonly path: string;
  readonly document: Document.Parsed;
  /** In the whole file. */
  readonly places: TextPlaces;
}

function readManifests(path: string): FileStart {
  try {
    return readFileStart(path, longestManifests);
  } catch (error) {
    throw ioFailure("read", path, error);
  }
}

/**
 * The NADs of a file, each with what is wrong with it.
 * @param path names the file in errors
 */
export function parseManifests(yaml: Yaml, text: string, path: string): Manifests {
  // YAML takes nearly all JSON and some texts that only look like it.
  const notJson = path.endsWith(".json") ? jsonProblem(text, path) : undefined;
  if (notJson !== undefined) return { entries: new Map(), broken: [notJson], text };

  const entries = new Map<string, Nad | CniError>();
  const broken: CniError[] = [];
  const places = new TextPlaces(text);
  const documents = yaml.parseAllDocuments(text, {
    prettyErrors: false,
    // Its warnings would go to stderr past every log.
    logLevel: "error",
    // The parser's own look for a key that is there twice compares each with all others.
    uniqueKeys: false,
  });
  for (const document of Array.isArray(documents) ? documents : []) {
    const located = { path, document, places };
    const [problem] = document.errors;
    if (problem !== undefined) {
      broken.push(invalidAt(located, problem.pos[0], `not valid YAML: ${problem.message}`));
      continue;
    }
    const repeated = repeatedKey(yaml, document);
    if (repeated !== undefined) {
      broken.push(invalidAt(located, repeated, "not valid YAML: Map keys must be unique"));
      continue;
    }
    try {
      collect(located, [], document.toJS(), entries, broken);
    } catch (error) {
      // An alias that expands without end, or to nothing.
      broken.push(invalidAt(located, document.range[0], `not valid YAML: ${String(error)}`));
    }
  }
  return { entries, broken, text };
}

/** Where a key begins that its map has already; undefined: there is none. */
function repeatedKey(yaml: Yaml, document: Document.Parsed): number | undefined {
  let found: number | undefined;
  yaml.visit(document, {
    Map(_, { items }) {
      const seen = new Set<unknown>();
      for (const { key } of items) {
        if (!yaml.isScalar(key)) continue;
        if (seen.has(key.value)) {
          found = key.range?.[0] ?? 0;
          return yaml.visit.BREAK;
        }
        seen.add(key.value);
      }
      return undefined;
    },
  });
  return found;
}

function jsonProblem(text: string, path: string): CniError | undefined {
  try {
    parseJson(Buffer.from(text), path);
  } catch (error) {
    if (error instanceof CniError) return error;
    throw error;
  }
  return undefined;
}

/** Takes the NADs out of one object, or out of the items of a list. */
function collect(
  located: Located,
  at: readonly (string | number)[],
  value: unknown,
  entries: Map<string, Nad | CniError>,
  broken: CniError[],
): void {
  if (value === null || value === undefined) return;
  if (!isJsonObject(value)) {
    broken.push(invalid(located, at, "must be an object of Kubernetes"));
    return;
  }
  const { kind, items } = value;
  if (typeof kind === "string" && kind.endsWith("List") && Array.isArray(items)) {
    for (const [index, item] of items.entries()) {
      collect(located, [...at, "items", index], item, entries, broken);
    }
    return;
  }
  if (kind !== nadKind) return;

  const metadata = isJsonObject(value.metadata) ? value.metadata : {};
  const { name } = metadata;
  const namespace = metadata.namespace ?? "default";
  if (typeof name !== "string" || name === "" || typeof namespace !== "string") {
    const [field, what] =
      typeof name === "string" && name !== "" ? ["namespace", "text"] : ["name", "a name"];
    broken.push(invalid(located, [...at, "metadata", field], `metadata.${field} must be ${what}`));
    return;
  }
  const key = `${namespace}/${name}`;
  // Of two in one file the first counts, as of two in different files.
  if (!entries.has(key)) entries.set(key, readNad(located, at, value, metadata, namespace, name));
}

function readNad(
  located: Located,
  at: readonly (string | number)[],
  value: JsonObject,
  metadata: JsonObject,
  namespace: string,
  name: string,
): Nad | CniError {
  const subject = `${nadKind} ${namespace}/${name}`;
  const refuse = (path: readonly string[], what: string) =>
    invalid(located, [...at, ...path], `${subject}: ${path.join(".")} ${what}`);

  if (value.apiVersion !== nadApiVersion) return refuse(["apiVersion"], `must be ${nadApiVersion}`);
  const annotations = metadata.annotations ?? {};
  if (!isJsonObject(annotations) || !Object.values(annotations).every((text) => typeof text === "string")) {
    return refuse(["metadata", "annotations"], "must be texts");
  }
  const spec = value.spec ?? {};
  if (!isJsonObject(spec)) return refuse(["spec"], "must be an object");
  const config = spec.config ?? "";
  if (typeof config !== "string") return refuse(["spec", "config"], "must be a text with JSON in it");
  return {
    namespace,
    name,
    config: Buffer.from(config),
    annotations: annotations as Record<string, string>,
    where: `${located.path}: ${subject}`,
  };
}

/** An error at a value of the document, or at the nearest one above it that is there. */
function invalid(located: Located, at: readonly (string | number)[], what: string): CniError {
  for (let length = at.length; length > 0; length--) {
    const node: unknown = located.document.getIn(at.slice(0, length), true);
    if (isJsonObject(node) && Array.isArray(node.range))
      return invalidAt(located, Number(node.range[0]), what);
  }
  return invalidAt(located, located.document.contents?.range[0] ?? 0, what);
}

/** @param offset in the file's text, where YAML's own counter of lines goes wrong in texts that do not end */
function invalidAt({ path, places }: Located, offset: number, what: string): CniError {
  return textError(CniErrorCode.invalidNetworkConfig, path, [{ message: what, ...places.at(offset) }]);
}
