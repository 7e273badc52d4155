/** Pods that run without the networks that they select, in one line. */

import type { MissingPodStatus } from "../../socket/status.ts";
import { listed } from "./quantities.ts";

/** How many pods the line names; it counts the others. */
const podsNamed = 5;

/** `3 pods run without their networks: a/b, c/d, e/f` @param missing at least one */
export function missingText(missing: readonly MissingPodStatus[]): string {
  const named = listed(
    missing.map(({ pod }) => pod),
    podsNamed,
  );
  return `${missing.length} ${missing.length === 1 ? "pod runs without the networks that it selects" : "pods run without the networks that they select"}: ${named}`;
}
