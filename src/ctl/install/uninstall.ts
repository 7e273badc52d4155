/**
 * Removes from a node the installed files and a daemon's leftovers, and nothing else. A file counts as ours by its content; by its name alone only if no
 * other program uses such names.
 */

import { lstatSync, readdirSync, readFileSync, rmdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { removeFile } from "../../base/atomic-file.ts";
import { entryOf } from "../../base/map-entry.ts";
import { ifThere, systemErrorCode } from "../../base/system-error.ts";
import { resultsDirectory } from "../../cni/cache.ts";
import { certificateFilesIn } from "../../kube/certificates/certificate-file.ts";
import { errorText } from "../../log/error-text.ts";
import { failedDelsDirectory, spoolDirectory } from "../../multus/input/cni-dir.ts";
import { multusPluginNames } from "../../multus/input/own-plugin.ts";
import { isRuntimeFile, ownFileNames } from "../../runtime-config/files.ts";
import { isGenerated } from "../../runtime-config/ownership.ts";
import { isDaemonFile, warmUpPrefix } from "../../socket/directory.ts";
import { UserError } from "../command/user-error.ts";
import { socketPath } from "../node/daemon-socket.ts";
import { kubeconfigPath, multusDirectory, onDemandConfigPath } from "../node/paths.ts";
import { daemonName, installedPluginNames, isOurs, type ProgramName } from "../node/program.ts";
import { formerPath, restoreFormer } from "./former-file.ts";
import { isOurKubeconfig } from "./kubeconfig-text.ts";
import { removeAbandoned } from "./new-file.ts";

/** The directories of an installation, as options name them. */
export const installationDirectories = [
  ...(["cniBinDir", "daemonBinDir", "cniConfDir"] as const),
  ...(["socketDir", "certDir", "cniDir"] as const),
];
export type InstallationDirectory = (typeof installationDirectories)[number];

export interface UninstallOptions {
  readonly cniBinDir: string;
  readonly daemonBinDir: string;
  readonly cniConfDir: string;
  /** The daemon's. */
  readonly socketDir: string;
  /** Does a daemon listen there? Its files stay then. */
  readonly isServed: boolean;
  /** Of certificate and key. */
  readonly certDir: string;
  /** Directory of plans, results and recorded DELs: only empty directories are removed. */
  readonly cniDir: string;
  /** Directories that belong to another installation: they may be read, but nothing in them is touched. */
  readonly others?: ReadonlySet<InstallationDirectory>;
}

/** The outcome for one file. */
export interface UninstalledFile {
  readonly path: string;
  /** `left`: it stays, for the reason `because`. */
  readonly outcome: "removed" | "restored" | "left";
  readonly because: string;
  /** It is ours, and can be removed once `because` no longer applies. */
  readonly isPending: boolean;
}

/** Errors of a directory that is not removed: it is missing, not empty, mounted, or a symbolic link. */
const staysCodes = ["ENOENT", "ENOTEMPTY", "EEXIST", "EBUSY", "ENOTDIR", "EROFS"];
const pluginType = new RegExp(`"type"\\s*:\\s*"(${installedPluginNames.join("|")})"`, "g");

/**
 * Removes the configuration first: as long as it is there, the runtime calls the binaries.
 * @throws {UserError} if a directory cannot be read, or a file cannot be removed
 */
export function uninstall(options: UninstallOptions): UninstalledFile[] {
  const { cniBinDir, daemonBinDir, cniConfDir, others = new Set() } = options;
  const inConfDir = others.has("cniConfDir") ? [] : ownFileNames;
  const inBinDir = others.has("cniBinDir") ? [] : installedPluginNames;
  const inDaemonBinDir = others.has("daemonBinDir") ? [] : [daemonName];
  try {
    // Temporary files of installers that were killed.
    const binDirs = [...(inBinDir.length > 0 ? [cniBinDir] : []), ...inDaemonBinDir.map(() => daemonBinDir)];
    for (const directory of new Set(binDirs)) removeAbandoned(directory);
    const foreign = "not written by multusctl (a running multusd removes its own file when it stops)";
    const configurations = inConfDir.flatMap((name) =>
      takeText(join(cniConfDir, name), isGenerated, foreign),
    );
    const users = configurationsWithPlugins(cniConfDir);
    const allUsers = multusPluginNames.flatMap((name) => users.get(name) ?? []);
    return [
      ...configurations,
      ...inBinDir.flatMap((name) => takeProgram(join(cniBinDir, name), "multus", users.get(name) ?? [])),
      ...inDaemonBinDir.flatMap((name) => takeProgram(join(daemonBinDir, name), "multusd", [])),
      ...(inConfDir.length > 0 ? takeCredentials(cniConfDir, allUsers) : []),
      ...takeTraces(options, allUsers),
    ];
  } catch (error) {
    if (error instanceof UserError) throw error;
    throw new UserError(`Multus cannot be removed: ${errorText(error)}`, "run it as root");
  }
}

function left(path: string, because: string, isPending = false): UninstalledFile {
  return { path, outcome: "left", because, isPending };
}

function remove(path: string): UninstalledFile {
  removeFile(path);
  return { path, outcome: "removed", because: "", isPending: false };
}

/** @param foreign why a file stays that is not ours @param users configurations of the runtime that may need the file */
function takeText(
  path: string,
  isOwn: (text: string) => boolean,
  foreign: string,
  users: readonly string[] = [],
): UninstalledFile[] {
  const text = ifThere(() => readFileSync(path, "utf8"));
  if (text === undefined) return [];
  if (!isOwn(text)) return [left(path, foreign)];
  return [users.length > 0 ? left(path, `${listed(users)} may need it`, true) : remove(path)];
}

/** Files of the runtime's directory by the name of our plugin that they call. */
function configurationsWithPlugins(directory: string): Map<string, string[]> {
  const users = new Map<string, string[]>();
  for (const name of namesIn(directory).filter(isRuntimeFile)) {
    const path = join(directory, name);
    for (const [, type = ""] of (ifThere(() => readFileSync(path, "utf8")) ?? "").matchAll(pluginType)) {
      entryOf(users, type, () => []).push(path);
    }
  }
  return users;
}

/** @param users configurations of the runtime that still call it */
function takeProgram(path: string, program: ProgramName, users: readonly string[]): UninstalledFile[] {
  const isThere = lstatSync(path, { throwIfNoEntry: false }) !== undefined;
  if (isThere && !isOurs(path, program)) {
    // Installed after ours, so the kept file is older.
    removeFile(formerPath(path));
    return [left(path, "not ours")];
  }
  if (restoreFormer(path)) {
    return [{ path, outcome: "restored", because: `it was kept as ${formerPath(path)}`, isPending: false }];
  }
  if (!isThere) return [];
  if (users.length > 0) return [left(path, `without it no pod can start: ${listed(users)} calls it`, true)];
  return [remove(path)];
}

/** @param users configurations that call Multus, which may name the kubeconfig */
function takeCredentials(cniConfDir: string, users: readonly string[]): UninstalledFile[] {
  const files = [
    ...takeText(kubeconfigPath(cniConfDir), isOurKubeconfig, "not ours", users),
    ...takeText(onDemandConfigPath(cniConfDir), () => true, ""),
  ];
  const isTouched = files.some(({ outcome }) => outcome === "removed");
  return isTouched ? [...files, ...takeIfEmpty(multusDirectory(cniConfDir))] : files;
}

/** A daemon's leftovers: beside its socket, its certificates, and empty directories of its state. @param users configurations that call Multus */
function takeTraces(
  { socketDir, isServed, certDir, cniDir, others = new Set() }: UninstallOptions,
  users: readonly string[],
): UninstalledFile[] {
  const socket = socketPath(socketDir);
  // If a configuration calls Multus, it may be Go multus's.
  if (isServed && !others.has("socketDir")) return [left(socket, "a daemon serves it", users.length === 0)];
  const besideSocket = others.has("socketDir") ? [] : namesIn(socketDir).filter(isDaemonFile);
  const failedDels = join(cniDir, failedDelsDirectory);
  const hasCertificates = !others.has("certDir") && namesIn(certDir).length > 0;
  const certificates = hasCertificates ? certificateFilesIn(certDir) : [];
  if (users.length > 0) {
    return [
      ...(besideSocket.length > 0 ? [left(socketDir, `${listed(users)} may need it`)] : []),
      ...(certificates.length > 0 ? [left(certDir, `${listed(users)} may need it`)] : []),
    ];
  }
  return [
    ...besideSocket.map((name) =>
      name.startsWith(warmUpPrefix) ? removeDirectory(join(socketDir, name)) : remove(join(socketDir, name)),
    ),
    ...(others.has("socketDir")
      ? []
      : [...takeText(join(socketDir, "kubeconfig"), isOurKubeconfig, "not ours"), ...takeIfEmpty(socketDir)]),
    ...(others.has("certDir") ? [] : [...takeNamed(certDir, certificates), ...takeIfEmpty(certDir)]),
    ...(others.has("cniDir")
      ? []
      : [
          // These files only hold counters of the records.
          ...takeNamed(failedDels, namesIn(failedDels)),
          ...[failedDels, join(cniDir, resultsDirectory), join(cniDir, spoolDirectory), cniDir].flatMap(
            takeIfEmpty,
          ),
        ]),
  ];
}

function takeNamed(directory: string, names: readonly string[]): UninstalledFile[] {
  return names.map((name) => remove(join(directory, name)));
}

/** Removes a directory with all that is in it; of a symbolic link, that alone. */
function removeDirectory(path: string): UninstalledFile {
  rmSync(path, { recursive: true, force: true });
  return { path, outcome: "removed", because: "", isPending: false };
}

/** Removes an empty directory; one that a pod has mounted stays. */
function takeIfEmpty(directory: string): UninstalledFile[] {
  try {
    rmdirSync(directory);
    return [{ path: directory, outcome: "removed", because: "", isPending: false }];
  } catch (error) {
    if (staysCodes.includes(systemErrorCode(error) ?? "")) return [];
    throw error;
  }
}

const listed = (paths: readonly string[]) => Array.from(new Set(paths)).join(", ");

function namesIn(directory: string): string[] {
  return ifThere(() => readdirSync(directory).sort()) ?? [];
}
