/** `multusctl preflight`: can this cluster switch from Go multus, and what must be changed? It changes nothing. */

import { Command } from "@commander-js/extra-typings";
import type { KnownOption } from "../../command-line/go-flags.ts";
import { loadKernels } from "../../kernels/load.ts";
import { ApiError, ApiUnreachable } from "../../kube/api.ts";
import { printableLines } from "../../log/quoted.ts";
import { openApi } from "../cluster/access.ts";
import { apiFailure } from "../cluster/objects.ts";
import { UserError } from "../command/user-error.ts";
import { examine } from "./examine.ts";
import { answerOf, exitCodes, formatPreflight, preflightJson } from "./finding.ts";

interface PreflightOptions {
  readonly kubeconfig?: string;
  readonly context?: string;
  readonly json?: true;
}

/** @param thinOptions options of the command that stands for Go multus's thin entrypoint */
export function preflightCommand(thinOptions: readonly KnownOption[]) {
  return new Command("preflight")
    .summary("say whether this cluster can switch from Go multus, and what must be changed")
    .description(
      "Looks at a cluster that runs Go multus, and judges each NetworkAttachmentDefinition, its users, Go multus's DaemonSets with their configuration, arguments and " +
        "paths, the programs that use the daemon's socket, and versions. It changes nothing. Exit code 0: it can switch as it is; 1: something has to be changed before; " +
        "2: nothing has to be changed as far as could be seen, and not all could be seen, or the cluster does not answer.",
    )
    .option(
      "--kubeconfig <file>",
      "which cluster (default: KUBECONFIG, else ~/.kube/config, else that of the pod which it runs in)",
    )
    .option("--context <name>", "context of the kubeconfig (default: its current one)")
    .option("--json", "print one JSON object")
    .addHelpText(
      "after",
      `
Verdicts: OK, stays as it is; LOOK, works, and differs in a way that you should know of; CHANGE, has to be changed before; UNKNOWN, it could not be looked at.
It sees the cluster's objects, and nothing of the nodes: whether plugins are installed, multusctl doctor says on a node.

Needed: get and list on network-attachment-definitions.k8s.cni.cncf.io, list on daemonsets.apps, pods and nodes, get on the ConfigMap of Go multus's daemon.

Examples:
  multusctl preflight
  multusctl preflight --context production
  multusctl preflight --json | jq -r '.networks[] | select(.verdict == "change") | .network'`,
    )
    .action((options) => preflight(options, thinOptions));
}

async function preflight(
  { kubeconfig, context, json }: PreflightOptions,
  thinOptions: readonly KnownOption[],
): Promise<void> {
  using access = await openApi(kubeconfig, context, process.env).catch(asUnknown);
  const { api, server, warning } = access;
  if (warning !== "") process.stderr.write(`! ${warning}\n`);
  const report = await examine(api, server, { kernels: loadKernels(), binDirs: [], thinOptions }).catch(
    (error) => {
      const isOfApi = error instanceof ApiUnreachable || error instanceof ApiError;
      return asUnknown(isOfApi ? apiFailure(error, "look at the cluster", server) : error);
    },
  );
  process.stdout.write(
    json
      ? `${JSON.stringify(preflightJson(report), undefined, 2)}\n`
      : printableLines(formatPreflight(report)),
  );
  process.exitCode = exitCodes[answerOf(report)];
}

/** @throws {UserError} with preflight's own exit code */
function asUnknown(error: unknown): never {
  if (!(error instanceof UserError)) throw error;
  throw new UserError(error.message, error.advice, { cause: error, exitCode: exitCodes.unknown });
}
