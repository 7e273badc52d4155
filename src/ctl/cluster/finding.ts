/** Findings about the objects of a cluster, and their text. */

import { comparePlaces, type Finding, formatFinding } from "../text/finding.ts";
import { count, listed } from "../text/quantities.ts";

export interface ClusterSubject {
  /** `cluster`: no single object. */
  readonly kind: "NetworkAttachmentDefinition" | "Pod" | "cluster";
  /** "" for `cluster`. */
  readonly namespace: string;
  readonly name: string;
  /** `namespace/name` of the pods that cannot get their networks because of it. */
  readonly pods: readonly string[];
}

/** The message begins with the field: `spec.config: …`, `annotation …: …`. Line and column are those in the text of that field. */
export type ClusterFinding = Finding<ClusterSubject>;

export interface ClusterReport {
  readonly server: string;
  /** undefined: all. */
  readonly namespace: string | undefined;
  /** Definitions that were checked. */
  readonly definitions: number;
  /** Pods that select networks. */
  readonly pods: number;
  /** Sorted: definitions, then pods, then findings about no single object; each by name. */
  readonly findings: readonly ClusterFinding[];
}

/** How many pods the text names; it counts the others. */
const podsShown = 10;

const kinds = ["NetworkAttachmentDefinition", "Pod", "cluster"] as const;
const shortNames = { NetworkAttachmentDefinition: "nad", Pod: "pod" } as const;

/** A finding about one object, or about the cluster. @param subject without its pods, which may still be unknown */
export function findingAbout(
  subject: Partial<ClusterSubject> & Pick<ClusterSubject, "kind">,
  severity: ClusterFinding["severity"],
  code: ClusterFinding["code"],
  message: string,
  place?: ClusterFinding["place"],
): ClusterFinding {
  const whole = { namespace: "", name: "", pods: [], ...subject };
  return { code, severity, subject: whole, place, message, remedy: "" };
}

export function compareFindings(left: ClusterFinding, right: ClusterFinding): number {
  return (
    kinds.indexOf(left.subject.kind) - kinds.indexOf(right.subject.kind) ||
    compareText(left.subject.namespace, right.subject.namespace) ||
    compareText(left.subject.name, right.subject.name) ||
    comparePlaces(left, right)
  );
}

function compareText(left: string, right: string): number {
  return left < right ? -1 : left > right ? 1 : 0;
}

/** Findings as lines, with the pods of an object only once. @returns text that ends with a newline, or "" */
export function formatClusterFindings({ findings, server }: ClusterReport): string {
  return findings
    .map((finding, index) => {
      const { subject } = finding;
      const next = findings[index + 1];
      const isLast = next === undefined || next.subject.pods !== subject.pods;
      const name =
        subject.kind === "cluster"
          ? server
          : `${shortNames[subject.kind]} ${subject.namespace}/${subject.name}`;
      return `${formatFinding({ ...finding, subject: name })}\n${isLast ? podsLine(subject) : ""}`;
    })
    .join("");
}

function podsLine({ kind, namespace, name, pods }: ClusterSubject): string {
  const others = kind === "Pod" ? pods.filter((pod) => pod !== `${namespace}/${name}`) : pods;
  if (others.length === 0) return "";
  const [said, what] = kind === "Pod" ? ["the same in", "more pod"] : ["used by", "pod"];
  return `  ${said} ${count(others.length, what)}: ${listed(others, podsShown)}\n`;
}

/** The form of `validate --json`. */
export function clusterReportJson({ findings, ...report }: ClusterReport) {
  return {
    ...report,
    findings: findings.map(({ code, severity, subject, message, place }) => {
      const { kind, namespace, name, pods } = subject;
      return { code, severity, kind, namespace, name, message, pods, ...place };
    }),
  };
}
