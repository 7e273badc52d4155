/** Checks the certificate of this node's daemon (perNodeCertificate): is it valid, this node's, and renewed in time? */

import { existsSync, readFileSync, statSync } from "node:fs";
import { dirname } from "node:path";
import { InputError } from "../../base/input-error.ts";
import {
  type CertificatePair,
  currentCertificatePath,
  readCurrentPair,
  subjectOf,
} from "../../kube/certificates/certificate-file.ts";
import { multusUser } from "../../kube/certificates/identity.ts";
import { renewalTime } from "../../kube/certificates/validity.ts";
import { formatAge } from "../text/quantities.ts";
import { CheckFindings, type NodeFinding } from "./finding.ts";

const approval =
  "the daemon's log says why; kubectl get csr shows whether its request is pending: it needs an approver (multusctl approve-certs)";

/** The directory of the certificate that a kubeconfig names (multusctl kubeconfig, Go multus's kubeconfig_generator); undefined if it names neither. */
export function certDirOf(kubeconfig: string): string | undefined {
  let text: string;
  try {
    text = readFileSync(kubeconfig, "utf8");
  } catch {
    return undefined;
  }
  const [, path = ""] = /^\s*"?client-certificate"?:\s*"?([^"\n]+?)"?,?\s*$/m.exec(text) ?? [];
  return path !== "" && path === currentCertificatePath(dirname(path)) ? dirname(path) : undefined;
}

/**
 * @param nodeName of the node in the cluster; "" if unknown
 * @param now milliseconds since the epoch
 * @returns nothing if there is no such directory: the daemon has other credentials
 */
export function checkCertificate(certDir: string, nodeName: string, now: number): NodeFinding[] {
  if (!existsSync(certDir)) return [];
  const findings = new CheckFindings("daemon/certificate");
  const path = currentCertificatePath(certDir);
  const another = `remove ${path} and restart the daemon: it requests another one`;
  let pair: CertificatePair | undefined;
  try {
    pair = readCurrentPair(certDir);
  } catch (error) {
    if (!(error instanceof InputError)) throw error;
    return error.kind === "file"
      ? findings.skip(error.message, "run it with sudo")
      : findings.fail(error.message, another);
  }
  if (pair === undefined) {
    return findings.warn(
      `${certDir} has no certificate: with perNodeCertificate the daemon cannot reach the cluster without one`,
      approval,
    );
  }
  if (nodeName !== "" && pair.subject !== subjectOf(multusUser(nodeName))) {
    findings.fail(`${path} is that of ${pair.subject}, and this node is ${nodeName}`, another);
  }
  checkTimes(findings, path, pair, now);
  if ((statSync(path).mode & 0o077) !== 0) {
    findings.warn(
      `${path} is accessible to other users: with its key they can act as this node's daemon`,
      `chmod 0600 ${path}`,
    );
  }
  return findings.orPass(
    `${path} is that of ${pair.subject}, good for ${formatAge((pair.until - now) / 1000)}`,
  );
}

function checkTimes(findings: CheckFindings, path: string, pair: CertificatePair, now: number): void {
  const time = (milliseconds: number) => new Date(milliseconds).toISOString();
  const due = renewalTime(pair, 0);
  if (now < pair.from) {
    findings.fail(
      `${path} is good from ${time(pair.from)} on, and this machine's clock says ${time(now)}`,
      "have chrony or systemd-timesyncd set the clock: with a wrong one no certificate is valid, including the API server's",
    );
  } else if (now >= pair.until) {
    findings.fail(`${path} ended at ${time(pair.until)}: the API server refuses the daemon`, approval);
  } else if (now >= (due + pair.until) / 2) {
    // A renewal takes seconds. Half of the remaining time is a margin for an API server that is unavailable for a while.
    findings.warn(
      `${path} was to be renewed by ${time(due)}, and ends at ${time(pair.until)}: then the daemon loses the cluster`,
      approval,
    );
  }
}
