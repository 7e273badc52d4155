/**
 * A watch of the node's pods that run and lack a network-status, beside that of all its pods: the latter has metadata alone, which does not say whether a pod runs. Loaded and opened
 * where such pods are looked for.
 */

import { type JsonObject, objectAt, objectsIn, textOf } from "../base/json.ts";
import type { Logger } from "../log/logger.ts";
import { ownText } from "../log/quoted.ts";
import type { RunningPod } from "../multus/cluster/cluster.ts";
import { type Api, ApiError, listMetadataOnly } from "./api.ts";
import { mirrorAnnotation } from "./network-status.ts";
import { keptPod, lacksStatus } from "./pods.ts";
import { type ObjectMeta, Reflector } from "./reflector.ts";

/** Characters of a UID at most; a static pod's is 32. */
const longestUid = 64;
/** Of objects in a page; whole pods are ten times as large as their metadata. */
const pageOfWholePods = 10;

export interface RunningPodsOptions {
  readonly api: Api;
  readonly nodeName: string;
  /** Called when a pod has come, changed or gone. */
  readonly onChange: () => void;
  readonly log: Logger;
}

/** The pods as they are known at a moment; `close` ends the watch. */
export type RunningPods = Pick<Reflector<RunningPod>, "values" | "close">;

/**
 * Opens the watch. Where the server is too old to leave pods of the host's network out (Kubernetes before 1.28), it brings whole pods.
 * Never throws: the API is asked until it answers.
 */
export async function watchRunningPods(options: RunningPodsOptions): Promise<RunningPods> {
  const { api, nodeName, onChange, log } = options;
  const running = `spec.nodeName=${nodeName},status.phase=Running`;
  const withOwnNetwork = `${running},spec.hostNetwork=false`;
  const canSelect = await selectsHostNetwork(api, podsPath(withOwnNetwork));
  return new Reflector<RunningPod>({
    api,
    path: podsPath(canSelect ? withOwnNetwork : running),
    kind: "running pods",
    metadataOnly: canSelect,
    ...(canSelect ? {} : { pageSize: pageOfWholePods }),
    keep: keptRunningPod,
    onChange: () => onChange(),
    log,
  });
}

function podsPath(fieldSelector: string): string {
  return `/api/v1/pods?fieldSelector=${encodeURIComponent(fieldSelector)}`;
}

/** A server that cannot select so answers 400. One that does not answer is not asked again: the watch does that. */
async function selectsHostNetwork(api: Api, path: string): Promise<boolean> {
  try {
    await api.request({ method: "GET", path: `${path}&limit=1`, accept: listMetadataOnly });
    return true;
  } catch (error) {
    return !(error instanceof ApiError && error.status === 400);
  }
}

/**
 * The part of a running pod that is kept.
 * @param object with its metadata alone, or whole
 * @returns undefined: it does not lack a network-status, is being deleted, or is in the host's network
 */
export function keptRunningPod(object: JsonObject, { namespace, name }: ObjectMeta): RunningPod | undefined {
  const pod = keptPod(object);
  if (!lacksStatus(pod) || objectAt(object, "spec").hostNetwork === true) return undefined;
  const { uid, isStatic } = pod;
  const metadata = objectAt(object, "metadata");
  const mirrored = objectAt(metadata.annotations)[mirrorAnnotation];
  const isMirror = typeof mirrored === "string" && mirrored !== "" && mirrored.length <= longestUid;
  const controller = controllerOf(metadata.ownerReferences);
  return {
    pod: { namespace, name, uid, sandboxId: "" },
    runtimeUid: isMirror ? ownText(mirrored) : uid,
    // The mirror's owner is its node.
    isStatic: isStatic || mirrored !== undefined || controller === "Node",
    controller,
  };
}

/** Kind of the owner that is the controller; "" where there is none. */
function controllerOf(ownerReferences: unknown): string {
  const owners = objectsIn(ownerReferences);
  const owner = owners.find(({ controller, kind }) => controller === true && typeof kind === "string");
  return ownText(textOf(owner?.kind));
}
