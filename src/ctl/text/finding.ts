/** A check's finding, in one form for configurations, objects of a cluster and nodes. Callers match on the code; people read the message. */

/** Line and column, both from 1; columns in characters. */
export interface Position {
  readonly line: number;
  readonly column: number;
}

/** `pass`: no problem. `skip`: it could not be checked from here. `note`: information, not a problem. */
export type Severity = "pass" | "skip" | "note" | "warning" | "error";

/** Of configurations, and of objects of a cluster. docs/configuration.md says what each is about. */
export const findingCodes = [
  "refused",
  "plugin-refused",
  "plugin-not-installed",
  "ipam-as-plugin",
  "link-missing",
  "unknown-key",
  "cluster-network-refused",
  "cluster-network-missing",
  "daemon-warning",
  "no-cni-version",
  "no-pod-annotations",
  "long-name",
  "native-network",
  "executed-network",
  "unknown-capability",
  "config-from-file",
  "device-wanted",
  "device-missing",
  "device-not-offered",
  "resource-name-refused",
  "empty-file",
  "byte-order-mark",
  "not-json",
  "unknown-document",
  "other-objects",
  "definition-missing",
  "definition-not-checked",
  "selection-refused",
  "plan-too-large",
  "networks-missing",
  "pods-not-listed",
  "plugins-not-checked",
] as const;

/** The check of a node that made the finding. The part before the slash is its area. */
export type NodeCheck =
  `${"runtime" | "plugin" | "daemon" | "cluster" | "state" | "devices" | "go-multus"}/${string}`;

/** @typeParam Subject names what the finding is about: a file, an object */
export interface Finding<Subject = string> {
  /** Stable, for callers and scripts. */
  readonly code: (typeof findingCodes)[number] | NodeCheck;
  readonly severity: Severity;
  readonly subject: Subject;
  /** Place in the subject's text; undefined: it is about the whole. */
  readonly place?: Position | undefined;
  readonly message: string;
  /** Advice; "" if the message suffices. */
  readonly remedy: string;
}

/** `file:line:column: error: message`, as compilers print it and editors follow it. */
export function formatFinding({ subject, place, severity, message }: Finding): string {
  const at = place === undefined ? "" : `:${place.line}:${place.column}`;
  return `${subject}${at}: ${severity}: ${message}`;
}

/** Sorts findings of one subject; first those about the whole. */
export function comparePlaces(left: Finding<unknown>, right: Finding<unknown>): number {
  const lines = (left.place?.line ?? 0) - (right.place?.line ?? 0);
  return lines === 0 ? (left.place?.column ?? 0) - (right.place?.column ?? 0) : lines;
}
