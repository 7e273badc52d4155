/** Takes off a node what was installed on it, and nothing else: a file counts as ours by what is in it, never by its name alone. */

import { lstatSync, readdirSync, readFileSync, rmdirSync } from "node:fs";
import { join } from "node:path";
import { removeFile } from "../../cni/atomic-file.ts";
import { isMissingFile } from "../../cni/errors.ts";
import { errorText } from "../../log/error-text.ts";
import { ownFileNames } from "../../runtime-config/files.ts";
import { isGenerated } from "../../runtime-config/ownership.ts";
import { UserError } from "../user-error.ts";
import { forgetFormer, formerPath, isFormerKept, restoreFormer } from "./former-file.ts";
import { daemonName, pluginNames } from "./install.ts";
import { isOurKubeconfig } from "./kubeconfig-text.ts";
import { removeAbandoned } from "./new-file.ts";
import { kubeconfigPath, multusDirectory, onDemandConfigPath } from "./node-paths.ts";
import { isOurs, type ProgramName } from "./program.ts";

export interface UninstallOptions {
  readonly cniBinDir: string;
  readonly daemonBinDir: string;
  readonly cniConfDir: string;
}

/** What became of one file. */
export interface UninstalledFile {
  readonly path: string;
  /** `left`: it stays, as `because` says. */
  readonly outcome: "removed" | "restored" | "left";
  readonly because: string;
  /** It is ours, and should go once what `because` says is settled. */
  readonly isPending: boolean;
}

/** A runtime reads files with these endings. */
const configurationNames = /\.(?:conf|conflist|json)$/;
const multusType = /"type"\s*:\s*"(multus|multus-shim)"/g;

/**
 * Configuration goes first: as long as there is some, the runtime calls the binaries.
 * @throws {UserError} where a directory cannot be read, or a file cannot be removed
 */
export function uninstall({ cniBinDir, daemonBinDir, cniConfDir }: UninstallOptions): UninstalledFile[] {
  try {
    // What installers that were killed left.
    for (const directory of new Set([cniBinDir, daemonBinDir])) removeAbandoned(directory);
    const configurations = ownFileNames.flatMap((name) => takeConfiguration(join(cniConfDir, name)));
    const users = configurationsWithMultus(cniConfDir);
    return [
      ...configurations,
      ...pluginNames.flatMap((name) => takeProgram(join(cniBinDir, name), "multus", users.get(name) ?? [])),
      ...takeProgram(join(daemonBinDir, daemonName), "multusd", []),
      ...takeCredentials(cniConfDir, Array.from(users.values()).flat()),
    ];
  } catch (error) {
    if (error instanceof UserError) throw error;
    throw new UserError(`it cannot be taken off the node: ${errorText(error)}`, "run it as root");
  }
}

const removed = (path: string): UninstalledFile => ({
  path,
  outcome: "removed",
  because: "",
  isPending: false,
});
const left = (path: string, because: string, isPending = false): UninstalledFile => ({
  path,
  outcome: "left",
  because,
  isPending,
});

function takeConfiguration(path: string): UninstalledFile[] {
  const text = readIfThere(path);
  if (text === undefined) return [];
  if (!isGenerated(text)) {
    return [left(path, "not made by multusctl (a multusd that runs removes its own when it stops)")];
  }
  removeFile(path);
  return [removed(path)];
}

/** Files of the runtime's directory by the name of the plugin that they call. */
function configurationsWithMultus(directory: string): Map<string, string[]> {
  const users = new Map<string, string[]>();
  for (const name of namesIn(directory).filter((each) => configurationNames.test(each))) {
    const path = join(directory, name);
    for (const [, type = ""] of (readIfThere(path) ?? "").matchAll(multusType)) {
      users.set(type, [...(users.get(type) ?? []), path]);
    }
  }
  return users;
}

/** @param users configurations by which the runtime would still call it */
function takeProgram(path: string, program: ProgramName, users: readonly string[]): UninstalledFile[] {
  const isThere = lstatSync(path, { throwIfNoEntry: false }) !== undefined;
  if (isThere && !isOurs(path, program)) {
    // Put there after ours: what was kept is older.
    forgetFormer(path);
    return [left(path, "not ours")];
  }
  if (isFormerKept(path)) {
    restoreFormer(path);
    return [{ path, outcome: "restored", because: `it was kept as ${formerPath(path)}`, isPending: false }];
  }
  if (!isThere) return [];
  if (users.length > 0) return [left(path, `without it no pod can start: ${listed(users)} calls it`, true)];
  removeFile(path);
  return [removed(path)];
}

/** @param users configurations that call Multus, by whose kubeconfig it may be reached */
function takeCredentials(cniConfDir: string, users: readonly string[]): UninstalledFile[] {
  const kubeconfig = kubeconfigPath(cniConfDir);
  const text = readIfThere(kubeconfig);
  const files: UninstalledFile[] = [];
  if (text !== undefined) {
    if (!isOurKubeconfig(text)) files.push(left(kubeconfig, "not ours"));
    else if (users.length > 0) files.push(left(kubeconfig, `${listed(users)} may need it`, true));
    else {
      removeFile(kubeconfig);
      files.push(removed(kubeconfig));
    }
  }
  const onDemand = onDemandConfigPath(cniConfDir);
  if (readIfThere(onDemand) !== undefined) {
    removeFile(onDemand);
    files.push(removed(onDemand));
  }
  const directory = multusDirectory(cniConfDir);
  if (files.some(({ outcome }) => outcome === "removed") && namesIn(directory).length === 0) {
    rmdirSync(directory);
    files.push(removed(directory));
  }
  return files;
}

const listed = (paths: readonly string[]) => Array.from(new Set(paths)).join(", ");

function namesIn(directory: string): string[] {
  try {
    return readdirSync(directory).sort();
  } catch (error) {
    if (isMissingFile(error)) return [];
    throw error;
  }
}

/** @returns undefined where there is no file */
function readIfThere(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    if (isMissingFile(error)) return undefined;
    throw error;
  }
}
