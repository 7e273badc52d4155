/** multusctl's commands, in the order of its help. */

import type { CommandUnknownOpts } from "@commander-js/extra-typings";
import { approveCertsCommand } from "./approve-certs/command.ts";
import { benchCommand } from "./bench/command.ts";
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

export function commands(): CommandUnknownOpts[] {
  const thinEntrypoint = thinEntrypointCommand();
  return [
    tryCommand(),
    benchCommand(),
    validateCommand(),
    preflightCommand(optionsOf(thinEntrypoint)),
    listCommand(),
    devicesCommand(),
    statusCommand(),
    probeCommand(),
    doctorCommand(),
    approveCertsCommand(),
    installCommand(),
    uninstallCommand(),
    thinEntrypoint,
    kubeconfigCommand(),
  ];
}
