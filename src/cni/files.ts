/** Network configuration files: .conf and .json (one plugin), .conflist, and the subdirectory whose plugins belong to a list. */

import { statSync } from "node:fs";
import { dirname, join } from "node:path";
import { FileMemory, type FileState, fileState, fileStates, firstFileState } from "../base/file-state.ts";
import { ExpectedError, InputError, ioAction, ioFailure } from "../base/input-error.ts";
import {
  arrayElements,
  fieldMembers,
  joinElements,
  joinMembers,
  memberValue,
  scalarText,
} from "../base/json.ts";
import { keySpelling } from "../base/key-spelling.ts";
import { inputBytes } from "../base/regular-file.ts";
import type { Kernels } from "../kernels/index.ts";
import { parseNetworkConfig } from "./config.ts";
import { configError } from "./errors.ts";
import { checkNetworkName } from "./names.ts";
import type { NetworkConfigList } from "./types.ts";

/** Extensions of the files that are looked through for a network's name. */
const namedExtensions = [".conf", ".json", ".conflist"];
/** Extensions of the files of which the first is a directory's network. */
const firstExtensions = [".conf", ".conflist"];
/** Extension of the files of a list's subdirectory, one plugin each. */
const pluginExtensions = [".conf"];

const listSpelling = keySpelling(["name", "loadOnlyInlinedPlugins", "plugins"]);

/** A .conflist as far as it must be known before its subdirectory is. */
interface ListFile {
  /** Those that are looked at spelled as they should be. */
  readonly members: ReadonlyMap<string, Uint8Array>;
  readonly bytes: Uint8Array;
  /** Where further plugins are; undefined: nowhere. */
  readonly pluginDirectory: string | undefined;
}

/**
 * Reads configuration files and keeps what it parsed for as long as the files stay the same: a lookup costs a few stat
 * calls and needs no watcher (whose number per node is limited, and which tells of a change only some time after it).
 * Synchronous: these calls cost less in place than the way to another thread and back.
 */
export class NetworkConfigFiles {
  readonly #kernels: Kernels;
  readonly #onProblem: (problem: ExpectedError) => void;
  readonly #listFiles = new FileMemory<ListFile>();
  readonly #plugins = new FileMemory<Uint8Array>();
  readonly #networks = new FileMemory<NetworkConfigList>();
  readonly #reported = new WeakSet<ExpectedError>();

  /** @param onProblem told of files that cannot be read or parsed while others are looked for; once per state of a file */
  constructor(kernels: Kernels, onProblem: (problem: ExpectedError) => void) {
    this.#kernels = kernels;
    this.#onProblem = onProblem;
  }

  /** Networks and single plugins that are kept parsed. */
  get size(): number {
    return this.#networks.size + this.#plugins.size;
  }

  /**
   * The network of that name in `directory`: of the first file, by file name, that has it.
   * @returns undefined if there is none, or no directory
   * @throws {CniError} 5 a directory that cannot be read; 7 none has that name, but a file that is broken may be the one
   */
  findByName(directory: string, name: string): NetworkConfigList | undefined {
    const problems: ExpectedError[] = [];
    for (const state of fileStates(directory, namedExtensions)) {
      try {
        const network = this.#load(state);
        if (network.name === name) return network;
      } catch (error) {
        problems.push(this.#report(error));
      }
    }
    if (problems.length === 0) return undefined;
    throw new InputError(
      "content",
      `no configuration in ${directory} has the name ${name}; broken there: ${problems.map(({ message }) => message).join("; ")}`,
    );
  }

  /**
   * The network of the alphabetically first .conf or .conflist.
   * @returns undefined if there is none, or no directory
   * @throws {CniError} 5 unreadable; 6, 7, 1 that file is broken
   */
  first(directory: string): NetworkConfigList | undefined {
    const state = firstFileState(directory, firstExtensions);
    return state === undefined ? undefined : this.#load(state);
  }

  /** The network of one file. @throws {CniError} 5 unreadable or no regular file; 6, 7, 1 broken */
  load(path: string): NetworkConfigList {
    const state = fileState(path);
    if (state === undefined) throw ioFailure("read", path, "there is no regular file of that name");
    return this.#load(state);
  }

  /**
   * The network that a value of clusterNetwork or defaultNetworks with a slash names: a directory's first network, or a file's.
   * @returns undefined if there is nothing at `path`, or a directory without a network
   * @throws {CniError} 5 unreadable; 6, 7, 1 broken
   */
  loadPath(path: string): NetworkConfigList | undefined {
    const stats = ioAction("read", path, () => statSync(path, { throwIfNoEntry: false }));
    if (stats === undefined) return undefined;
    return stats.isDirectory() ? this.first(path) : this.load(path);
  }

  /**
   * The plugins of the subdirectory `name` of `directory`, in the order of the file names.
   * @returns raw JSON objects; [] if there is no such subdirectory, or nothing in it
   * @throws {CniError} 5 unreadable; 6, 7 broken; 7 a name that is no network name
   */
  pluginsOf(directory: string, name: string): Uint8Array[] {
    checkNetworkName(name, directory);
    return fileStates(join(directory, name), pluginExtensions).map((state) => this.#plugin(state));
  }

  #load(state: FileState): NetworkConfigList {
    const { path } = state;
    if (!path.endsWith(".conflist")) return this.#networks.get(path, [state], () => this.#parseSingle(path));
    const file = this.#listFiles.get(path, [state], () => readListFile(path));
    const further =
      file.pluginDirectory === undefined ? [] : fileStates(file.pluginDirectory, pluginExtensions);
    return this.#networks.get(path, [state, ...further], () => this.#parseList(path, file, further));
  }

  /** The memory gives the same error object for the same state of a file. */
  #report(error: unknown): ExpectedError {
    if (!(error instanceof ExpectedError)) throw error;
    if (!this.#reported.has(error)) {
      this.#reported.add(error);
      this.#onProblem(error);
    }
    return error;
  }

  #parseSingle(path: string): NetworkConfigList {
    const bytes = inputBytes(path);
    const list = parseNetworkConfig(bytes, path, this.#kernels);
    if (list.isList) {
      throw configError(`${path}: has no type; a list of plugins belongs in a file that ends in .conflist`);
    }
    return list;
  }

  #parseList(path: string, file: ListFile, further: readonly FileState[]): NetworkConfigList {
    if (further.length === 0) return parseNetworkConfig(file.bytes, path, this.#kernels);
    // Parsed once more as one text, so that every later user of this text has all the plugins.
    const inlined = file.members.get("plugins");
    const plugins = [
      ...(inlined === undefined ? [] : arrayElements(inlined, `${path}: plugins`)),
      ...further.map((state) => this.#plugin(state)),
    ];
    const whole = joinMembers([...file.members, ["plugins", joinElements(plugins)]]);
    return parseNetworkConfig(whole, `${path} with its subdirectory`, this.#kernels);
  }

  /** One plugin's file: an object with a type, checked here so that an error names this file. */
  #plugin(state: FileState): Uint8Array {
    const { path } = state;
    return this.#plugins.get(path, [state], () => {
      const bytes = inputBytes(path);
      // A plugin has the network's name, whatever its file says.
      const { isList } = parseNetworkConfig(bytes, path, this.#kernels, { name: "plugin" });
      if (!isList) return bytes;
      throw configError(`${path}: has no type; it must be one plugin`);
    });
  }
}

function readListFile(path: string): ListFile {
  const bytes = inputBytes(path);
  const members = listSpelling.members(fieldMembers(bytes, path));
  const name = memberValue(members, "name");
  const inlinedOnly = memberValue(members, "loadOnlyInlinedPlugins");
  if (typeof name !== "string" || scalarText(inlinedOnly).toLowerCase() === "true") {
    return { members, bytes, pluginDirectory: undefined };
  }
  checkNetworkName(name, path);
  return { members, bytes, pluginDirectory: join(dirname(path), name) };
}
