/** Finds pods that run without the networks that they select: they have no network-status in the API. */

import { setTimeout as sleep } from "node:timers/promises";
import { objectAt, textOf } from "../../base/json.ts";
import type { Api } from "../../kube/api.ts";
import { keptPod, lacksStatus } from "../../kube/pods.ts";
import { type ClusterFinding, findingAbout } from "./finding.ts";
import { forEachPod } from "./objects.ts";

/** A network-status follows its pod's ADD by some milliseconds, so a pod without one gets a second look after this time. */
const usualSecondLookMs = 2_000;

const message =
  "it runs and has no network-status: it was started while the runtime did not call Multus, and lacks the networks that it selects; delete it, so that it is made again. " +
  "(Or its network-status could not be written: multusctl ls on its node shows its attachments then)";

/**
 * Finds the pods that run and still lack a network-status.
 * @param namespace undefined: all
 * @param lacking `namespace/name` of pods that lacked it a moment ago
 * @param secondLookMs milliseconds between the two looks
 * @returns one finding for each namespace
 * @throws {ApiError} {@link ApiUnreachable} as the server answers
 */
export async function missingNetworks(
  api: Api,
  namespace: string | undefined,
  lacking: ReadonlySet<string>,
  secondLookMs = usualSecondLookMs,
): Promise<readonly ClusterFinding[]> {
  if (lacking.size === 0) return [];
  let pods = await runningOf(api, namespace, lacking);
  if (pods.size === 0) return [];
  await sleep(secondLookMs);
  pods = await runningOf(api, namespace, pods);
  const byNamespace = Object.groupBy(pods, (pod) => pod.split("/", 1)[0] ?? "");
  return Object.entries(byNamespace).map(([podNamespace, own = []]) => {
    const name = own[0]?.split("/")[1] ?? "";
    const subject = { kind: "Pod", namespace: podNamespace, name, pods: own } as const;
    return findingAbout(subject, "error", "networks-missing", message);
  });
}

/** The pods that run, have their own network namespace, and lack a network-status. @param among `namespace/name` */
async function runningOf(
  api: Api,
  namespace: string | undefined,
  among: ReadonlySet<string>,
): Promise<ReadonlySet<string>> {
  const running = new Set<string>();
  await forEachPod(api, namespace, "status.phase=Running", (pod) => {
    if (objectAt(pod.spec).hostNetwork === true) return;
    const metadata = objectAt(pod.metadata);
    const key = `${textOf(metadata.namespace)}/${textOf(metadata.name)}`;
    if (among.has(key) && lacksStatus(keptPod(pod))) running.add(key);
  });
  return running;
}
