/** Undoing an attachment whose ADD has failed. */

import { deleteNetworkList } from "../cni/chain.ts";
import { podError } from "./input/pod-error.ts";
import { type Attachment, executorErrorCode, type RequestContext, runtimeConf } from "./request/context.ts";

/**
 * DELs what an ADD that failed has done. A failure is only logged: the runtime's DEL tries it again.
 * @returns `left`: it is not all undone, and the plan has to keep it for the pod's DEL; `gone`: nobody is there to run a plugin any more
 */
export async function undoAttachment(
  context: RequestContext,
  attachment: Attachment,
): Promise<"undone" | "left" | "gone"> {
  try {
    await deleteNetworkList(context.chain, attachment.network, runtimeConf(context, attachment), {
      passOverMissing: true,
    });
    return "undone";
  } catch (error) {
    context.log.error("cannot undo an attachment", {
      network: attachment.name,
      ifName: attachment.ifName,
      error: podError(error, context.pod, attachment.name).message,
    });
    return executorErrorCode(error) === "gone" ? "gone" : "left";
  }
}
