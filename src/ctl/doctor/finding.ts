/** What doctor finds: one line of its report for each thing that it has looked at. */

import { formatTable } from "../text/table.ts";

/** `skip`: it could not be looked at from here. */
export type Verdict = "pass" | "warn" | "fail" | "skip";

export interface Finding {
  /** Stable name, for scripts: `runtime/first-file`. The part before the slash is what it is about. */
  readonly check: string;
  readonly verdict: Verdict;
  readonly finding: string;
  /** What to do; "" where there is nothing. */
  readonly remedy: string;
}

export function pass(check: string, finding: string): Finding {
  return { check, verdict: "pass", finding, remedy: "" };
}

export function warn(check: string, finding: string, remedy: string): Finding {
  return { check, verdict: "warn", finding, remedy };
}

export function fail(check: string, finding: string, remedy: string): Finding {
  return { check, verdict: "fail", finding, remedy };
}

/** @param remedy how it could be looked at */
export function skip(check: string, finding: string, remedy = ""): Finding {
  return { check, verdict: "skip", finding, remedy };
}

/** Characters of a line of the table's cells. */
const width = 90;

/** A table, then the remedies are below what they are for. @returns text that ends with a newline */
export function formatFindings(findings: readonly Finding[]): string {
  const rows = findings.map(({ check, verdict, finding, remedy }) => [
    verdict.toUpperCase(),
    check,
    [wrap(finding), remedy === "" ? "" : `→ ${wrap(remedy).replaceAll("\n", "\n  ")}`]
      .filter((part) => part !== "")
      .join("\n"),
  ]);
  return formatTable([{ heading: "VERDICT" }, { heading: "CHECK" }, { heading: "FINDING" }], rows);
}

export function summary(findings: readonly Finding[]): string {
  const count = (verdict: Verdict) => findings.filter((finding) => finding.verdict === verdict).length;
  const parts = [
    `${count("fail")} failed`,
    `${count("warn")} to look at`,
    `${count("pass")} passed`,
    `${count("skip")} could not be checked from here`,
  ];
  return `${parts.join(", ")}\n`;
}

/** Breaks at blanks. */
function wrap(text: string): string {
  const lines: string[] = [];
  for (const word of text.split(/\s+/)) {
    const last = lines.at(-1);
    if (last === undefined || last.length + word.length + 1 > width) lines.push(word);
    else lines[lines.length - 1] = `${last} ${word}`;
  }
  return lines.join("\n");
}
