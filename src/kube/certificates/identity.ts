/** The identity of a daemon with a certificate of its node: the names that Go multus gives its daemons, so that its approver and its RBAC fit ours, and ours fit its. */

/** Group of all of them, for RBAC. */
export const multusGroup = "system:multus";

/** A node's daemon as a user. */
export function multusUser(nodeName: string): string {
  return `${multusGroup}:${nodeName}`;
}

/** The signer, for clients of the API server. It signs only requests that an authorized approver has approved. */
export const signerName = "kubernetes.io/kube-apiserver-client";

/** The usages of the certificate. */
export const certificateUsages: readonly string[] = ["digital signature", "client auth"];

/** Of the objects, cluster-wide. */
export const signingRequestsPath = "/apis/certificates.k8s.io/v1/certificatesigningrequests";
