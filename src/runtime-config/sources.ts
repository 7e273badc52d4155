/** Sources of the runtime's configuration: generated from the cluster network's file, or copied from a given file. */

import { statSync } from "node:fs";
import { basename, dirname, resolve } from "node:path";
import { fileState, fileStates } from "../base/file-state.ts";
import { ExpectedError, InputError } from "../base/input-error.ts";
import { inputBytes } from "../base/regular-file.ts";
import { parseNetworkConfig } from "../cni/config.ts";
import { NetworkConfigFiles } from "../cni/files.ts";
import type { NetworkConfigList } from "../cni/types.ts";
import type { Kernels } from "../kernels/index.ts";
import {
  chooseClusterNetwork,
  clusterNetworkExtensions,
  isRuntimeFile,
  namedClusterNetwork,
  ownFileNames,
  runtimeExtensions,
} from "./files.ts";
import { type GeneratorOptions, generateRuntimeConfig, type RuntimeConfig } from "./generate.ts";

/** The file that has to be in the runtime's directory. */
export interface WantedFile extends RuntimeConfig {
  /** The file that it comes from. */
  readonly from: string;
}

/** There is nothing to make it from yet. */
export interface Missing {
  readonly waitsFor: string;
}

export interface RuntimeConfigSource {
  /** Every name that a wanted file may have. */
  readonly fileNames: readonly string[];
  /** Directories in which a change may make another file wanted. */
  readonly directories: readonly string[];
  /** @throws {ExpectedError} where its source is broken, or does not fit the options */
  wanted(): WantedFile | Missing;
}

/** multusConfigFile `auto`. */
export interface ClusterNetworkKeys {
  /** multusAutoconfigDir, absolute. */
  readonly directory: string;
  /** multusMasterCNI: file name in it; "" for the first. */
  readonly name: string;
}

/**
 * The cluster network's file, whichever it is by now. Where it goes away, what takes its place is a file of the same network, or one that has come since; not the next one that
 * happens to be there, which would silently move the node's pods into the network of some other program.
 */
export class ClusterNetworkSource implements RuntimeConfigSource {
  readonly fileNames = ownFileNames;
  readonly directories: readonly string[];
  readonly #directory: string;
  /** Path of the file that was named; undefined: the first. */
  readonly #named: string | undefined;
  readonly #options: GeneratorOptions;
  readonly #files: NetworkConfigFiles;
  /** The last file that was made; undefined: none. */
  #last: { readonly network: NetworkConfigList; readonly wanted: WantedFile } | undefined;
  /** Paths of files that were there beside the cluster network's, and have not been away since. */
  #passedOver: readonly string[] = [];

  /** @throws {InputError} the named file is Multus's own */
  constructor({ directory, name }: ClusterNetworkKeys, options: GeneratorOptions, kernels: Kernels) {
    this.#directory = directory;
    this.#named = name === "" ? undefined : namedClusterNetwork(directory, name, "multusMasterCNI");
    this.directories = [this.#named === undefined ? directory : dirname(this.#named)];
    this.#options = options;
    this.#files = new NetworkConfigFiles(kernels, () => {});
  }

  wanted(): WantedFile | Missing {
    const paths = this.#paths();
    this.#passedOver = this.#passedOver.filter((other) => paths.includes(other));
    const path = this.#choose(paths);
    if (path === undefined) return { waitsFor: this.#missing(paths) };
    // Of another file no fallback: one that is broken for a moment must not move a node's pods into another network.
    const network = this.#files.load(path);
    if (this.#last?.network !== network || this.#last.wanted.from !== path) {
      const made = generateRuntimeConfig(this.#options, { path, network });
      this.#last = { network, wanted: { ...made, from: path } };
    }
    this.#passedOver = paths.filter((other) => other !== path);
    return this.#last.wanted;
  }

  /** Files that may be the cluster network's. */
  #paths(): string[] {
    if (this.#named === undefined) {
      return fileStates(this.#directory, clusterNetworkExtensions).map(({ path }) => path);
    }
    return fileState(this.#named) === undefined ? [] : [this.#named];
  }

  #choose(paths: readonly string[]): string | undefined {
    if (this.#named !== undefined) return paths[0];
    const candidates = paths.filter(
      (path) => !this.#passedOver.includes(path) || this.#isOfSameNetwork(path),
    );
    const chosen = chooseClusterNetwork(candidates.map((path) => basename(path)));
    return candidates.find((path) => basename(path) === chosen);
  }

  #isOfSameNetwork(path: string): boolean {
    try {
      return this.#files.load(path).name === this.#last?.network.name;
    } catch (error) {
      if (error instanceof ExpectedError) return false;
      throw error;
    }
  }

  #missing(paths: readonly string[]): string {
    if (this.#named !== undefined) return `the cluster network's file ${this.#named} (multusMasterCNI)`;
    const other = chooseClusterNetwork(paths.map((path) => basename(path)));
    if (this.#last === undefined || other === undefined) {
      return `a cluster network: a .conf or .conflist in ${this.#directory} that is not Multus's own`;
    }
    const { name } = this.#last.network;
    return `a file of the cluster network ${name}, as ${this.#last.wanted.from} was: ${other} is another network's, and replaces it only after a restart of the daemon`;
  }
}

/** multusConfigFile with a path: a copy of that file, under its own name. */
export class CopiedFileSource implements RuntimeConfigSource {
  readonly fileNames: readonly string[];
  readonly directories: readonly string[];
  readonly #path: string;
  readonly #kernels: Kernels;

  /** @param path absolute @throws {InputError} no runtime would read a file of that name */
  constructor(path: string, kernels: Kernels) {
    if (!isRuntimeFile(path)) {
      throw new InputError(
        "content",
        `multusConfigFile ${path}: a runtime reads files that end in ${runtimeExtensions.join(", ")} only`,
      );
    }
    this.#path = path;
    this.#kernels = kernels;
    this.fileNames = [basename(path)];
    this.directories = [dirname(path)];
  }

  /** Is its file in `directory` itself? Then there is nothing to copy, and nothing that is the daemon's to remove. Also by another name of the directory: a mount, a link. */
  isIn(directory: string): boolean {
    // Also where it is not there yet.
    if (resolve(dirname(this.#path)) === resolve(directory)) return true;
    const own = statSync(dirname(this.#path), { throwIfNoEntry: false });
    const other = statSync(directory, { throwIfNoEntry: false });
    return own !== undefined && other !== undefined && own.dev === other.dev && own.ino === other.ino;
  }

  wanted(): WantedFile | Missing {
    const path = this.#path;
    // Never opened if it is no regular file: a pipe would stop the daemon.
    if (fileState(path) === undefined) return { waitsFor: `the file ${path} (multusConfigFile)` };
    const bytes = inputBytes(path);
    const { isList, cniVersion } = parseNetworkConfig(bytes, path, this.#kernels);
    if (isList !== path.endsWith(".conflist")) {
      throw new InputError(
        "content",
        `${path}: ${isList ? "a list of plugins belongs" : "one plugin does not belong"} in a file that ends in .conflist`,
      );
    }
    return { fileName: basename(path), bytes, from: path, cniVersion };
  }
}
