/** The nodes of a cluster and Multus's pods on them. */

import { type JsonObject, objectAt, objectsIn, textOf } from "../../base/json.ts";
import type { Api } from "../../kube/api.ts";
import {
  actionText,
  apiFailure,
  forEachObject,
  isForbidden,
  pods,
  type Resource,
} from "../cluster/objects.ts";
import type { Form, Owner } from "./daemon-sets.ts";
import { multusContainer } from "./daemon-sets.ts";
import {
  type ContainerFacts,
  inContainer,
  onNode,
  type TemplateFacts,
  templateFacts,
} from "./pod-template.ts";

const nodes: Resource = { base: "/api/v1", name: "nodes" };

/** Which nodes to look at, and where Multus's pods are. */
export interface NodesScope {
  /** Of Multus's DaemonSet. */
  readonly namespace: string;
  /** Names; empty: all. */
  readonly nodes: readonly string[];
}

/** A pod of Multus. */
export interface MultusPod {
  readonly namespace: string;
  readonly name: string;
  readonly node: string;
  readonly owner: Owner;
  readonly form: Form;
  readonly container: ContainerFacts;
  /** Names of all containers, in the order in which they start. */
  readonly containers: readonly string[];
  /** Why its daemon's container cannot be asked: it waits for an image, it crashes …; "" if it runs. */
  readonly notRunning: string;
  readonly isReady: boolean;
  readonly restarts: number;
  /** Paths in the container; undefined: the node's directory is not there. */
  readonly socketDir: string | undefined;
  readonly cniConfDir: string | undefined;
}

export interface ClusterNodes {
  /** Names of nodes with Linux; undefined: these credentials may not list nodes. */
  readonly names: readonly string[] | undefined;
  /** Sorted by node. */
  readonly pods: readonly MultusPod[];
}

/** @param server its address @throws {UserError} if the pods cannot be listed */
export async function readNodes(api: Api, server: string, scope: NodesScope): Promise<ClusterNodes> {
  const found = await readMultusPods(api, server, scope);
  const names = await nodeNames(api, scope).catch((error: unknown) => {
    throw apiFailure(error, actionText("list", nodes, undefined), server);
  });
  return { names, pods: found };
}

function isAsked({ nodes: asked }: NodesScope, node: string): boolean {
  return asked.length === 0 || asked.includes(node);
}

/** @param server its address @returns sorted by node @throws {UserError} if the pods cannot be listed */
export async function readMultusPods(api: Api, server: string, scope: NodesScope): Promise<MultusPod[]> {
  const found: MultusPod[] = [];
  try {
    await forEachObject(api, pods, { namespace: scope.namespace }, (object) => {
      const pod = multusPod(object);
      if (pod !== undefined && isAsked(scope, pod.node)) found.push(pod);
    });
  } catch (error) {
    throw apiFailure(error, actionText("list", pods, scope.namespace), server);
  }
  return found.sort((left, right) => (left.node < right.node ? -1 : 1));
}

/** Names of nodes with Linux; undefined: these credentials may not list nodes. @throws {ApiError} {@link ApiUnreachable} */
export async function nodeNames(api: Api, scope: NodesScope): Promise<string[] | undefined> {
  const names: string[] = [];
  try {
    await forEachObject(api, nodes, { namespace: undefined }, (node) => {
      const { operatingSystem } = objectAt(node, "status", "nodeInfo");
      if (operatingSystem !== "windows") names.push(textOf(objectAt(node, "metadata").name));
    });
    return names.filter((name) => isAsked(scope, name)).sort();
  } catch (error) {
    if (isForbidden(error)) return undefined;
    throw error;
  }
}

/** @returns undefined: it is no pod of Multus, or is on no node yet */
function multusPod(object: JsonObject): MultusPod | undefined {
  const spec = objectAt(object, "spec");
  const template = templateFacts(spec);
  const found = multusContainer(template);
  const node = textOf(spec.nodeName);
  if (found === undefined || node === "") return undefined;
  const { container } = found;
  const { namespace, name } = objectAt(object, "metadata");
  const status = objectAt(object, "status");
  const ofContainer = objectsIn(status.containerStatuses).find((each) => each.name === container.name);
  return {
    namespace: textOf(namespace),
    name: textOf(name),
    node,
    ...found,
    containers: [...template.initContainers, ...template.containers].map((each) => each.name),
    notRunning: notRunning(status, ofContainer),
    isReady: ofContainer?.ready === true,
    restarts: typeof ofContainer?.restartCount === "number" ? ofContainer.restartCount : 0,
    socketDir: inContainer(template, container, "/run/multus"),
    cniConfDir: confDirOf(template, container),
  };
}

/** Go multus's manifests and ours have it there, whatever the node's directory is. */
const usualConfDir = "/host/etc/cni/net.d";

function confDirOf(template: TemplateFacts, container: ContainerFacts): string | undefined {
  return onNode(template, container, usualConfDir) === undefined ? undefined : usualConfDir;
}

function notRunning(status: JsonObject, container: JsonObject | undefined): string {
  const state = objectAt(container, "state");
  if ("running" in state) return "";
  const { reason } = objectAt(state, "waiting" in state ? "waiting" : "terminated");
  // Before a container has a status its init containers run, or wait.
  const ofInit = objectsIn(status.initContainerStatuses)
    .map((each) => textOf(objectAt(each, "state", "waiting").reason))
    .find((each) => each !== "" && each !== "PodInitializing");
  return ofInit ?? (textOf(reason) || textOf(status.reason) || textOf(status.phase) || "unknown");
}
