/** multusctl's commands, in the order of its help. */

import type { CommandUnknownOpts } from "@commander-js/extra-typings";
import { approveCertsCommand } from "./approve-certs/command.ts";
import { benchCommand } from "./bench/command.ts";
import { bundleCommand } from "./bundle/command.ts";
import { devicesCommand } from "./devices/command.ts";
import { doctorCommand } from "./doctor/command.ts";
import { optionsOf } from "./go-programs.ts";
import { installCommand } from "./install/command.ts";
import { kubeconfigCommand } from "./install/kubeconfig-command.ts";
import { thinEntrypointCommand } from "./install/thin-command.ts";
import { uninstallCommand } from "./install/uninstall-command.ts";
import { listCommand } from "./ls/command.ts";
import { preflightCommand } from "./preflight/command.ts";
import { probeCommand } from "./probe/command.ts";
import { statusCommand } from "./status/command.ts";
import { tryCommand } from "./try/command.ts";
import { validateCommand } from "./validate/command.ts";

/** @param ofCluster are status and doctor of all nodes if nothing else is said? They are as kubectl's plugin. */
export function commands(ofCluster = false): CommandUnknownOpts[] {
  const thinEntrypoint = thinEntrypointCommand();
  return [
    tryCommand(),
    benchCommand(),
    validateCommand(),
    preflightCommand(optionsOf(thinEntrypoint)),
    listCommand(),
    devicesCommand(),
    statusCommand(ofCluster),
    probeCommand(),
    doctorCommand(ofCluster),
    bundleCommand(),
    approveCertsCommand(),
    installCommand(),
    uninstallCommand(),
    thinEntrypoint,
    kubeconfigCommand(),
  ];
}
