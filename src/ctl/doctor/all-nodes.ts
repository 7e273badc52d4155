/** Doctor's findings of all nodes, from what multusctl says in each daemon's pod. */

import { type JsonObject, objectsIn, textOf } from "../../base/json.ts";
import { bounded, longestMessage } from "../../log/quoted.ts";
import { openApi } from "../cluster/access.ts";
import { askNodes, type NodeAnswer, podDirectories } from "../daemons/ask.ts";
import { readNodes } from "../daemons/nodes.ts";
import { type AllNodesOptions, nodesScope } from "../daemons/options.ts";
import { formatTable } from "../text/table.ts";
import { wrap } from "../text/wrap.ts";
import type { findingJson } from "./finding.ts";

/** The output of `doctor --json`. */
export interface DoctorReport {
  readonly ok: boolean;
  readonly findings: readonly (Omit<ReturnType<typeof findingJson>, "check"> & { readonly check: string })[];
}

export interface ClusterDoctor {
  readonly server: string;
  /** No check has failed, and every node that has to answer has answered. */
  readonly ok: boolean;
  readonly nodes: readonly NodeAnswer<DoctorReport>[];
}

/** @throws {UserError} if the cluster cannot be asked for its pods */
export async function examineNodes(options: AllNodesOptions): Promise<ClusterDoctor> {
  using access = await openApi(options.kubeconfig, options.context, process.env);
  if (access.warning !== "") process.stderr.write(`! ${access.warning}\n`);
  const nodes = await readNodes(access.api, access.server, nodesScope(options));
  const answers = await askNodes(
    access,
    nodes,
    (pod) => ["doctor", ...podDirectories(pod, true)],
    doctorReport,
    options.timeout * 1000,
  );
  const isFine = ({ answer, isOnDemand }: NodeAnswer<DoctorReport>) => answer?.ok ?? isOnDemand;
  return { server: access.server, ok: answers.length > 0 && answers.every(isFine), nodes: answers };
}

const verdicts = ["pass", "warn", "fail", "skip"] as const;

/** A report has some forty. */
const mostFindings = 1000;
/** Characters of a check's name: a table has each row as wide as its widest. */
const longestCheck = 60;

/** @param printed by multusctl in a pod, of any release @returns undefined: it is no report */
function doctorReport({ ok, findings }: JsonObject): DoctorReport | undefined {
  if (typeof ok !== "boolean" || !Array.isArray(findings) || findings.length > mostFindings) return undefined;
  return {
    ok,
    findings: objectsIn(findings).flatMap(({ check, verdict, finding, remedy }) => {
      const known = verdicts.find((each) => each === verdict);
      if (known === undefined) return [];
      return [
        {
          check: bounded(textOf(check), longestCheck),
          verdict: known,
          finding: bounded(textOf(finding), longestMessage),
          remedy: bounded(textOf(remedy), longestMessage),
        },
      ];
    }),
  };
}

/** The findings that need a look, node by node; nodes with the same finding share a row. @returns text that ends with a newline */
export function formatClusterDoctor({ nodes, server }: ClusterDoctor): string {
  const rows = new Map<string, { readonly cells: readonly string[]; readonly nodes: string[] }>();
  const add = (node: string, verdict: string, check: string, finding: string, remedy: string) => {
    const key = JSON.stringify([verdict, check, finding]);
    const advice = remedy === "" ? "" : `\n→ ${wrap(remedy).replaceAll("\n", "\n  ")}`;
    const row = rows.get(key) ?? { cells: [verdict, check, `${wrap(finding)}${advice}`], nodes: [] };
    if (row.nodes.at(-1) !== node) row.nodes.push(node);
    rows.set(key, row);
  };
  const number = { pass: 0, warn: 0, fail: 0, skip: 0 };
  for (const { node, answer, problem, isOnDemand } of nodes) {
    if (answer === undefined) {
      add(node, isOnDemand ? "SKIP" : "FAIL", "daemon/answers", problem, isOnDemand ? onNodeAdvice : "");
      number[isOnDemand ? "skip" : "fail"] += 1;
    }
    for (const { verdict, check, finding, remedy } of answer?.findings ?? []) {
      number[verdict] += 1;
      if (verdict === "fail" || verdict === "warn") add(node, verdict.toUpperCase(), check, finding, remedy);
    }
  }
  const order = ["FAIL", "WARN", "SKIP"];
  const sorted = [...rows.values()].sort(
    ({ cells: [left = ""] }, { cells: [right = ""] }) => order.indexOf(left) - order.indexOf(right),
  );
  const table = sorted.map(({ cells: [verdict = "", ...others], nodes: names }) => [
    verdict,
    namesIn(names),
    ...others,
  ]);
  const text = table.length === 0 ? "" : `${formatTable(["VERDICT", "NODES", "CHECK", "FINDING"], table)}\n`;
  const counts = `${number.fail} failed, ${number.warn} to look at, ${number.pass} passed, ${number.skip} could not be checked from there`;
  return `${text}${server}: ${nodes.length} nodes: ${counts}\n`;
}

const onNodeAdvice = "on the node: /opt/cni/bin/multusd ctl doctor";

/** How many nodes a row names, one a line. */
const nodesShown = 5;

function namesIn(names: readonly string[]): string {
  const more = names.length > nodesShown ? [`and ${names.length - nodesShown} more`] : [];
  return [...names.slice(0, nodesShown), ...more].join("\n");
}
