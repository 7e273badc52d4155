/** What a request's work is done with: the request itself, taken apart and checked, and the rooms that carry it out. */

import { ExecutorError } from "../agent/executor.ts";
import type { CniArgs } from "../cni/args.ts";
import type { ChainContext } from "../cni/chain.ts";
import type { CniRequest } from "../cni/request.ts";
import type { NetworkConfigList, RuntimeConf } from "../cni/types.ts";
import type { Logger } from "../log/logger.ts";
import { capabilityArgs } from "./capability-args.ts";
import type { Cluster } from "./cluster.ts";
import type { AttachmentRequest } from "./delegate.ts";
import type { NadSource } from "./nads.ts";
import type { Netconf } from "./netconf.ts";
import type { NetworkCatalog, ReportedNads } from "./networks.ts";
import type { Pause } from "./pause.ts";
import type { PodReference } from "./pod.ts";
import type { Clock } from "./readiness.ts";
import type { RequestReport } from "./report.ts";
import { invalidNetwork, noNetworkFound, type PodEvent } from "./status-sink.ts";

export interface RequestContext {
  readonly request: CniRequest;
  readonly netconf: Netconf;
  readonly pod: PodReference;
  /** The pod's; undefined where nothing is known of it. */
  readonly annotations: Readonly<Record<string, string>> | undefined;
  /** The cluster that the request belongs to; undefined: none. */
  readonly cluster: Cluster | undefined;
  /** The pod as an object of the cluster, which events and status are about; undefined where it is not known to have one. */
  readonly podObject: PodReference | undefined;
  /** CNI_ARGS for the delegates. */
  readonly args: CniArgs;
  /** CNI_PATH for the delegates. */
  readonly path: string;
  readonly chain: ChainContext;
  readonly catalog: NetworkCatalog;
  /** NetworkAttachmentDefinitions: the cluster's, then those of files; undefined: there is nothing to look them up in. */
  readonly nads: NadSource | undefined;
  readonly clock: Clock;
  /** For everything that is waited for but the plugins. */
  readonly pause: Pause;
  readonly report: RequestReport;
  readonly log: Logger;
}

/** An attachment as the functions of this room see it: a network at an interface of the container. */
export interface Attachment {
  /** `namespace/nad`, or the configuration's name. */
  readonly name: string;
  readonly ifName: string;
  readonly network: NetworkConfigList;
  readonly request: AttachmentRequest;
  /** Its place among the pod's networks, the cluster network's is 0; undefined where that is not known. */
  readonly place?: number | undefined;
  /** Capability arguments as they are known from ADD; undefined: they follow from `request`. */
  readonly knownCapabilityArgs?: Uint8Array | undefined;
  /** Nothing on disk says that it was ever attached: it is what the pod would get today. */
  readonly isGuessed?: true;
}

/** libcni's RuntimeConf of an attachment. @param args CNI_ARGS where they differ from the request's */
export function runtimeConf(
  context: RequestContext,
  attachment: Attachment,
  args: CniArgs = context.args,
): RuntimeConf {
  const { request, netconf, path } = context;
  const { name, ifName, network } = attachment;
  const { containerId, netns } = request;
  return {
    containerId,
    netns,
    ifName,
    args,
    path,
    capabilityArgs:
      attachment.knownCapabilityArgs ??
      capabilityArgs(netconf.runtimeConfig, attachment.request, network, { name, containerId, ifName }),
  };
}

/** Sends an event about the pod, where it is known in the cluster. */
export function sendEvent({ cluster, pod, podObject }: RequestContext, event: PodEvent): void {
  if (podObject !== undefined) {
    // Kubernetes' own events about a static pod have the kubelet's UID, which is the runtime's too, and not its mirror's.
    cluster?.sink.event({ ...podObject, uid: pod.uid === "" ? podObject.uid : pod.uid }, event);
  }
}

/** The request's NetworkAttachmentDefinitions. What is wrong with one becomes an event, once in a request. */
export function nadsWithEvents(context: RequestContext): ReportedNads {
  const { chain, pause } = context;
  const sent = new Set<string>();
  const once = (event: PodEvent) => {
    if (!sent.has(event.message)) {
      sent.add(event.message);
      sendEvent(context, event);
    }
  };
  return {
    source: context.nads,
    onMissing: (namespace, name) => once(noNetworkFound(namespace, name)),
    onInvalid: (problem) => once(invalidNetwork(problem.message)),
    onPassedOver: ({ message }) => {
      once(invalidNetwork(message));
      context.log.error("a broken network-attachment-definition is passed over", { error: message });
    },
    largeWork: { run: (bytes, work) => chain.largeWork.run(bytes, work, pause.signal) },
  };
}

/** Runs one attachment's work and notes how long it took. */
export async function timed<Result>(
  report: RequestReport,
  attachment: Attachment,
  work: () => Promise<Result>,
): Promise<Result> {
  const start = performance.now();
  try {
    return await work();
  } finally {
    const milliseconds = performance.now() - start;
    report.networks.push({ name: attachment.name, ifName: attachment.ifName, start, milliseconds });
  }
}

/** The executor's own word for what went wrong, wherever it is in the chain of causes. */
export function executorErrorCode(error: unknown): ExecutorError["code"] | undefined {
  for (let cause = error; cause instanceof Error; cause = cause.cause) {
    if (cause instanceof ExecutorError) {
      return cause.code;
    }
  }
  return undefined;
}
