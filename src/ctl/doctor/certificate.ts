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
import { fail, type NodeFinding, pass, skip, warn } from "./finding.ts";

const check = "daemon/certificate";
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
  const path = currentCertificatePath(certDir);
  const another = `remove ${path} and restart the daemon: it requests another one`;
  let pair: CertificatePair | undefined;
  try {
    pair = readCurrentPair(certDir);
  } catch (error) {
    if (!(error instanceof InputError)) throw error;
    return error.kind === "file"
      ? [skip(check, error.message, "run it with sudo")]
      : [fail(check, error.message, another)];
  }
  if (pair === undefined) {
    return [
      warn(
        check,
        `${certDir} has no certificate: with perNodeCertificate the daemon cannot reach the cluster without one`,
        approval,
      ),
    ];
  }
  const findings = [
    ...(nodeName !== "" && pair.subject !== subjectOf(multusUser(nodeName))
      ? [fail(check, `${path} is that of ${pair.subject}, and this node is ${nodeName}`, another)]
      : []),
    ...checkTimes(path, pair, now),
  ];
  if ((statSync(path).mode & 0o077) !== 0) {
    findings.push(
      warn(
        check,
        `${path} is accessible to other users: with its key they can act as this node's daemon`,
        `chmod 0600 ${path}`,
      ),
    );
  }
  return findings.length > 0
    ? findings
    : [pass(check, `${path} is that of ${pair.subject}, good for ${formatAge((pair.until - now) / 1000)}`)];
}

function checkTimes(path: string, pair: CertificatePair, now: number): NodeFinding[] {
  const time = (milliseconds: number) => new Date(milliseconds).toISOString();
  if (now < pair.from) {
    return [
      fail(
        check,
        `${path} is good from ${time(pair.from)} on, and this machine's clock says ${time(now)}`,
        "have chrony or systemd-timesyncd set the clock: with a wrong one no certificate is valid, including the API server's",
      ),
    ];
  }
  if (now >= pair.until) {
    return [fail(check, `${path} ended at ${time(pair.until)}: the API server refuses the daemon`, approval)];
  }
  const due = renewalTime(pair, 0);
  // A renewal takes seconds. Half of the remaining time is a margin for an API server that is unavailable for a while.
  if (now < (due + pair.until) / 2) return [];
  return [
    warn(
      check,
      `${path} was to be renewed by ${time(due)}, and ends at ${time(pair.until)}: then the daemon loses the cluster`,
      approval,
    ),
  ];
}
