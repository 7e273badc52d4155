/** What a replayed case has around it. */

/** Where pods and NetworkAttachmentDefinitions are: in a cluster; there, but the annotations come with the request as well; or manifests in a directory and the request alone. */
export const surroundings = ["cluster", "cluster and runtime", "files and runtime"] as const;
export type Surroundings = (typeof surroundings)[number];
