/** Findings of preflight, their verdicts, and their text. */

import { bounded } from "../../log/quoted.ts";
import { count, listed } from "../text/quantities.ts";
import { formatTable } from "../text/table.ts";
import { wrap } from "../text/wrap.ts";

/** `ok`: stays as it is. `look`: works, and differs in a way that somebody should know of. `change`: has to be changed. `unknown`: it could not be looked at. */
export type Verdict = "ok" | "look" | "change" | "unknown";

export type Area =
  | "version"
  | "nodes"
  | "daemon"
  | "configuration"
  | "paths"
  | "networks"
  | "pods"
  | "clients";

export interface PreflightFinding {
  readonly area: Area;
  /** Its subject: `daemonset kube-system/kube-multus-ds`, `node worker-1`; "" for the cluster. */
  readonly subject: string;
  readonly verdict: Verdict;
  readonly message: string;
  /** The remedy; "" if the message suffices. */
  readonly remedy: string;
}

/** A NetworkAttachmentDefinition. */
export interface JudgedNetwork {
  /** `namespace/name` */
  readonly network: string;
  readonly verdict: Verdict;
  /** Types of its plugins and of their IPAM plugins, in order; none where the configuration cannot be read. */
  readonly plugins: readonly string[];
  /** Running or waiting pods that select it, sorted. */
  readonly pods: readonly string[];
  readonly messages: readonly string[];
}

export interface PreflightReport {
  readonly server: string;
  readonly networks: readonly JudgedNetwork[];
  readonly findings: readonly PreflightFinding[];
}

/** Can the cluster switch? `unknown`: nothing has to be changed as far as could be seen, and not all could be seen. */
export function answerOf({ networks, findings }: PreflightReport): "yes" | "changes" | "unknown" {
  const verdicts = [...networks, ...findings].map(({ verdict }) => verdict);
  if (verdicts.includes("change")) return "changes";
  return verdicts.includes("unknown") ? "unknown" : "yes";
}

/** By the answer. */
export const exitCodes = { yes: 0, changes: 1, unknown: 2 } as const;

const order: readonly Verdict[] = ["change", "unknown", "look", "ok"];

/** Stable: findings of one verdict stay in their order. */
function bySeverity<Judged extends { readonly verdict: Verdict }>(judged: readonly Judged[]): Judged[] {
  return judged.toSorted((left, right) => order.indexOf(left.verdict) - order.indexOf(right.verdict));
}

/** How many pods a row names; it counts the others. */
const podsShown = 2;

/** Characters of a network's plugins: its author names them, and a table has each row as wide as its widest. */
const longestPlugins = 80;

/** Characters of a line of findings about networks, which stand behind four columns. */
const besideOthers = 60;

/** Two tables and the answer. @returns text that ends with a newline */
export function formatPreflight(report: PreflightReport): string {
  const { networks, findings, server } = report;
  const rows = bySeverity(findings).map(({ verdict, area, subject, message, remedy }) => {
    const about = subject === "" ? message : `${subject}: ${message}`;
    const advice = remedy === "" ? "" : `\n→ ${wrap(remedy).replaceAll("\n", "\n  ")}`;
    return [verdict.toUpperCase(), area, `${wrap(about)}${advice}`];
  });
  const ofNetworks = bySeverity(networks).map(({ network, verdict, plugins, pods, messages }) => [
    verdict.toUpperCase(),
    network,
    bounded(plugins.join(","), longestPlugins) || "-",
    pods.length === 0 ? "-" : listed(pods, podsShown),
    messages.map((message) => wrap(message, besideOthers)).join("\n"),
  ]);
  const tables = [
    formatTable(["VERDICT", "ABOUT", "FINDING"], rows),
    ...(networks.length === 0
      ? []
      : [formatTable(["VERDICT", "NETWORK", "PLUGINS", "PODS", "FINDING"], ofNetworks)]),
  ];
  return `${tables.join("\n")}\n${server}: ${sentence(report)}\n`;
}

function sentence(report: PreflightReport): string {
  const all = [...report.networks, ...report.findings];
  const number = (wanted: Verdict) => all.filter(({ verdict }) => verdict === wanted).length;
  const looks = number("look") === 0 ? "" : `; ${count(number("look"), "finding")} to look at`;
  const unknown = number("unknown") === 0 ? "" : `; ${number("unknown")} could not be looked at`;
  switch (answerOf(report)) {
    case "yes":
      return `can switch as it is${looks}`;
    case "changes":
      return `${count(number("change"), "change")} needed before it can switch${unknown}${looks}`;
    case "unknown":
      return `not known whether it can switch${unknown}${looks}`;
  }
}

/** The form of `preflight --json`. */
export function preflightJson(report: PreflightReport) {
  const { server, networks, findings } = report;
  return { answer: answerOf(report), server, findings, networks };
}
