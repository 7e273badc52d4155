/** Who a daemon with a certificate of its node is in the cluster: the names that Go multus gives its daemons, so that its approver and its RBAC fit ours, and ours fit its. */

/** Group of all of them, for RBAC. */
export const multusGroup = "system:multus";

/** A node's daemon as a user. */
export function multusUser(nodeName: string): string {
  return `${multusGroup}:${nodeName}`;
}

/** Who signs: for clients of the API server. Nothing is signed unless somebody with the right to it has approved. */
export const signerName = "kubernetes.io/kube-apiserver-client";

/** What the certificate is good for. */
export const certificateUsages: readonly string[] = ["digital signature", "client auth"];

/** Of the objects, cluster-wide. */
export const signingRequestsPath = "/apis/certificates.k8s.io/v1/certificatesigningrequests";
