/** NetworkAttachmentDefinitions whose problems become events of the pod. */

import type { LargeTurns } from "../../base/large-work.ts";
import type { Logger } from "../../log/logger.ts";
import type { NadSource } from "../plan/nads.ts";
import type { ReportedNads } from "../plan/networks.ts";
import { invalidNetwork, noNetworkFound, type PodEvent } from "./pod-events.ts";
import { type PodInCluster, sendEvent } from "./pod-in-cluster.ts";

/**
 * A problem of one becomes an event, once in a request.
 * @param chain its log, and turns for large definitions
 * @param signal aborted where nobody is left who wants the networks
 */
export function nadsWithEvents(
  source: NadSource | undefined,
  pod: PodInCluster,
  { log, largeWork }: { readonly log: Logger; readonly largeWork: LargeTurns },
  signal: AbortSignal | undefined,
): ReportedNads {
  const sent = new Set<string>();
  const once = (event: PodEvent) => {
    if (sent.has(event.message)) return;
    sent.add(event.message);
    sendEvent(pod, event);
  };
  return {
    source,
    onMissing: (namespace, name, advice) => once(noNetworkFound(namespace, name, advice)),
    onInvalid: ({ message }) => once(invalidNetwork(message)),
    onPassedOver: ({ message }) => {
      once(invalidNetwork(message));
      log.error("skipping a broken network-attachment-definition", { error: message });
    },
    largeWork: { run: (bytes, work) => largeWork.run(bytes, work, signal) },
  };
}
