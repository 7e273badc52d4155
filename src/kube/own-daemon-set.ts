/** The DaemonSet that this process is a pod of, as its manifest says it. */

import { isNamespaceName, isObjectName } from "./object-names.ts";

/** The DaemonSet, and its pod. */
export interface OwnDaemonSet {
  readonly namespace: string;
  readonly name: string;
  /** Name of the pod. */
  readonly pod: string;
}

/** @returns undefined: this is no such pod, or its manifest does not say it */
export function ownDaemonSetIn(
  environment: Readonly<Record<string, string | undefined>>,
): OwnDaemonSet | undefined {
  const { MULTUS_NAMESPACE: namespace = "", MULTUS_DAEMONSET: name = "", MULTUS_POD: pod = "" } = environment;
  // They become a path of the API.
  const areNames = isNamespaceName(namespace) && isObjectName(name) && isObjectName(pod);
  return areNames ? { namespace, name, pod } : undefined;
}
