/** The event of a network that could not be attached. */

import { executorErrorCode } from "../../cni/plugin-failure.ts";
import { errorText } from "../../log/error-text.ts";
import { networkNotAttached } from "./pod-events.ts";
import { type PodInCluster, sendEvent } from "./pod-in-cluster.ts";

/** Sends the event, where there is somewhere to send it. One that was not begun, as another one had failed, has none, nor has one that nobody waits for any more. */
export function sendNotAttached(
  pod: PodInCluster,
  { name, ifName }: { readonly name: string; readonly ifName: string },
  error: unknown,
): void {
  const code = executorErrorCode(error);
  if (code === "not-started" || code === "gone") return;
  sendEvent(pod, networkNotAttached(ifName, name, errorText(error)));
}
