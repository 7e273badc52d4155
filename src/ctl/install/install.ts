/** Installs programs into a directory of the node, all of them or none. */

import { lstatSync, statSync } from "node:fs";
import { join } from "node:path";
import { ifThere } from "../../base/system-error.ts";
import { errorText } from "../../log/error-text.ts";
import { UserError } from "../command/user-error.ts";
import { tryPluginBinary } from "../node/plugin-binary.ts";
import { daemonName, haveSameContent, installedPluginNames, type ProgramName } from "../node/program.ts";
import { formerPath, keepFormer } from "./former-file.ts";
import { NewFile, programMode, removeAbandoned } from "./new-file.ts";

interface Installation {
  /** Each name gets its own copy, so that an installer that overwrites one in place does not change the other. */
  readonly names: readonly string[];
  /** The option that names the directory. */
  readonly option: string;
  /** Tests one of the copies before any is renamed into place. @throws {UserError} */
  readonly check: (path: string) => void;
}

const installations: Readonly<Record<ProgramName, Installation>> = {
  multus: { names: installedPluginNames, option: "--cni-bin-dir", check: tryPluginBinary },
  // Not tested: the memory limit of an installer is enough for a copy, but not for a daemon.
  multusd: { names: [daemonName], option: "--daemon-bin-dir", check: () => {} },
};

export interface InstalledFile {
  readonly path: string;
  readonly outcome: "installed" | "up to date";
  /** Path of the kept former file; "" if there was none, or it was ours. */
  readonly former: string;
}

/** @param source a plugin binary @param directory from which a runtime starts its plugins @throws {UserError} with nothing changed */
export function installPlugin(source: string, directory: string): InstalledFile[] {
  return install("multus", source, directory);
}

/** @param source the daemon as one executable @throws {UserError} with nothing changed */
export function installDaemon(source: string, directory: string): InstalledFile[] {
  return install("multusd", source, directory);
}

/**
 * At any moment every name is either the old file or the new one. Several installers may run at once.
 * @throws {UserError} with nothing changed
 */
function install(program: ProgramName, source: string, directory: string): InstalledFile[] {
  const { names, option, check } = installations[program];
  checkDirectory(directory, option);
  try {
    removeAbandoned(directory);
    const paths = names.map((name) => join(directory, name));
    const outdated = paths.filter((path) => !isInstalled(path, source));
    using files = new DisposableStack();
    const newFiles = outdated.map((path) => files.use(new NewFile(source, path)));
    const [first] = newFiles;
    if (first !== undefined) check(first.temporaryPath);
    const replaced = outdated.filter((path) => keepFormer(path, program));
    for (const file of newFiles) file.takePlace();
    return paths.map((path) => ({
      path,
      outcome: outdated.includes(path) ? "installed" : "up to date",
      former: replaced.includes(path) ? formerPath(path) : "",
    }));
  } catch (error) {
    if (error instanceof UserError) throw error;
    throw new UserError(`nothing can be installed in ${directory}: ${errorText(error)}`, "run it as root");
  }
}

/** @param option that names it @throws {UserError} */
export function checkDirectory(directory: string, option: string): void {
  const advice = `in a pod, mount the node's directory there; on the node itself, name it: ${option} DIRECTORY`;
  let isDirectory: boolean | undefined;
  try {
    isDirectory = statSync(directory, { throwIfNoEntry: false })?.isDirectory();
  } catch (error) {
    throw new UserError(`${directory} cannot be read: ${errorText(error)}`, advice);
  }
  if (isDirectory === undefined) throw new UserError(`${directory} is not there`, advice);
  if (!isDirectory) throw new UserError(`${directory} is no directory`, advice);
}

/** @throws {Error} of node:fs */
function isInstalled(path: string, source: string): boolean {
  const isSame = ifThere(() => {
    const stats = lstatSync(path);
    return stats.isFile() && (stats.mode & 0o777) === programMode && haveSameContent(path, source);
  });
  // Missing, or replaced by another installer meanwhile.
  return isSame ?? false;
}
