/** Bounds on what the kubelet, its files and device plugins say: each is checked before memory is used for what comes. */

/** Bytes of an answer of the kubelet's pod-resources socket. Go multus takes as many. */
export const longestAnswer = 16 * 1024 * 1024;

/** Bytes of the kubelet's checkpoint. With 110 pods of 8 devices each it has some 300 KB. It is read and summed up in one piece. */
export const longestCheckpoint = 4 * 1024 * 1024;

/** Pods in an answer. The kubelet takes 110 pods in its usual configuration. */
export const mostPods = 16_384;

/** Containers of one pod. */
export const mostContainers = 1024;

/** Devices of one pod, and parts of an answer that list them. */
export const mostDevices = 4096;

/** Resources of one node. */
export const mostResources = 4096;

/** Entries of an answer or a checkpoint with all devices of the node: each device has one for each of its NUMA nodes. */
export const mostEntries = 262_144;

/** Characters of a device id: a PCI address has 12, a UUID 36. */
export const longestDeviceId = 256;

/** Bytes of a device information file. One of all known keys has about 400. */
export const longestDeviceInfo = 16 * 1024;
