/** Where a node has the directories that multus, a container runtime and a kubelet share. */

/** Places that a bare node of the tests has directories of its own for (node.ts), but for /run, which every machine has. */
export const nodePlaces = [
  "/etc/cni/net.d",
  "/etc/cni/multus/net.d",
  "/etc/cni/multus/certs",
  "/etc/kubernetes",
  "/opt/cni/bin",
  "/var/lib/cni",
  "/var/lib/kubelet",
  "/var/lib/rancher/k3s",
] as const;

export type NodePlace = (typeof nodePlaces)[number] | "/run";

/** Where plugins and multus leave what they know of devices, by the multi-network specification; of a node that hands out devices. */
export const deviceInformationPlace = "/run/k8s.cni.cncf.io";
