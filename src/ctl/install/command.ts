/** `multusctl install`: installs the plugin binary on the node; init containers run it. */

import { Command, InvalidArgumentError, Option } from "@commander-js/extra-typings";
import { multusPluginNames } from "../../multus/input/own-plugin.ts";
import { passthruType } from "../../multus/plan/passthru.ts";
import { partPath } from "../node/installation.ts";
import { defaultCniBinDir } from "../node/paths.ts";
import { pluginBinary } from "../node/plugin-binary.ts";
import { architectures, thisArchitecture } from "../node/program.ts";
import { type InstalledFile, installDaemon, installPlugin } from "./install.ts";

export function installCommand() {
  return (
    new Command("install")
      .summary("install the plugin binary on a node")
      .description(
        `Copies the plugin binary into the directory from which a container runtime starts its plugins, as ${multusPluginNames.join(" and as ")}, and as ${passthruType}. It does nothing else: ` +
          "it writes no configuration, starts nothing, and needs only the right to write there.",
      )
      .option("--cni-bin-dir <directory>", "the directory, which must exist", defaultCniBinDir)
      .addOption(
        new Option("--arch <architecture>", "the node's (default: this machine's)").choices(architectures),
      )
      .option("--daemon-bin-dir <directory>", "also put the daemon there, as one executable file: multusd")
      .addOption(new Option("-d, --dest-dir <directory>", "Go multus's name for --cni-bin-dir").hideHelp())
      // Ignored: one binary serves both types.
      .addOption(
        new Option("-t, --type <type>", "of Go multus: thick or thin").argParser(parseType).hideHelp(),
      )
      .allowExcessArguments()
      .addHelpText(
        "after",
        `
Plugins may be running: a file is never written to where it is in use, but takes the place of the old one, whole, on the disk, and after it has said its version. Where it
fails (a full disk, say) the old files are still there. It may run any number of times, also at once.

Under the name passthru it is the plugin that does nothing: ADD gives the result of the plugin before it, or an empty one. multusd needs no file for it; it is for
configurations that others run.

Upgrade from Go multus, and back: a multus, multus-shim or passthru that is not ours is kept beside, as .multus.before-multus-wasm and so on, and "multusctl uninstall"
puts it back. Go multus's own installer can also be run over ours at any time.

Called as install_multus it takes that program's options (--dest-dir, --type; both types get all names).

Examples:
  multusctl install
  sudo multusctl install --cni-bin-dir /opt/cni/bin
  multusctl install --arch arm64 --cni-bin-dir /mnt/node/opt/cni/bin`,
      )
      .action(({ cniBinDir, destDir, arch, daemonBinDir }) => {
        const plugin = pluginBinary(arch ?? thisArchitecture());
        // Looked up before anything is installed: a build may lack it.
        const daemon = daemonBinDir === undefined ? undefined : partPath("multusd");
        report(installPlugin(plugin, destDir ?? cniBinDir));
        if (daemonBinDir !== undefined && daemon !== undefined) report(installDaemon(daemon, daemonBinDir));
      })
  );
}

function parseType(text: string): string {
  if (text !== "thick" && text !== "thin") throw new InvalidArgumentError("It is thick or thin.");
  return text;
}

function report(files: readonly InstalledFile[]): void {
  for (const { path, outcome, former } of files) {
    process.stdout.write(
      `${path}: ${outcome}${former === "" ? "" : `; the former file is kept as ${former}`}\n`,
    );
  }
}
