/** The API as a daemon with a certificate of its node sees it. Loaded where one is configured: it brings what speaks ASN.1. */

import type { Credentials } from "../access.ts";
import type { Connection } from "../api.ts";
import { ApiClient } from "../api-client.ts";
import { certificateCredentials } from "../credentials.ts";
import { currentCertificatePath } from "./certificate-file.ts";
import { NodeCertificate, type NodeCertificateOptions } from "./node-certificate.ts";

/** Go multus's perNodeCertificate, checked. */
export type NodeCertificateSettings = Pick<NodeCertificateOptions, "certDir" | "seconds">;

export interface ConnectionOptions
  extends Pick<NodeCertificateOptions, "certDir" | "seconds" | "nodeName" | "log"> {
  /** Path of the kubeconfig that names the server. */
  readonly kubeconfig: string;
}

/** Begins to have a certificate signed where there is none. Until there is one, requests fail as if the server were away. @param bootstrap of a user that may request the first one */
export function connectWithNodeCertificate(
  { kubeconfig, ...options }: ConnectionOptions,
  bootstrap: Credentials,
): Connection {
  const own = certificateCredentials(kubeconfig, currentCertificatePath(options.certDir), options.log);
  const asBootstrap = new ApiClient(bootstrap);
  // For renewals: it also tries a certificate that has just ended.
  const asSelf = new ApiClient(own);
  const certificate = new NodeCertificate({ ...options, asBootstrap, asSelf });
  const api = new ApiClient({
    async access() {
      certificate.check();
      return own.access();
    },
    async renewed(refused) {
      const access = await own.renewed(refused);
      if (access === refused) certificate.refused();
      return access;
    },
  });
  return {
    request: (request) => api.request(request),
    watch: (request, onLine, onOpen) => api.watch(request, onLine, onOpen),
    close() {
      certificate.close();
      for (const client of [api, asSelf, asBootstrap]) client.close();
    },
  };
}
