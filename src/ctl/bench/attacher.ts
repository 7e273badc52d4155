/** Attaches scratch pods and detaches them. */

/** One pod's place, and the container that it is at the moment. */
export interface PodAttachment {
  readonly containerId: string;
  /** Index of the pod. */
  readonly pod: number;
  /** CNI_NETNS. */
  readonly netns: string;
}

/** How a subject attaches a pod and detaches it: each gives the milliseconds of the plugins' processes that a runtime executes. */
export interface Attacher {
  add(attachment: PodAttachment): Promise<number>;
  del(attachment: PodAttachment): Promise<number>;
}
