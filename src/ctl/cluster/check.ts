/** Checks the NetworkAttachmentDefinitions of a cluster, and finds the pods that cannot get their networks. */

import type { JsonObject } from "../../base/json.ts";
import { entryOf } from "../../base/map-entry.ts";
import type { Api } from "../../kube/api.ts";
import { keptPod, lacksStatus } from "../../kube/pods.ts";
import { longestPlan, mostPlugins, usualNetworksPerPod } from "../../multus/input/bounds.ts";
import { networksAnnotation } from "../../multus/input/selection.ts";
import type { CheckContext } from "../configuration/configuration.ts";
import { ownPlaces } from "../configuration/places.ts";
import { type CheckedDefinition, checkDefinition, type DefinitionWeight } from "./definition.ts";
import { type ClusterFinding, type ClusterReport, compareFindings, findingAbout } from "./finding.ts";
import { missingNetworks } from "./missing-networks.ts";
import {
  actionText,
  apiFailure,
  definitions,
  forEachObject,
  forEachPod,
  getObject,
  isForbidden,
  nodes,
  pods,
} from "./objects.ts";
import { lackingDevices, wantedResourceOf } from "./offered-devices.ts";
import { podNetworks, type SelectedDefinition, type SelectionProblem } from "./pod-networks.ts";

export interface ClusterScope {
  /** Address of the API server, for messages. */
  readonly server: string;
  /** undefined: all. */
  readonly namespace: string | undefined;
  /** Namespace of default networks that name none: the netconf's multusNamespace. */
  readonly multusNamespace: string;
  /** The netconf's; undefined: not set. */
  readonly maxNetworksPerPod?: number | undefined;
  /** Milliseconds until the second look at pods without a network-status; undefined: the default. */
  readonly secondLookMs?: number | undefined;
  /** Called with each definition of the list, as it is read. */
  readonly onDefinition?: ((checked: CheckedDefinition) => void) | undefined;
}

/** Field selector of pods: those that have ended get no networks any more. */
export const notEnded = "status.phase!=Succeeded,status.phase!=Failed";

/**
 * Checks all definitions, or those of a namespace, and the pods of the same namespaces. Keeps only the names of valid objects.
 * @throws {UserError} if the definitions cannot be listed; every other failed request becomes a finding
 */
export async function checkCluster(
  api: Api,
  scope: ClusterScope,
  context: CheckContext,
): Promise<ClusterReport> {
  const { server, namespace, onDefinition } = scope;
  /** Findings by `namespace/name` of the definition; empty for a valid one. */
  const checked = new Map<string, readonly ClusterFinding[]>();
  const weights = new Map<string, DefinitionWeight>();
  const wanted = new Map<string, string>();
  const check = (object: JsonObject) => {
    const definition = checkDefinition(object, context);
    const { key, findings, weight } = definition;
    onDefinition?.(definition);
    checked.set(key, findings);
    const resource = findings.some(({ code }) => code === "device-wanted") ? wantedResourceOf(object) : "";
    if (resource !== "") wanted.set(key, resource);
    if (weight !== undefined) weights.set(key, weight);
  };
  try {
    await forEachObject(api, definitions, { namespace }, check);
  } catch (error) {
    throw apiFailure(error, actionText("list", definitions, namespace), server);
  }
  const count = checked.size;

  const ofPods = await readPods(api, scope, (key) => isUsable(checked.get(key)), weights);
  const { users, selecting } = ofPods;
  // Named by pods, but not in the list: in another namespace, created since, or missing.
  for (const [key, named] of users) {
    if (!checked.has(key)) checked.set(key, await lookUp(api, scope, key, named, context));
  }
  const ofDefinitions = Array.from(checked, ([key, found]) => {
    const pods = users.get(key) ?? [];
    return isUsable(found) ? found : found.map((finding) => withPods(finding, pods));
  });
  const ofDevices = await lackingDevices(api, wanted).catch((error: unknown) => {
    throw apiFailure(error, actionText("list", nodes, undefined), server);
  });
  const findings = [...ofDefinitions.flat(), ...ofDevices, ...ofPods.findings].sort(compareFindings);
  return { server, namespace, definitions: count, pods: selecting, findings };
}

function withPods(finding: ClusterFinding, pods: readonly string[]): ClusterFinding {
  return { ...finding, subject: { ...finding.subject, pods } };
}

/** Can pods use the network? @param findings undefined: the definition is unknown */
function isUsable(findings: readonly ClusterFinding[] | undefined): boolean {
  return findings?.every(({ severity }) => severity !== "error") ?? false;
}

interface PodFindings {
  /** The pods that name an unusable definition, by its `namespace/name`. */
  readonly users: ReadonlyMap<string, readonly string[]>;
  /** How many pods select networks. */
  readonly selecting: number;
  readonly findings: readonly ClusterFinding[];
}

/** Checks the pods. @param isKnownUsable of a definition, by `namespace/name` @param weights of the known definitions */
async function readPods(
  api: Api,
  { server, namespace, multusNamespace, maxNetworksPerPod, secondLookMs }: ClusterScope,
  isKnownUsable: (key: string) => boolean,
  weights: ReadonlyMap<string, DefinitionWeight>,
): Promise<PodFindings> {
  const users = new Map<string, string[]>();
  /** Replicas share an annotation, and so its problem. */
  const problems = new Map<string, { readonly first: ClusterFinding; readonly pods: string[] }>();
  const refusals: ClusterFinding[] = [];
  /** By `namespace/name`. */
  const lacking = new Set<string>();
  const ofMissing: ClusterFinding[] = [];
  let selecting = 0;
  try {
    await forEachPod(api, namespace, notEnded, (object) => {
      const pod = podNetworks(object, multusNamespace, maxNetworksPerPod ?? usualNetworksPerPod);
      if (pod === undefined) return;
      selecting += 1;
      const podName = `${pod.namespace}/${pod.name}`;
      if (lacksStatus(keptPod(object))) lacking.add(podName);
      for (const key of pod.definitions) {
        if (!isKnownUsable(key)) entryOf(users, key, () => []).push(podName);
      }
      for (const problem of [...pod.problems, ...planProblems(pod.selected, weights)]) {
        const { code, place, message } = problem;
        const same = `${pod.namespace} ${place.line} ${place.column} ${message}`;
        const subject = { kind: "Pod", namespace: pod.namespace, name: pod.name } as const;
        entryOf(problems, same, () => ({
          first: findingAbout(subject, "error", code, message, place),
          pods: [],
        })).pods.push(podName);
      }
    });
    ofMissing.push(...(await missingNetworks(api, namespace, lacking, secondLookMs)));
  } catch (error) {
    const action = actionText("list", pods, namespace);
    // Many users may list the definitions, which have been checked, but no pods.
    if (!isForbidden(error)) throw apiFailure(error, action, server);
    const message = `the pods that use the definitions are unknown: not allowed to ${action}`;
    refusals.push(findingAbout({ kind: "cluster" }, "error", "pods-not-listed", message));
  }
  const ofPods = Array.from(problems.values(), ({ first, pods }) => withPods(first, pods));
  return { users, selecting, findings: [...ofPods, ...ofMissing, ...refusals] };
}

/** Checks the size of the plan that a daemon would make of a pod's selections, without the cluster network, which depends on the node. */
function planProblems(
  selected: readonly SelectedDefinition[],
  weights: ReadonlyMap<string, DefinitionWeight>,
): readonly SelectionProblem[] {
  let bytes = 0;
  let plugins = 0;
  for (const { key, cniArgs } of selected) {
    const weight = weights.get(key);
    // The plan has them in base64.
    bytes += (weight?.bytes ?? 0) + Math.ceil((cniArgs * (weight?.plugins ?? 0) * 4) / 3);
    plugins += weight?.plugins ?? 0;
  }
  const tooMuch: readonly (readonly [number, number, string])[] = [
    [bytes, longestPlan, "bytes"],
    [plugins, mostPlugins, "plugins"],
  ];
  return tooMuch
    .filter(([has, most]) => has > most)
    .map(([has, most, what]) => {
      const message = `annotation ${networksAnnotation}: its networks make a plan of ${has} ${what}, and at most ${most} are allowed`;
      return { code: "plan-too-large", message, place: ownPlaces().whole };
    });
}

/** Gets a definition that pods name. @param key `namespace/name` @param users the pods */
async function lookUp(
  api: Api,
  { server, namespace: scope }: ClusterScope,
  key: string,
  users: readonly string[],
  context: CheckContext,
): Promise<readonly ClusterFinding[]> {
  const [namespace = "", name = ""] = key.split("/");
  const subject = { kind: "NetworkAttachmentDefinition", namespace, name } as const;
  const isMissing = [
    findingAbout(subject, "error", "definition-missing", "there is no such NetworkAttachmentDefinition"),
  ];
  try {
    const object = await getObject(api, definitions, namespace, name);
    return object === undefined ? isMissing : checkDefinition(object, context).findings;
  } catch (error) {
    if (!isForbidden(error)) throw apiFailure(error, actionText("get", definitions, namespace), server);
    // In a listed namespace the list has shown that it is missing. In another namespace it is unknown.
    if (scope === undefined || scope === namespace) return isMissing;
    const message = `not checked: not allowed to ${actionText("get", definitions, namespace)}`;
    return [findingAbout({ ...subject, pods: users }, "warning", "definition-not-checked", message)];
  }
}
