/** The pod that a request is for: who it is, as CNI_ARGS say. */

import { type CniArgs, findCniArg } from "../../cni/args.ts";

/** The pod as the runtime's CNI_ARGS describe it; "" for what they leave out. */
export interface PodReference {
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
  /** K8S_POD_INFRA_CONTAINER_ID: the sandbox. */
  readonly sandboxId: string;
}

/** Does the request say which pod it is for? */
export function hasName({ namespace, name }: PodReference): boolean {
  return namespace !== "" && name !== "";
}

/** `namespace/name` */
export function podKey({ namespace, name }: Pick<PodReference, "namespace" | "name">): string {
  return `${namespace}/${name}`;
}

/** @param args CNI_ARGS of the request */
export function podReference(args: CniArgs): PodReference {
  return {
    namespace: findCniArg(args, "K8S_POD_NAMESPACE") ?? "",
    name: findCniArg(args, "K8S_POD_NAME") ?? "",
    uid: findCniArg(args, "K8S_POD_UID") ?? "",
    sandboxId: findCniArg(args, "K8S_POD_INFRA_CONTAINER_ID") ?? "",
  };
}
