/** The files that Multus has in the runtime's configuration directory, and which of the others there is the cluster network's (docs/behaviour.md, "The runtime's file"). */

import { basename, join } from "node:path";
import { InputError } from "../base/input-error.ts";

/** The file that a runtime takes: the alphabetically first of the directory. */
export const pluginFileName = "00-multus.conf";
/** The same as a list of plugins: Go multus's thin installer writes this one from cniVersion 1.0.0 on. */
export const listFileName = "00-multus.conflist";
/** Both: of a runtime's directory at most one of them may be there. */
export const ownFileNames: readonly string[] = [pluginFileName, listFileName];
/** Prefix of Multus's own files, of any release: never a cluster network. */
const ownPrefix = "00-multus";

/** Extensions of the files that can be the cluster network's. Runtimes read `.json` too; Go multus does not look at it. */
export const clusterNetworkExtensions: readonly string[] = [".conf", ".conflist"];

/** Extensions of the files that runtimes read. */
export const runtimeExtensions: readonly string[] = [...clusterNetworkExtensions, ".json"];

/** Would a runtime read a file of that name? */
export function isRuntimeFile(name: string): boolean {
  return runtimeExtensions.some((extension) => name.endsWith(extension));
}

/**
 * The cluster network's file among a directory's: the first by name that is not Multus's own.
 * @param names of the regular files, in any order
 * @returns undefined if there is none
 */
export function chooseClusterNetwork(names: readonly string[]): string | undefined {
  return names
    .filter((name) => clusterNetworkExtensions.some((extension) => name.endsWith(extension)))
    .filter((name) => !name.startsWith(ownPrefix))
    .sort()
    .at(0);
}

/**
 * The path of a cluster network's file that was named.
 * @param directory absolute path
 * @param name file name in it, or a path below it
 * @param key that named it, for the error
 * @throws {InputError} where it is a file of Multus's own: it would be its own cluster network
 */
export function namedClusterNetwork(directory: string, name: string, key: string): string {
  if (basename(name).startsWith(ownPrefix)) {
    throw new InputError(
      "content",
      `${key} ${name}: files that begin with ${ownPrefix} are Multus's own, and no cluster network`,
    );
  }
  return join(directory, name);
}
