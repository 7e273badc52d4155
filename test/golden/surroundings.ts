/** The surroundings of a replayed case. */

import type { GoldenCase } from "./cases.ts";

/** Where pods and NetworkAttachmentDefinitions are: in a cluster; there, but the annotations come with the request as well; or manifests in a directory and the request alone. */
export const surroundings = ["cluster", "cluster and runtime", "files and runtime"] as const;
export type Surroundings = (typeof surroundings)[number];

/** The surroundings that can have the case: that the pod's name is another pod's by now, the API alone says. */
export function surroundingsOf({ pod }: GoldenCase): readonly Surroundings[] {
  return pod.uid === undefined ? surroundings : ["cluster"];
}
