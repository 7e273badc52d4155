/**
 * Bounds on what pods, NetworkAttachmentDefinitions and plugins make the daemon do. Anything that grows with their texts is checked against one of these before the memory is
 * used; docs/configuration.md has them all.
 */

/** Key `maxNetworksPerPod` of the netconf and of the daemon's configuration, where it is not set. */
export const usualNetworksPerPod = 64;

/** Bytes of one annotation. Kubernetes allows as much for all annotations of an object together. */
export const longestAnnotation = 256 * 1024;

/** Bytes of a plan as it is written: all configurations of a pod's networks, with what is selected for them. */
export const longestPlan = 4 * 1024 * 1024;

/** Plugins of all networks of a plan: an ADD and a DEL start each of them once. */
export const mostPlugins = 1024;

/** Bytes of a network's configuration with `cni-args` in each of its plugins. */
export const longestConfiguration = longestPlan;

/** Bytes of the results of a pod's networks together: they are kept until the network-status is made. */
export const longestResults = 1024 * 1024;

/** Bytes of a network-status, which is an annotation too. */
export const longestStatus = longestAnnotation;

/** Bytes of a plan that are read. Go multus's may be longer than ours; what lies behind is as if the file were torn there. */
export const longestPlanRead = 2 * longestPlan;

/** Addresses that an event names; the API takes 1024 bytes of it anyway. */
export const mostAddressesNamed = 32;

/** Entries of a plan that are read. */
export const mostEntriesRead = 4096;

/** Containers whose failed DELs are counted. */
export const mostFailedDels = 4096;

/** Containers of which records, plans and results are kept after their DELs have failed. A namespace may have as many as it leaves free: alone half of them. */
export const mostFailedDelsKept = 1024;

/** Bytes of all of these; half of what the spool takes. */
export const mostFailedDelsKeptBytes = 32 * 1024 * 1024;
