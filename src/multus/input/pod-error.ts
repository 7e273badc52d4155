/** Errors whose text says which pod and which network they are about (docs/behaviour.md, "Plugin protocol"). */

import { CniError, CniErrorCode, cniErrorOf } from "../../cni/errors.ts";
import { errorText } from "../../log/error-text.ts";
import { bounded } from "../../log/quoted.ts";
import type { PodReference } from "./pod.ts";

/** Characters of `namespace/name` of a NetworkAttachmentDefinition: a label and a subdomain of DNS. */
export const longestNetwork = 63 + 1 + 253;

/** An error that has been given its pod already. */
export class PodError extends CniError {}

/**
 * Puts `[namespace/pod/uid:network]` before an error's text, once. An InputError gets the code of its kind, a defect of the program 999.
 * @param network the name of the network, "" if the error is about none
 */
export function podError(error: unknown, pod: Omit<PodReference, "sandboxId">, network = ""): CniError {
  if (error instanceof PodError) return error;
  const { code, details } = cniErrorOf(error) ?? { code: CniErrorCode.internal, details: "" };
  return new PodError(code, prefix(pod, network) + errorText(error), details, { cause: error });
}

/** Nothing for a request that names no pod and no network. */
function prefix({ namespace, name, uid }: Omit<PodReference, "sandboxId">, network: string): string {
  // CNI_ARGS may say anything, and what went wrong has to stay readable behind it.
  const pod = namespace === "" && name === "" ? "" : `${bounded(namespace)}/${bounded(name)}/${bounded(uid)}`;
  const subject = [pod, bounded(network, longestNetwork)].filter((part) => part !== "").join(":");
  return subject === "" ? "" : `[${subject}]: `;
}
