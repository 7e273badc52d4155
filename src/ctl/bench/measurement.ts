/** The measured quantities of a benchmark: pods that are started and stopped, and how the times of one come about. */

import type { RequestTiming } from "../../socket/status.ts";

/** One pod, once. */
export interface PodSample {
  /** Milliseconds of ADD, or with a runtime of RunPodSandbox. */
  readonly add: number;
  /** Milliseconds of DEL, or with a runtime of StopPodSandbox. undefined: somebody else had stopped the pod. */
  readonly del: number | undefined;
  /** The daemon's account of both; undefined where it has none: another multus, or it had to forget some of many. */
  readonly addTiming: RequestTiming | undefined;
  readonly delTiming: RequestTiming | undefined;
}

/** Pods that were started at once, and then stopped at once. */
export interface Batch {
  readonly pods: readonly PodSample[];
  /** Milliseconds from the first call to the last answer. */
  readonly addAll: number;
  readonly delAll: number;
}

/** `multus`: ours. `peer`: another multus, or another runtime handler. `cluster-network`: the cluster network's plugins, without any multus. */
export type SubjectKind = "multus" | "peer" | "cluster-network";

/** One of the ways to start a pod that are compared. */
export interface Subject {
  readonly name: string;
  readonly kind: SubjectKind;
  /**
   * Starts so many pods at once, waits for all, and stops them at once.
   * @throws {UserError} naming the pod, if one is not started or not stopped
   */
  run(pods: number): Promise<Batch>;
}

/** All batches of one subject and one number of pods, round by round. */
export interface Series {
  readonly subject: Subject;
  readonly pods: number;
  readonly batches: Batch[];
}

/** Times a promise: its value, and how many milliseconds it took. */
export async function timed<Value>(
  work: () => Promise<Value>,
): Promise<{ readonly value: Value; readonly milliseconds: number }> {
  const start = performance.now();
  const value = await work();
  return { value, milliseconds: performance.now() - start };
}
