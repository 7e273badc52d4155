/** The share of the daemon that a request takes: the namespace of its pod. */

import { isNamespaceName } from "../kube/object-names.ts";

const key = "K8S_POD_NAMESPACE=";

/**
 * Reads the namespace before anything of the request is checked, without taking the text apart: it may be long, and wrong.
 * @param args CNI_ARGS; of equal keys the last one counts, as in the request's work
 * @returns "" where they name none, or what cannot be one
 */
export function podNamespaceIn(args: string): string {
  const place = args.lastIndexOf(`;${key}`);
  const start = place >= 0 ? place + 1 : 0;
  if (!args.startsWith(key, start)) return "";
  const end = args.indexOf(";", start);
  const namespace = args.slice(start + key.length, end < 0 ? undefined : end);
  return isNamespaceName(namespace) ? namespace : "";
}
