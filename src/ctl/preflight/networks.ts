/** Judges every NetworkAttachmentDefinition, and the selections of pods. */

import { entryOf } from "../../base/map-entry.ts";
import type { Api } from "../../kube/api.ts";
import { checkCluster } from "../cluster/check.ts";
import type { ClusterFinding } from "../cluster/finding.ts";
import type { CheckContext } from "../configuration/configuration.ts";
import type { JudgedNetwork, PreflightFinding, Verdict } from "./finding.ts";

/** Findings that are no problem in themselves, and that a node or Go multus decides otherwise. */
const toLookAt = new Set<ClusterFinding["code"]>(["config-from-file", "device-wanted"]);

/** Errors that the cluster has with Go multus as well: they do not keep it from switching. */
const alsoWithGo = new Set<ClusterFinding["code"]>(["definition-missing", "networks-missing"]);

const devicesDiffer =
  "with Go multus a pod that has fewer devices than its networks want starts without them; here it does not start";

export interface NetworkVerdicts {
  readonly networks: readonly JudgedNetwork[];
  readonly findings: readonly PreflightFinding[];
}

/**
 * @param usersOf names of the pods that select a network, by `namespace/name`
 * @throws {UserError} if the definitions cannot be listed
 */
export async function judgeNetworks(
  api: Api,
  server: string,
  context: CheckContext,
  usersOf: ReadonlyMap<string, readonly string[]>,
): Promise<NetworkVerdicts> {
  const plugins = new Map<string, readonly string[]>();
  const found = new Map<string, ClusterFinding[]>();
  const { findings } = await checkCluster(
    api,
    {
      server,
      namespace: undefined,
      multusNamespace: "kube-system",
      onDefinition: ({ key, plugins: types }) => plugins.set(key, types),
    },
    context,
  );
  const others: PreflightFinding[] = [];
  for (const finding of findings) {
    const { kind, namespace, name } = finding.subject;
    const key = `${namespace}/${name}`;
    if (kind === "NetworkAttachmentDefinition" && plugins.has(key)) {
      entryOf(found, key, () => []).push(finding);
    } else others.push(ofPod(finding));
  }
  const networks = Array.from(plugins, ([network, types]): JudgedNetwork => {
    const own = found.get(network) ?? [];
    return {
      network,
      verdict: worst(own.map(verdictOn)),
      plugins: types,
      pods: [...(usersOf.get(network) ?? [])].sort(),
      messages: own.filter((each) => verdictOn(each) !== "ok").map(messageOf),
    };
  }).sort((left, right) => (left.network < right.network ? -1 : 1));
  return { networks, findings: others };
}

function verdictOn({ severity, code }: ClusterFinding): Verdict {
  if (code === "pods-not-listed") return "unknown";
  if (severity === "error") return alsoWithGo.has(code) ? "look" : "change";
  return severity === "warning" || toLookAt.has(code) ? "look" : "ok";
}

function messageOf({ code, message, place }: ClusterFinding): string {
  const at = place === undefined ? "" : ` (line ${place.line}, column ${place.column})`;
  return code === "device-wanted" ? `${message}: ${devicesDiffer}` : `${message}${at}`;
}

/** Of a pod, of a definition that pods name and that is not there, or of the list of pods. */
function ofPod(finding: ClusterFinding): PreflightFinding {
  const { kind, namespace, name, pods } = finding.subject;
  const users = pods.length > 1 ? `, and ${pods.length - 1} more pods` : "";
  const subject =
    kind === "cluster"
      ? ""
      : kind === "Pod"
        ? `pod ${namespace}/${name}${users}`
        : `network ${namespace}/${name}, selected by ${pods.length === 1 ? pods[0] : `${pods.length} pods`}`;
  const remedy = alsoWithGo.has(finding.code) ? "it is so with Go multus as well" : "";
  return { area: "pods", subject, verdict: verdictOn(finding), message: messageOf(finding), remedy };
}

function worst(verdicts: readonly Verdict[]): Verdict {
  const order: readonly Verdict[] = ["change", "unknown", "look"];
  return order.find((each) => verdicts.includes(each)) ?? "ok";
}
