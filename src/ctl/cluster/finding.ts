/** What validate has to say about objects of a cluster: one kind of finding for all of them, and its text. */

import type { Position } from "../configuration/position.ts";

export interface ClusterFinding extends Partial<Position> {
  /** A note is nothing that could be mended in the cluster. */
  readonly severity: "error" | "warning" | "note";
  /** `cluster`: about no single object. */
  readonly kind: "NetworkAttachmentDefinition" | "Pod" | "cluster";
  /** "" for `cluster`. */
  readonly namespace: string;
  readonly name: string;
  /** With the field: `spec.config: …`, `annotation …: …`. Line and column count in the text of that field. */
  readonly message: string;
  /** `namespace/name` of the pods that do not get their networks because of it. */
  readonly pods: readonly string[];
}

export interface ClusterReport {
  readonly server: string;
  /** undefined: all. */
  readonly namespace: string | undefined;
  /** Definitions that were checked. */
  readonly definitions: number;
  /** Pods that select networks. */
  readonly pods: number;
  /** Definitions, then pods, then what is about no single object; each by name. */
  readonly findings: readonly ClusterFinding[];
}

/** Pods that are named in text; further ones are counted. */
const podsShown = 10;

const kinds = ["NetworkAttachmentDefinition", "Pod", "cluster"] as const;
const shortNames = { NetworkAttachmentDefinition: "nad", Pod: "pod" } as const;

/** Orders findings as a report has them. */
export function compareFindings(left: ClusterFinding, right: ClusterFinding): number {
  return (
    kinds.indexOf(left.kind) - kinds.indexOf(right.kind) ||
    compareText(left.namespace, right.namespace) ||
    compareText(left.name, right.name) ||
    (left.line ?? 0) - (right.line ?? 0) ||
    (left.column ?? 0) - (right.column ?? 0)
  );
}

function compareText(left: string, right: string): number {
  return left < right ? -1 : left > right ? 1 : 0;
}

/** Findings as lines, the pods of an object once. @returns text that ends with a newline, or "" */
export function formatClusterFindings({ findings, server }: ClusterReport): string {
  return findings
    .map((finding, index) => {
      const next = findings[index + 1];
      const isLast = next === undefined || next.pods !== finding.pods;
      const subject =
        finding.kind === "cluster"
          ? server
          : `${shortNames[finding.kind]} ${finding.namespace}/${finding.name}`;
      const place = finding.line === undefined ? "" : `:${finding.line}:${finding.column}`;
      return `${subject}${place}: ${finding.severity}: ${finding.message}\n${isLast ? podsLine(finding) : ""}`;
    })
    .join("");
}

function podsLine({ kind, namespace, name, pods }: ClusterFinding): string {
  const others = kind === "Pod" ? pods.filter((pod) => pod !== `${namespace}/${name}`) : pods;
  if (others.length === 0) return "";
  const more = others.length > podsShown ? ` and ${others.length - podsShown} more` : "";
  const what = `${others.length} ${kind === "Pod" ? "more " : ""}${others.length === 1 ? "pod" : "pods"}`;
  const said = kind === "Pod" ? "the same in" : "used by";
  return `  ${said} ${what}: ${others.slice(0, podsShown).join(", ")}${more}\n`;
}
