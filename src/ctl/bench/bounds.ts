/** Bounds of a benchmark: it starts pods on a node that may be in use. */

/** Pods that are started at once. */
export const mostPods = 256;
/** Different numbers of pods in one benchmark. */
export const mostLevels = 8;
/** Networks of a pod besides the cluster network: the daemon's status has the times of 64. */
export const mostNetworks = 63;
export const mostRounds = 1_000;
export const mostWarmUps = 100;
/** Pods that are started in all. */
export const mostStarts = 100_000;
export const mostPeers = 4;
/** Minutes. */
export const longestTime = 24 * 60;
