/** Which pod an ADD is for, and which annotations count: the request's, the watch's or the API's (docs/behaviour.md, "Pod lookup"). */

import { ExpectedError } from "../../base/input-error.ts";
import { environmentError } from "../../cni/errors.ts";
import { errorText } from "../../log/error-text.ts";
import type { Logger } from "../../log/logger.ts";
import type { PodReference } from "../input/pod.ts";
import { podAnnotationsRead } from "../input/selection.ts";
import type { PodDetails, PodSource } from "./cluster.ts";

export type Annotations = Readonly<Record<string, string>>;

/** Annotation that says where the kubelet has a pod from: `api`, or where a static pod's manifest was. */
export const configSourceAnnotation = "kubernetes.io/config.source";

export interface FoundPod {
  readonly annotations: Annotations;
  /** The object in the cluster, with its own UID, "" where that is not known. undefined: the cluster has no such object. */
  readonly object: PodReference | undefined;
}

/** Has the kubelet this pod from somewhere else than the API? */
export function isStaticPod(annotations: Annotations): boolean {
  const source = annotations[configSourceAnnotation];
  return source !== undefined && source !== "api";
}

/**
 * The UID that the kubelet makes of a static pod's manifest where that has none: an MD5 in hexadecimal digits. UIDs of the API are those of RFC 4122, with dashes.
 */
const staticUid = /^[0-9a-f]{32}$/;

/** Is what the cluster has of this name another pod than the runtime's? A static pod's mirror is not, though its UID is another. */
export function isAnotherPod(pod: PodReference, details: PodDetails): boolean {
  return pod.uid !== "" && details.uid !== "" && pod.uid !== details.uid && !details.isStatic;
}

/** Those of the annotations that this room reads in which the two differ. */
function differingAnnotations(left: Annotations, right: Annotations): string[] {
  return podAnnotationsRead.filter((name) => left[name] !== right[name]);
}

/**
 * Looks the pod of an ADD up.
 * @param given annotations that came with the request; undefined: none came
 * @returns undefined: the pod is gone
 * @throws {CniError} 11 where no annotations came and the API does not give them either; 4 where another pod has taken the name
 */
export async function findPod(
  pods: PodSource,
  pod: PodReference,
  given: Annotations | undefined,
  log: Logger,
): Promise<FoundPod | undefined> {
  if (given === undefined) {
    const details = await pods.find(pod, { retry: true });
    if (details !== undefined) return objectOf(pod, details, details.annotations);
    return staticUid.test(pod.uid) ? withoutMirror(log) : undefined;
  }
  const isStatic = isStaticPod(given) || staticUid.test(pod.uid);
  let details: PodDetails | undefined;
  try {
    details = await pods.find(pod, { retry: false });
  } catch (error) {
    logUnanswered(error, log);
    return { annotations: given, object: isStatic ? { ...pod, uid: "" } : pod };
  }
  if (isStatic) {
    // The kubelet's file is the pod. Its mirror in the cluster may not be there yet, and whoever edits the mirror changes nothing.
    return { annotations: given, object: details?.isStatic ? { ...pod, uid: details.uid } : undefined };
  }
  if (details === undefined) return undefined;
  const found = objectOf(pod, details, given);
  const differing = differingAnnotations(given, details.annotations);
  return differing.length === 0 ? found : newer(pods, pod, found, differing, log);
}

/** A static pod that the cluster has no mirror of, and may never have: its namespace does not exist, or an admission policy refuses the mirror. */
function withoutMirror(log: Logger): FoundPod {
  log.error(
    "a static pod has no mirror in the cluster: its annotations are not known, so it gets the cluster network and the default networks alone",
  );
  return { annotations: {}, object: undefined };
}

/** Asks the API, which is newer than request and watch, to decide between them. Where it does not answer, the request's count. */
async function newer(
  pods: PodSource,
  pod: PodReference,
  found: FoundPod,
  differing: readonly string[],
  log: Logger,
): Promise<FoundPod | undefined> {
  const given = found.annotations;
  const say = (used: string) =>
    log.verbose("the pod's annotations in the request and in the watch differ", {
      annotations: differing.join(","),
      used,
    });
  let live: PodDetails | undefined;
  try {
    live = await pods.ask(pod);
  } catch (error) {
    logUnanswered(error, log);
    say("request");
    return found;
  }
  if (live === undefined) return undefined;
  say(differingAnnotations(given, live.annotations).length === 0 ? "request" : "API");
  return objectOf(pod, live, live.annotations);
}

/** @throws {CniError} 4 */
function objectOf(pod: PodReference, details: PodDetails, annotations: Annotations): FoundPod {
  if (isAnotherPod(pod, details)) {
    throw environmentError(
      `CNI_ARGS: K8S_POD_UID is ${pod.uid}, but the pod ${pod.namespace}/${pod.name} of the cluster has UID ${details.uid}: another pod has taken the name`,
    );
  }
  return { annotations, object: { ...pod, uid: details.uid } };
}

/** An error that is not the API's is a bug, and is thrown on. */
function logUnanswered(error: unknown, log: Logger): void {
  if (!(error instanceof ExpectedError)) throw error;
  log.error("the pod cannot be looked up: going on with the annotations that came with the request", {
    error: errorText(error),
  });
}
