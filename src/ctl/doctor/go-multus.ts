/** Checks for leftovers of Go multus on the node: its daemon, its kubeconfig. */

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { objectAt } from "../../base/json.ts";
import { CheckFindings, type NodeFinding } from "./finding.ts";
import { processesCalled } from "./processes.ts";

/** The thin plugin's directory, in the runtime's. */
const thinKubeconfig = "multus.d/multus.kubeconfig";

/** @param confDir the runtime's @param kubeconfig that the configuration in use names, "" for none @param processes the directory /proc @param now milliseconds since the epoch */
export function checkGoMultus(
  confDir: string,
  kubeconfig: string,
  processes: string,
  now: number,
): NodeFinding[] {
  const findings = new CheckFindings("go-multus/leftovers");
  const daemons = processesCalled("multus-daemon", processes);
  if (daemons.length > 0) {
    findings.warn(
      `Go multus's daemon runs on this node (process ${daemons.join(", ")})`,
      "both write 00-multus.conf and want the socket: delete its DaemonSet, or keep ours off this node",
    );
  }
  const path = kubeconfig === "" ? join(confDir, thinKubeconfig) : kubeconfig;
  const end = tokenEnd(path);
  if (end !== undefined && end < now) {
    const isUsed = kubeconfig !== "";
    findings.warn(
      `the token in ${path} ended at ${new Date(end).toISOString()}${isUsed ? ", and the configuration names that file" : ""}`,
      isUsed
        ? "its writer has stopped: multusctl thin-entrypoint, or multusctl kubeconfig, keeps one up to date"
        : "it is unused: remove it",
    );
  }
  return findings.orPass("nothing of Go multus is in the way");
}

/** When the token in a kubeconfig expires, in milliseconds since the epoch; undefined without a token that says so. Its signature is not checked. */
export function tokenEnd(path: string): number | undefined {
  try {
    const [, payload = ""] =
      /^\s*"?token"?:\s*"?[\w-]+\.([\w-]+)\.[\w-]+/m.exec(readFileSync(path, "utf8")) ?? [];
    const claims: unknown = JSON.parse(Buffer.from(payload, "base64url").toString("utf8"));
    const { exp: end } = objectAt(claims);
    return typeof end === "number" ? end * 1000 : undefined;
  } catch {
    return undefined;
  }
}
