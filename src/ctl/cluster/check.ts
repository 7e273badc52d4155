/** Checks the NetworkAttachmentDefinitions of a cluster, and finds the pods that cannot get their networks. */

import type { JsonObject } from "../../cni/json.ts";
import type { Api } from "../../kube/api.ts";
import { longestPlan, mostPlugins, usualNetworksPerPod } from "../../multus/input/bounds.ts";
import { networksAnnotation } from "../../multus/input/selection.ts";
import type { CheckContext } from "../configuration/configuration.ts";
import { ownPlaces } from "../configuration/places.ts";
import { checkDefinition, type DefinitionWeight } from "./definition.ts";
import { type ClusterFinding, type ClusterReport, compareFindings, findingAbout } from "./finding.ts";
import { lacksStatus, missingNetworks } from "./missing-networks.ts";
import {
  actionText,
  apiFailure,
  definitions,
  forEachObject,
  forEachPod,
  getObject,
  isForbidden,
  pods,
} from "./objects.ts";
import { podNetworks, type SelectedDefinition, type SelectionProblem } from "./pod-networks.ts";

export interface ClusterScope {
  /** Address of the API server, for messages. */
  readonly server: string;
  /** undefined: all. */
  readonly namespace: string | undefined;
  /** Of a default network that names no namespace: the netconf's multusNamespace. */
  readonly multusNamespace: string;
  /** The netconf's; undefined: not set. */
  readonly maxNetworksPerPod?: number | undefined;
  /** Milliseconds after which pods without a network-status are looked at again; undefined: the usual time. */
  readonly secondLookMs?: number | undefined;
}

/** A pod that has ended gets no networks any more. */
const notEnded = "status.phase!=Succeeded,status.phase!=Failed";

/**
 * Checks all definitions, or those of a namespace, and the pods of the same namespaces. Of objects that are all right nothing but their name is kept.
 * @throws {UserError} where the definitions cannot be listed; what else cannot be asked for becomes a finding
 */
export async function checkCluster(
  api: Api,
  scope: ClusterScope,
  context: CheckContext,
): Promise<ClusterReport> {
  const { server, namespace } = scope;
  /** By `namespace/name`: what is wrong with a definition; nothing where it is all right. */
  const checked = new Map<string, readonly ClusterFinding[]>();
  const weights = new Map<string, DefinitionWeight>();
  const check = (object: JsonObject) => {
    const { key, findings, weight } = checkDefinition(object, context);
    checked.set(key, findings);
    if (weight !== undefined) weights.set(key, weight);
  };
  try {
    await forEachObject(api, definitions, { namespace }, check);
  } catch (error) {
    throw apiFailure(error, actionText("list", definitions, namespace), server);
  }
  const count = checked.size;

  const {
    users,
    selecting,
    findings: ofPods,
  } = await readPods(api, scope, (key) => isUsable(checked.get(key)), weights);
  // Named, but not in the list: of another namespace, made since, or not there at all.
  for (const [key, named] of users) {
    if (!checked.has(key)) checked.set(key, await lookUp(api, scope, key, named, context));
  }
  const ofDefinitions = Array.from(checked, ([key, found]) => {
    const pods = users.get(key) ?? [];
    return isUsable(found) ? found : found.map((finding) => withPods(finding, pods));
  });
  const findings = [...ofDefinitions.flat(), ...ofPods].sort(compareFindings);
  return { server, namespace, definitions: count, pods: selecting, findings };
}

function withPods(finding: ClusterFinding, pods: readonly string[]): ClusterFinding {
  return { ...finding, subject: { ...finding.subject, pods } };
}

/** Can pods have the network? @param findings undefined: nothing is known of it */
function isUsable(findings: readonly ClusterFinding[] | undefined): boolean {
  return findings?.every(({ severity }) => severity !== "error") ?? false;
}

interface PodFindings {
  /** By `namespace/name` of a definition that is not usable: the pods that name it. */
  readonly users: ReadonlyMap<string, readonly string[]>;
  /** How many pods select networks. */
  readonly selecting: number;
  readonly findings: readonly ClusterFinding[];
}

/** Goes through the pods. @param isKnownUsable of a definition, by `namespace/name` @param weights of definitions, as far as they are known */
async function readPods(
  api: Api,
  { server, namespace, multusNamespace, maxNetworksPerPod, secondLookMs }: ClusterScope,
  isKnownUsable: (key: string) => boolean,
  weights: ReadonlyMap<string, DefinitionWeight>,
): Promise<PodFindings> {
  const users = new Map<string, string[]>();
  /** Replicas have one annotation, and one problem, in common. */
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
      if (lacksStatus(object)) lacking.add(podName);
      for (const key of pod.definitions) {
        if (!isKnownUsable(key)) entry(users, key, () => []).push(podName);
      }
      for (const problem of [...pod.problems, ...planProblems(pod.selected, weights)]) {
        const { code, place, message } = problem;
        const same = `${pod.namespace} ${place.line} ${place.column} ${message}`;
        const subject = { kind: "Pod", namespace: pod.namespace, name: pod.name } as const;
        entry(problems, same, () => ({
          first: findingAbout(subject, "error", code, message, place),
          pods: [],
        })).pods.push(podName);
      }
    });
    ofMissing.push(...(await missingNetworks(api, namespace, lacking, secondLookMs)));
  } catch (error) {
    const action = actionText("list", pods, namespace);
    // The definitions have been checked, and many may look at those but not at pods.
    if (!isForbidden(error)) throw apiFailure(error, action, server);
    const message = `which pods use what is not known: not allowed to ${action}`;
    refusals.push(findingAbout({ kind: "cluster" }, "error", "pods-not-listed", message));
  }
  const ofPods = Array.from(problems.values(), ({ first, pods }) => withPods(first, pods));
  return { users, selecting, findings: [...ofPods, ...ofMissing, ...refusals] };
}

/** What is too large in the plan that a daemon would make of a pod's selections; without the cluster network, which is the nodes' matter. */
function planProblems(
  selected: readonly SelectedDefinition[],
  weights: ReadonlyMap<string, DefinitionWeight>,
): readonly SelectionProblem[] {
  let bytes = 0;
  let plugins = 0;
  for (const { key, cniArgs } of selected) {
    const weight = weights.get(key);
    // In the plan they are in base64.
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

function entry<Value>(map: Map<string, Value>, key: string, make: () => Value): Value {
  let value = map.get(key);
  if (value === undefined) {
    value = make();
    map.set(key, value);
  }
  return value;
}

/** Asks for a definition that pods name. @param key `namespace/name` @param users the pods */
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
    // The list that had to have it is as good as an answer; of another namespace nothing is known.
    if (scope === undefined || scope === namespace) return isMissing;
    const message = `not checked: not allowed to ${actionText("get", definitions, namespace)}`;
    return [findingAbout({ ...subject, pods: users }, "warning", "definition-not-checked", message)];
  }
}
