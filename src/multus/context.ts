/** What a request's work is done with: the request itself, taken apart and checked, and the rooms that carry it out. */

import { ExecutorError } from "../agent/executor.ts";
import type { CniArgs } from "../cni/args.ts";
import type { ChainContext } from "../cni/chain.ts";
import type { CniRequest } from "../cni/request.ts";
import type { NetworkConfigList, RuntimeConf } from "../cni/types.ts";
import type { Logger } from "../log/logger.ts";
import { capabilityArgs } from "./capability-args.ts";
import type { AttachmentRequest } from "./delegate.ts";
import type { Netconf } from "./netconf.ts";
import type { NetworkCatalog, OnMissingNad } from "./networks.ts";
import type { PodReference } from "./pod.ts";
import type { Clock } from "./readiness.ts";
import type { RequestReport } from "./report.ts";
import { noNetworkFound, type StatusSink } from "./status-sink.ts";

export interface RequestContext {
  readonly request: CniRequest;
  readonly netconf: Netconf;
  readonly pod: PodReference;
  /** The pod's; undefined where nothing is known of it. */
  readonly annotations: Readonly<Record<string, string>> | undefined;
  /** CNI_ARGS for the delegates. */
  readonly args: CniArgs;
  /** CNI_PATH for the delegates. */
  readonly path: string;
  readonly chain: ChainContext;
  readonly catalog: NetworkCatalog;
  readonly sink: StatusSink | undefined;
  readonly clock: Clock;
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
  /** Capability arguments as they are known from ADD; undefined: they follow from `request`. */
  readonly knownCapabilityArgs?: Uint8Array | undefined;
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

/** Sends the event for a network that does not exist, where the pod is known. */
export function missingNadEvent(context: RequestContext): OnMissingNad {
  return (namespace, name) => {
    if (context.annotations !== undefined) {
      context.sink?.event(context.pod, noNetworkFound(namespace, name));
    }
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
    report.networks.push({ name: attachment.name, ifName: attachment.ifName, milliseconds });
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
