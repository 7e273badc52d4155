/** CertificateSigningRequests as the API has them when a node's kubelet has asked for its daemon. */

import { generateKeyPairSync } from "node:crypto";
import { makeSigningRequest } from "../../src/kube/certificates/pkcs10.ts";

export const requestKey = generateKeyPairSync("ec", { namedCurve: "P-256" }).privateKey;

/** @param spec in place of what one that is approved has */
export function certificateRequest(spec: object = {}, status: object = {}) {
  return {
    apiVersion: "certificates.k8s.io/v1",
    kind: "CertificateSigningRequest",
    metadata: { name: "multus-abcde", resourceVersion: "7" },
    spec: {
      request: encodedRequest(makeSigningRequest("system:multus:node-1", "system:multus", requestKey)),
      signerName: "kubernetes.io/kube-apiserver-client",
      usages: ["digital signature", "client auth"],
      expirationSeconds: 600,
      username: "system:node:node-1",
      groups: ["system:nodes", "system:authenticated"],
      ...spec,
    },
    status,
  };
}

/** As spec.request has it. @param pem PKCS#10 */
export function encodedRequest(pem: string): string {
  return Buffer.from(pem).toString("base64");
}
