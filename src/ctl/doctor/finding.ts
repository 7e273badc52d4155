/** Findings of doctor: one line of its report for each check. */

import type { Finding, NodeCheck, Severity } from "../text/finding.ts";
import { formatTable } from "../text/table.ts";
import { wrap } from "../text/wrap.ts";

/** About the node that it runs on. */
export type NodeFinding = Finding<"node">;

/** Collects the findings of one check. Each method adds one, and returns all so far. */
export class CheckFindings {
  readonly all: NodeFinding[] = [];
  readonly #check: NodeCheck;

  constructor(check: NodeCheck) {
    this.#check = check;
  }

  pass(message: string): NodeFinding[] {
    return this.#add("pass", message, "");
  }

  warn(message: string, remedy: string): NodeFinding[] {
    return this.#add("warning", message, remedy);
  }

  fail(message: string, remedy: string): NodeFinding[] {
    return this.#add("error", message, remedy);
  }

  /** @param remedy how to make the check possible */
  skip(message: string, remedy = ""): NodeFinding[] {
    return this.#add("skip", message, remedy);
  }

  /** Passes if there is no other finding. */
  orPass(message: string): NodeFinding[] {
    return this.all.length > 0 ? this.all : this.pass(message);
  }

  #add(severity: Severity, message: string, remedy: string): NodeFinding[] {
    this.all.push({ code: this.#check, severity, subject: "node", message, remedy });
    return this.all;
  }
}

/** Doctor's words for the severities. */
const verdicts = { pass: "pass", note: "pass", warning: "warn", error: "fail", skip: "skip" } as const;

/** The form of `doctor --json`. */
export function findingJson({ code, severity, message, remedy }: NodeFinding) {
  return { check: code, verdict: verdicts[severity], finding: message, remedy };
}

/** A table of the findings, each with its remedy below it. @returns text that ends with a newline */
export function formatFindings(findings: readonly NodeFinding[]): string {
  const rows = findings.map(findingJson).map(({ check, verdict, finding, remedy }) => {
    const advice = remedy === "" ? "" : `\n→ ${wrap(remedy).replaceAll("\n", "\n  ")}`;
    return [verdict.toUpperCase(), check, `${wrap(finding)}${advice}`];
  });
  return formatTable(["VERDICT", "CHECK", "FINDING"], rows);
}

export function summary(findings: readonly NodeFinding[]): string {
  const count = (severity: Severity) => findings.filter((each) => each.severity === severity).length;
  const parts = [
    `${count("error")} failed`,
    `${count("warning")} to look at`,
    `${count("pass")} passed`,
    `${count("skip")} could not be checked from here`,
  ];
  return `${parts.join(", ")}\n`;
}
