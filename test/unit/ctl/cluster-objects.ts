/** Objects of the cluster that validate looks at. */

import type { KubeObject } from "../../support/pretended-api-server.ts";

/** A definition. @param config undefined: without spec */
export function definition(namespace: string, name: string, config: unknown): KubeObject {
  return {
    apiVersion: "k8s.cni.cncf.io/v1",
    kind: "NetworkAttachmentDefinition",
    metadata: { namespace, name },
    ...(config === undefined ? {} : { spec: { config } }),
  };
}

/** A pod, which waits for its sandbox unless another phase is given. @param networks value of the annotation; undefined: without */
export function pod(
  namespace: string,
  name: string,
  networks: unknown,
  more: { readonly annotations?: object; readonly spec?: object; readonly phase?: string } = {},
): KubeObject {
  const annotations = {
    ...(networks === undefined ? {} : { "k8s.v1.cni.cncf.io/networks": networks }),
    ...more.annotations,
  };
  const { spec = {}, phase = "Pending" } = more;
  return { metadata: { namespace, name, annotations }, spec, status: { phase } };
}
