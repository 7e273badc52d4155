/** Asks the daemons of many nodes at once, each by multusctl in its pod: one that does not answer stops no other. */

import { isDeeperThan, type JsonObject, objectIn } from "../../base/json.ts";
import { ApiError, ApiUnreachable } from "../../kube/api.ts";
import { bounded } from "../../log/quoted.ts";
import type { ClusterAccess } from "../cluster/access.ts";
import { isForbidden } from "../cluster/objects.ts";
import type { ClusterNodes, MultusPod } from "./nodes.ts";

/** Nodes that are asked at once. */
const atOnce = 16;
const longestOutput = 8 << 20;
/** Containers within each other in what multusctl prints; its own answers have some ten. */
const deepestAnswer = 20;
/** Characters of an error: the API server says the cause last. */
const longestProblem = 800;

/** A node, and what multusctl prints in its daemon's pod. */
export interface NodeAnswer<Answer> {
  readonly node: string;
  /** Name of the pod; "" if there is none. */
  readonly pod: string;
  /** undefined: see `problem`. */
  readonly answer: Answer | undefined;
  /** Why there is none: the pod does not run, there is none, it is Go multus's …; "" if there is one. */
  readonly problem: string;
  /** Does nothing have to answer there? Of thin, whose daemon is started on the node when it is needed. */
  readonly isOnDemand: boolean;
}

/** Calls `work` with each value, at most {@link atOnce} at the same time. @returns in the order of the values */
export async function forAllNodes<Value, Result>(
  values: readonly Value[],
  work: (value: Value) => Promise<Result>,
): Promise<Result[]> {
  const results = new Map<number, Result>();
  const remaining = values.entries();
  const worker = async () => {
    for (const [index, value] of remaining) results.set(index, await work(value));
  };
  await Promise.all(Array.from({ length: Math.min(atOnce, values.length) }, worker));
  return values.flatMap((_, index) => {
    const result = results.get(index);
    return result === undefined ? [] : [result];
  });
}

/**
 * @param command of multusctl and its options, without those for a pod's directories and `--json`
 * @param read what it prints, a JSON object that is not deep; undefined: it is not in a form that this release knows
 * @param timeoutMs milliseconds for each node
 */
export async function askNodes<Answer>(
  access: ClusterAccess,
  { names, pods }: ClusterNodes,
  command: (pod: MultusPod) => readonly string[],
  read: (printed: JsonObject) => Answer | undefined,
  timeoutMs: number,
): Promise<NodeAnswer<Answer>[]> {
  const asked = await forAllNodes(pods, (pod) => askPod(access, pod, command(pod), read, timeoutMs));
  const without = (names ?? []).filter((name) => pods.every(({ node }) => node !== name));
  return [
    ...asked,
    ...without.map((node) => {
      return { node, pod: "", answer: undefined, problem: "no pod of Multus", isOnDemand: false };
    }),
  ].sort((left, right) => (left.node < right.node ? -1 : 1));
}

async function askPod<Answer>(
  access: ClusterAccess,
  pod: MultusPod,
  command: readonly string[],
  read: (printed: JsonObject) => Answer | undefined,
  timeoutMs: number,
): Promise<NodeAnswer<Answer>> {
  const about = { node: pod.node, pod: pod.name, isOnDemand: false };
  const without = (problem: string) => ({ ...about, answer: undefined, problem });
  if (pod.notRunning !== "") return without(`the pod does not run: ${pod.notRunning}`);
  if (pod.form === "thin") {
    const whose = pod.owner === "ours" ? "thin: the daemon is started on the node" : "Go multus, thin";
    return { ...without(whose), isOnDemand: pod.owner === "ours" };
  }
  try {
    const { stdout, stderr, exitCode } = await access.exec({
      namespace: pod.namespace,
      pod: pod.name,
      container: pod.container.name,
      command: ["multusctl", ...command, "--json"],
      timeoutMs,
      maxBytes: longestOutput,
    });
    const printed = objectIn(stdout.toString());
    const answer = printed && !isDeeperThan(printed, deepestAnswer) ? read(printed) : undefined;
    if (answer !== undefined) return { ...about, answer, problem: "" };
    if (printed !== undefined)
      return without("multusctl in the pod answers in a form that is not known here");
    return without(`multusctl in the pod ended with ${exitCode}: ${bounded(stderr.toString().trim())}`);
  } catch (error) {
    return without(problemOf(error, pod));
  }
}

/** @throws other errors than those of the API */
function problemOf(error: unknown, { namespace, owner }: MultusPod): string {
  if (isForbidden(error)) return `not allowed to get and create pods/exec in namespace ${namespace}`;
  if (error instanceof ApiError) {
    return owner === "go" ? "Go multus, thick: it has no multusctl" : bounded(error.message, longestProblem);
  }
  if (error instanceof ApiUnreachable) return bounded(error.message, longestProblem);
  throw error;
}

/** Options of multusctl for the directories of the node in a pod. */
export function podDirectories({ socketDir, cniConfDir }: MultusPod, takesConfDir: boolean): string[] {
  return [
    ...(socketDir === undefined ? [] : ["--socket-dir", socketDir]),
    ...(takesConfDir && cniConfDir !== undefined ? ["--cni-conf-dir", cniConfDir] : []),
  ];
}
