/** The inputs of a request's work: the request itself, parsed and checked, and the services that carry it out. */

import { ExecutorError } from "../../agent/executor.ts";
import type { CniArgs } from "../../cni/args.ts";
import type { ChainContext } from "../../cni/chain.ts";
import type { CniRequest } from "../../cni/request.ts";
import type { NetworkConfigList, RuntimeConf } from "../../cni/types.ts";
import type { Logger } from "../../log/logger.ts";
import { type PodInCluster, sendEvent } from "../cluster/pod-in-cluster.ts";
import { invalidNetwork, noNetworkFound, type PodEvent } from "../cluster/status-sink.ts";
import type { Netconf } from "../input/netconf.ts";
import { capabilityArgs } from "../plan/capability-args.ts";
import type { AttachmentRequest } from "../plan/delegate.ts";
import type { NadSource } from "../plan/nads.ts";
import type { NetworkCatalog, ReportedNads } from "../plan/networks.ts";
import type { Pause } from "./pause.ts";
import type { Clock } from "./readiness.ts";
import type { RequestReport } from "./report.ts";

export interface RequestContext extends PodInCluster {
  readonly request: CniRequest;
  readonly netconf: Netconf;
  /** The pod's; undefined where nothing is known of it. */
  readonly annotations: Readonly<Record<string, string>> | undefined;
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

/** The request's NetworkAttachmentDefinitions. A problem of one becomes an event, once in a request. */
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
      context.log.error("skipping a broken network-attachment-definition", { error: message });
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
