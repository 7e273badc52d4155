/** `multusctl approve-certs`: approves the certificates that daemons request (perNodeCertificate). */

import { Command, Option } from "@commander-js/extra-typings";
import packageJson from "../../../package.json" with { type: "json" };
import { defaultLongestDuration } from "../../kube/certificates/duration.ts";
import { multusGroup, signerName } from "../../kube/certificates/identity.ts";
import { errorText } from "../../log/error-text.ts";
import type { LogLevel } from "../../log/logger.ts";
import { Loggers } from "../../log/loggers.ts";
import { logLevels, logSettings } from "../../log/settings.ts";
import { openApi } from "../cluster/access.ts";
import { parseCertificateDuration } from "../command/certificate-duration.ts";
import { Interruption, untilInterrupted } from "../command/interruption.ts";

export function approveCertsCommand() {
  return new Command("approve-certs")
    .summary("approve the certificates of the nodes' daemons, until SIGTERM")
    .description(
      "Watches the cluster's CertificateSigningRequests and decides about those for " +
        `${multusGroup}:NODE, which multusd creates if its configuration enables perNodeCertificate. It runs once in a cluster, as ` +
        "the Deployment of deploy/components/per-node-certificate; a second one does no harm.",
    )
    .option(
      "--kubeconfig <file>",
      "which cluster (default: KUBECONFIG, else ~/.kube/config, else that of the pod which it runs in)",
    )
    .option("--context <name>", "context of the kubeconfig (default: its current one)")
    .addOption(
      new Option(
        "--max-duration <duration>",
        "the longest certificate that is approved; longer ones are denied",
      )
        .argParser(parseCertificateDuration)
        .default(parseCertificateDuration(defaultLongestDuration), defaultLongestDuration),
    )
    .addOption(
      new Option("--log-level <level>", "level of messages on stderr").choices(logLevels).default("verbose"),
    )
    .addHelpText(
      "after",
      `
A request is approved if all of this is true, and denied otherwise, with the reason in its condition:
  - it was made by the node itself (system:node:NODE in group system:nodes), or by its daemon (${multusGroup}:NODE in group ${multusGroup})
  - its subject is CN=${multusGroup}:NODE, O=${multusGroup} for the same NODE, and there is such a node in the cluster
  - its signer is ${signerName}, its usages are digital signature and client auth, and it asks for --max-duration at most
  - its key is strong, its signature is that of the key, and it asks for no extensions
Requests of others, and those for other signers, are left alone.

It can replace Go multus's cert-approver, under that name as well. Needed rights: get, list and watch on certificatesigningrequests, update on
certificatesigningrequests/approval, approve on the signer ${signerName}, get on nodes. Without the last one, which Go multus's role lacks, it logs that once and does not look for
the node. Go multus's approves certificates of up to a year: so does this one with --max-duration 8760h.

Examples:
  multusctl approve-certs
  multusctl approve-certs --kubeconfig /etc/kubernetes/admin.conf --log-level debug
  kubectl get csr --field-selector spec.signerName=${signerName}`,
    )
    .action(({ kubeconfig, context, maxDuration, logLevel }) =>
      approve(kubeconfig, context, maxDuration, logLevel),
    );
}

/** Runs until a signal. @throws {UserError} if there is no kubeconfig, or it cannot be used */
async function approve(
  kubeconfig: string | undefined,
  context: string | undefined,
  mostSeconds: number,
  logLevel: LogLevel,
): Promise<void> {
  using access = await openApi(kubeconfig, context, process.env);
  const { api, server, warning } = access;
  const log = new Loggers().get(logSettings({ logLevel, logToStderr: true }));
  if (warning !== "") log.error(warning);
  log.verbose("approver starts", { version: packageJson.version, server, maxDuration: `${mostSeconds}s` });
  // Loaded here: it imports the ASN.1 library.
  const { Approver } = await import("./approver.ts");
  const approver = new Approver({ api, log, mostSeconds });
  using interruption = new Interruption();
  await untilInterrupted(interruption.signal);
  log.verbose("approver stops", { because: errorText(interruption.signal.reason) });
  approver.close();
}
