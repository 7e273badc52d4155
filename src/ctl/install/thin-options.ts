/** Options of `multusctl thin-entrypoint`, with the names and defaults of Go multus's thin entrypoint, and the settings that they make. */

import { existsSync } from "node:fs";
import { type Command, InvalidArgumentError, Option } from "@commander-js/extra-typings";
import type { JsonObject } from "../../base/json.ts";
import { goBoolean } from "../../command-line/go-flags.ts";
import { parseLogLevel } from "../../log/settings.ts";
import { defaultPluginType, type GeneratorOptions } from "../../runtime-config/generate.ts";
import { ownershipKeys } from "../../runtime-config/ownership.ts";
import type { CleanupOnExit } from "../../runtime-config/removal.ts";
import { defaultCniBinDir, defaultCniConfDir, pathOnNode } from "../node/paths.ts";

/** Path of the binary in Go multus's image, which manifests for it name. */
const goPluginFile = "/usr/src/multus-cni/bin/multus";
/** Multus's own default for confDir. */
const defaultConfDir = "/etc/cni/multus/net.d";

export type ThinOptions = ReturnType<ReturnType<typeof addThinOptions>["opts"]>;

/** @returns the command, with the options */
export function addThinOptions(command: Command) {
  return command
    .option(
      "--cni-bin-dir <directory>",
      "directory for the plugin binary, which must exist",
      defaultCniBinDir,
    )
    .option(
      "--cni-conf-dir <directory>",
      "directory for the runtime's configuration, which must exist",
      defaultCniConfDir,
    )
    .option(
      "--multus-conf-file <file>",
      "auto: generated from the cluster network's; or a file to copy",
      "auto",
    )
    .option(
      "--multus-autoconfig-dir <directory>",
      "auto: directory of the cluster network's file",
      defaultCniConfDir,
    )
    .option(
      "--multus-master-cni-file-name <name>",
      "auto: its name (default: the first .conf or .conflist)",
      "",
    )
    .option(
      "--cni-version <version>",
      "auto: the version that the runtime uses (default: the cluster network's)",
      "",
    )
    .addOption(flag("--force-cni-version", "auto: run the cluster network in --cni-version as well"))
    .addOption(flag("--override-network-name", "auto: the network has the cluster network's name"))
    .addOption(flag("--rename-conf-file", "auto: rename the cluster network's file to .old after reading it"))
    .option(
      "--multus-kubeconfig-file-host <file>",
      "auto: kubeconfig, as its path on the node",
      "/etc/cni/net.d/multus.d/multus.kubeconfig",
    )
    .addOption(flag("--namespace-isolation", "auto: namespaceIsolation"))
    .option("--global-namespaces <names>", "auto: globalNamespaces, comma separated", "")
    .option("--readiness-indicator-file <file>", "auto: readinessindicatorfile, as its path on the node", "")
    .option("--additional-bin-dir <directory>", "auto: binDir, as its path on the node", "")
    .option(
      "--multus-cni-conf-dir <directory>",
      "auto: confDir; a leading /host is removed",
      `/host${defaultConfDir}`,
    )
    .addOption(
      new Option("--multus-log-level <level>", "auto: logLevel: debug, verbose, error or panic")
        .argParser(logLevel)
        .default(""),
    )
    .option("--multus-log-file <file>", "auto: logFile, as its path on the node", "")
    .addOption(flag("--multus-log-to-stderr", "auto: logToStderr", true))
    .option("--multus-bin-file <file>", "another plugin binary than this build's")
    .addOption(flag("--skip-multus-binary-copy", "install no plugin binary"))
    .addOption(flag("--skip-config-watch", "do not follow the cluster network's file and the token"))
    .addOption(
      new Option(
        "--cleanup-config-on-exit [when]",
        "remove the runtime's configuration on SIGTERM: true, false, or auto, which is only if the DaemonSet is deleted",
      )
        .argParser((text): CleanupOnExit => (text === "auto" ? text : boolean(text)))
        .preset("true")
        .default(false),
    )
    .addOption(flag("--skip-tls-verify", "kubeconfig: do not verify the API server's certificate"))
    .option(
      "--daemon-command <words>",
      "auto: daemonCommand, words separated by blanks, the program as its path on the node; none: there is a daemon on the node",
    )
    .option(
      "--daemon-bin-dir <directory>",
      "directory for multusd, the daemon as one executable file (default: --cni-bin-dir)",
    )
    .addOption(flag("--restart-crio", "of older releases of Go multus").hideHelp());
}

/** A switch in the forms of Go's flags: `--x`, `--x=true`, `--x=false`. */
function flag<Name extends string>(name: Name, description: string, standard = false) {
  return new Option(`${name} [boolean]`, description).argParser(boolean).preset("true").default(standard);
}

function boolean(text: string): boolean {
  const value = goBoolean(text);
  if (value !== undefined) return value;
  throw new InvalidArgumentError("It is true or false.");
}

function logLevel(text: string): string {
  if (text !== "" && parseLogLevel(text) === undefined) {
    throw new InvalidArgumentError("It is debug, verbose, error or panic.");
  }
  return text.toLowerCase();
}

/** The named binary; undefined for this build's. A manifest may name that of Go multus's image, which ours lacks. */
export function namedPluginBinary({ multusBinFile }: ThinOptions): string | undefined {
  return multusBinFile === goPluginFile && !existsSync(goPluginFile) ? undefined : multusBinFile;
}

/** @param daemonCommand with which the plugin starts a daemon; [] if it starts none */
export function generatorOptions(options: ThinOptions, daemonCommand: readonly string[]): GeneratorOptions {
  return {
    form: "thin",
    type: defaultPluginType,
    cniVersion: options.cniVersion,
    forceCniVersion: options.forceCniVersion,
    overrideNetworkName: options.overrideNetworkName,
    capabilities: {},
    netconfKeys: netconfKeys(options, daemonCommand),
  };
}

function netconfKeys(options: ThinOptions, daemonCommand: readonly string[]): JsonObject {
  const given = (text: string) => (text === "" ? undefined : text);
  const confDir = pathOnNode(options.multusCniConfDir);
  return {
    ...ownershipKeys,
    kubeconfig: options.multusKubeconfigFileHost,
    daemonCommand: daemonCommand.length === 0 ? undefined : daemonCommand,
    namespaceIsolation: options.namespaceIsolation || undefined,
    globalNamespaces: given(options.globalNamespaces),
    logToStderr: options.multusLogToStderr ? undefined : false,
    logLevel: given(options.multusLogLevel),
    logFile: given(options.multusLogFile),
    binDir: given(options.additionalBinDir),
    confDir: confDir === defaultConfDir ? undefined : given(confDir),
    readinessindicatorfile: given(options.readinessIndicatorFile),
  };
}
