/** `multusctl probe`: runs the kubelet's probes by hand. It runs the plugin binary, as the kubelet does. */

import { spawnSync } from "node:child_process";
import { Command } from "@commander-js/extra-typings";
import { UserError } from "../command/user-error.ts";
import { defaultSocketDir } from "../node/installation.ts";
import { placeHere } from "../node/paths.ts";
import { pluginBinary } from "../node/plugin-binary.ts";
import { thisArchitecture } from "../node/program.ts";

export function probeCommand() {
  return new Command("probe")
    .summary("run the kubelet's probes of the daemon")
    .description(
      "live, startup: does the daemon answer? ready: can it serve, or why not? Prints one line. Exit code 0 is yes, 1 is no or no answer in time.",
    )
    .argument("<question>", "live, ready or startup")
    .option(
      "--socket-dir <directory>",
      "socketDir of the daemon's configuration",
      placeHere(defaultSocketDir),
    )
    .option("--timeout <seconds>", "seconds that the answer may take, 1 to 60", "5")
    .addHelpText(
      "after",
      `
The pods' probes run the plugin itself, which starts in a millisecond: /opt/multus/multus probe ready --socket-dir /host/run/multus

Examples:
  sudo multusctl probe ready
  multusctl probe live --timeout 10`,
    )
    .action((question, { socketDir, timeout }) => ask(question, socketDir, timeout));
}

/** @throws {UserError} if there is no plugin binary that could ask */
function ask(question: string, socketDir: string, timeout: string): void {
  const words = ["probe", question, "--socket-dir", socketDir, "--timeout", timeout];
  const { status, error } = spawnSync(pluginBinary(thisArchitecture()), words, { stdio: "inherit", env: {} });
  if (error !== undefined) {
    throw new UserError(`the plugin cannot be run: ${error.message}`, "is it for this machine?");
  }
  process.exitCode = status ?? 1;
}
