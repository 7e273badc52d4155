/** Parts of a daemon's status, each in one line. */

import type { MissingPodStatus, RecentFailure } from "../../socket/status.ts";
import { listed } from "./quantities.ts";

/** How many pods the line names; it counts the others. */
const podsNamed = 5;

/** `3 pods run without their networks: a/b, c/d, e/f` @param missing at least one */
export function missingText(missing: readonly MissingPodStatus[]): string {
  const pods = missing.map(({ pod }) => pod);
  const what =
    pods.length === 1
      ? "pod runs without the networks that it selects"
      : "pods run without the networks that they select";
  return `${pods.length} ${what}: ${listed(pods, podsNamed)}`;
}

/** `ADD a/b: error 7: …` */
export function failureText({ command, pod, containerId, code, message }: RecentFailure): string {
  return `${command} ${pod === "" ? containerId : pod}: error ${code}: ${message}`;
}
