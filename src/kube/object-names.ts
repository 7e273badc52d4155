/** Names of Kubernetes objects. Those of a pod come from CNI_ARGS: they are checked before they get into a path of the API. */

/** A namespace's name: a DNS label (RFC 1123). */
export function isNamespaceName(text: string): boolean {
  return text.length <= 63 && /^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/.test(text);
}

/** A pod's or a NetworkAttachmentDefinition's name: a DNS subdomain (RFC 1123). */
export function isObjectName(text: string): boolean {
  return text.length <= 253 && /^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/.test(text);
}
