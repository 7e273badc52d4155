/** `multusctl thin-entrypoint`: the program of a thin DaemonSet's pods, instead of Go multus's thin_entrypoint. */

import { Command } from "@commander-js/extra-typings";
import { loadKernels } from "../../kernels/load.ts";
import { ApiClient } from "../../kube/api-client.ts";
import { inClusterCredentials, isInCluster } from "../../kube/credentials.ts";
import { fateOfDaemonSet } from "../../kube/daemon-set.ts";
import { nodeNameIn } from "../../kube/node-name.ts";
import { ownDaemonSetIn } from "../../kube/own-daemon-set.ts";
import type { Logger } from "../../log/logger.ts";
import { Loggers } from "../../log/loggers.ts";
import { logSettings } from "../../log/settings.ts";
import type { AskForDaemonSet } from "../../runtime-config/removal.ts";
import { Interruption } from "../command/interruption.ts";
import { findPart } from "../node/installation.ts";
import { pluginBinary } from "../node/plugin-binary.ts";
import { thisArchitecture } from "../node/program.ts";
import { ownServiceAccount } from "./service-account-kubeconfig.ts";
import { runThinEntrypoint } from "./thin-entrypoint.ts";
import { addThinOptions, type ThinOptions } from "./thin-options.ts";

export function thinEntrypointCommand() {
  const command = new Command("thin-entrypoint")
    .summary(
      "install on a node without a daemon in a pod, and keep it up to date (Go multus's thin_entrypoint)",
    )
    .description(
      "Installs on the node the plugin binary, a kubeconfig of the pod's service account, the daemon as one executable file that the plugin starts when it is " +
        "called, and last the configuration by which the container runtime finds the plugin. Then it follows changes of the cluster network's file and the service account's token, until " +
        "SIGTERM. Options are those of Go multus's thin_entrypoint; a flag alone is true, --flag=false is false.",
    );
  return addThinOptions(command)
    .allowExcessArguments()
    .addHelpText(
      "after",
      `
auto: counts only with --multus-conf-file=auto. There need not be a cluster network yet: it is waited for.

MULTUS_NODE_NAME in the environment, spec.nodeName of the pod, is the node's name in the cluster: with it the daemon on the node watches the node's pods, and asks the API for each otherwise.

Different from Go multus's: the configuration and the token are followed without --cleanup-config-on-exit, too (--skip-config-watch: neither is); --rename-conf-file with
--cleanup-config-on-exit gives the file its name again at the end; an error ends with exit code 1. --restart-crio is accepted, and nothing is restarted: CRI-O sees new configurations
by itself.

Examples:
  multusctl thin-entrypoint --multus-conf-file=auto --cleanup-config-on-exit
  multusctl thin-entrypoint --namespace-isolation --global-namespaces=default,shared --multus-log-level=verbose
  multusctl thin-entrypoint --daemon-command=none --skip-multus-binary-copy`,
    )
    .action(run);
}

/** @returns undefined if the environment names no DaemonSet of this pod */
function askForDaemonSet(log: Logger): AskForDaemonSet | undefined {
  const own = ownDaemonSetIn(process.env);
  if (own === undefined || !isInCluster()) return undefined;
  return async (withinMs) => {
    const api = new ApiClient(inClusterCredentials(log));
    // No watch proves the rights here, so a refusal is no answer.
    const fate = await fateOfDaemonSet({ api, own, isPodEnding: () => false, withinMs });
    api.close();
    return { isWanted: fate.isEnding, because: fate.because };
  };
}

async function run(options: ThinOptions): Promise<void> {
  const log = new Loggers().get(logSettings({ logLevel: "verbose" }));
  using interruption = new Interruption();
  if (options.restartCrio)
    log.verbose("--restart-crio has no effect: CRI-O sees new configurations by itself");
  await runThinEntrypoint(
    options,
    {
      kernels: loadKernels,
      log,
      serviceAccount: ownServiceAccount(options.skipTlsVerify),
      pluginBinary: () => pluginBinary(thisArchitecture()),
      daemonExecutable: findPart("multusd"),
      nodeName: nodeNameIn(process.env),
      daemonSet: askForDaemonSet(log),
    },
    interruption.signal,
  );
}
