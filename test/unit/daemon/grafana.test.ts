/** Dashboard, alerts and documentation speak of metrics that the daemon has, by names and labels; and of all of them. */

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { parse } from "yaml";
import { createMetrics } from "../../../src/daemon/metrics/registry.ts";
import { newReport } from "../../../src/multus/request/report.ts";
import { busyState } from "../../support/daemon-state.ts";

const root = join(import.meta.dirname, "../../..");
const read = (path: string) => readFileSync(join(root, path), "utf8");

/** Names of samples, each with the labels that they may have. */
const known = new Map<string, Set<string>>();
/** Names of metrics, each with its type. */
const types = new Map<string, string>();

beforeAll(async () => {
  const { observer, text } = createMetrics({ version: "1.2.3", protocol: 1 }, () => busyState);
  const report = newReport();
  report.phases.set("plan", 1);
  report.networks.push({ name: "cbr0", ifName: "eth0", start: 0, milliseconds: 1, isNative: true });
  observer.answered(
    "ADD",
    { exitCode: 0, stdout: Buffer.of(), report, error: undefined },
    { queue: 1, total: 2 },
  );
  observer.httpAnswered("/cni", "POST", 200);
  observer.delegateRan({
    plugin: "bridge",
    command: "ADD",
    ifName: "eth0",
    start: 0,
    end: 1,
    outcome: "ok",
    processMilliseconds: 1,
    spanId: "",
  });
  for (const line of (await text()).split("\n")) {
    const [, name, type] = /^# TYPE (\S+) (\S+)$/.exec(line) ?? [];
    if (name !== undefined && type !== undefined) types.set(name, type);
    const [, sample, labels = ""] = /^(\w+)(?:\{(.*)\})? \S+$/.exec(line) ?? [];
    if (sample === undefined) continue;
    const of = known.get(sample) ?? new Set();
    known.set(sample, of);
    for (const [, label = ""] of labels.matchAll(/(\w+)="/g)) of.add(label);
  }
  // Prometheus' own, of every target.
  known.set("up", new Set());
});

/** Labels that Prometheus puts on every sample. */
const targetLabels = ["job", "instance"];
const words =
  /\b(?:sum|count|min|max|topk|rate|increase|changes|count_over_time|histogram_quantile|time|vector|and|or|on|by|group_left|unless|label_values)\b/g;

/** Names of samples that an expression asks for, and labels that it looks at anywhere. */
function mentioned(expression: string): { readonly names: string[]; readonly labels: string[] } {
  const labels: string[] = [];
  const plain = expression
    .replaceAll(/\{([^}]*)\}/g, (_, matchers: string) => {
      for (const [, label = ""] of matchers.matchAll(/(\w+)\s*(?:=~|!=|!~|=)/g)) labels.push(label);
      return " ";
    })
    .replaceAll(/\b(?:by|on|group_left)\s*\(([^)]*)\)/g, (_, list: string) => {
      labels.push(...list.split(",").map((label) => label.trim()));
      return " ";
    })
    .replaceAll(/\[[^\]]*\]/g, " ")
    .replaceAll(words, " ")
    .replaceAll(/\b\d[\d.e]*\b/g, " ");
  return {
    names: Array.from(plain.matchAll(/[a-z_]\w*/gi), ([name]) => name),
    labels: labels.filter((label) => label !== ""),
  };
}

interface Panel {
  readonly id: number;
  readonly type: string;
  readonly title: string;
  readonly description?: string;
  readonly gridPos: { readonly x: number; readonly y: number; readonly w: number; readonly h: number };
  readonly targets?: readonly {
    readonly expr: string;
    readonly legendFormat: string;
    readonly datasource: unknown;
  }[];
}

interface Dashboard {
  readonly schemaVersion: number;
  readonly panels: readonly Panel[];
  readonly templating: { readonly list: readonly { readonly name: string; readonly type: string }[] };
}

interface Rule {
  readonly alert: string;
  readonly expr: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
}

const dashboard: Dashboard = JSON.parse(read("deploy/grafana/dashboard.json"));
const rules: readonly Rule[] = (
  parse(read("deploy/grafana/alerts.yaml")) as { groups: { rules: Rule[] }[] }
).groups.flatMap((group) => group.rules);

function expectKnown(expression: string): string[] {
  const { names, labels } = mentioned(expression);
  expect(names.filter((name) => !known.has(name))).toEqual([]);
  const allowed = new Set([...targetLabels, ...names.flatMap((name) => [...(known.get(name) ?? [])])]);
  expect(labels.filter((label) => !allowed.has(label))).toEqual([]);
  expect(names).not.toEqual([]);
  return names;
}

const metricOf = (name: string) => (types.has(name) ? name : name.replace(/_(bucket|sum|count)$/, ""));

describe("the dashboard", () => {
  test("asks for nothing that the daemon does not have, and shows all that it has", () => {
    const shown = new Set<string>();
    for (const { targets = [] } of dashboard.panels) {
      for (const { expr, legendFormat } of targets) {
        for (const name of expectKnown(expr)) shown.add(metricOf(name));
        const { labels } = mentioned(expr);
        for (const [, label = ""] of legendFormat.matchAll(/\{\{(\w+)\}\}/g)) {
          expect([...labels, ...targetLabels]).toContain(label);
        }
      }
    }
    expect([...types.keys()].filter((name) => !shown.has(name))).toEqual([]);
  });

  test("can be given any Prometheus as its source", () => {
    expect(dashboard.schemaVersion).toBeGreaterThanOrEqual(36);
    expect(dashboard.templating.list.map(({ name, type }) => [name, type])).toEqual([
      ["datasource", "datasource"],
      ["instance", "query"],
    ]);
    const sources = dashboard.panels.flatMap(({ targets = [] }) =>
      targets.map(({ datasource }) => datasource),
    );
    expect(new Set(sources.map((source) => JSON.stringify(source)))).toEqual(
      // Grafana's variable of that name.
      new Set([JSON.stringify({ type: "prometheus", uid: ["$", "{datasource}"].join("") })]),
    );
  });

  test("has each panel in a place of its own, with words for people", () => {
    const taken = new Set<string>();
    for (const { type, description, gridPos } of dashboard.panels) {
      if (type !== "row") expect(description).toMatch(/\.$/);
      expect(gridPos.x + gridPos.w).toBeLessThanOrEqual(24);
      for (let x = gridPos.x; x < gridPos.x + gridPos.w; x++) {
        for (let y = gridPos.y; y < gridPos.y + gridPos.h; y++) {
          expect(taken).not.toContain(`${x},${y}`);
          taken.add(`${x},${y}`);
        }
      }
    }
    const ids = dashboard.panels.map(({ id }) => id);
    expect(new Set(ids).size).toBe(ids.length);
  });
});

describe("the alerts", () => {
  test.each(rules.map((rule) => [rule.alert, rule] as const))(
    "%s asks for what there is, and says what to do",
    (_, rule) => {
      expectKnown(rule.expr);
      expect(["critical", "warning", "info"]).toContain(rule.labels.severity);
      expect(Object.keys(rule.annotations)).toEqual(["summary", "description", "runbook"]);
      for (const text of Object.values(rule.annotations)) expect(text.length).toBeGreaterThan(20);
    },
  );
});

test("docs/metrics.md has every metric with its type and labels, and no other", () => {
  const rows = new Map(
    Array.from(
      read("docs/metrics.md").matchAll(/^\| `([a-z]\w*)` \| (\w+) \|([^|]*)\|/gm),
      ([, name = "", type = "", labels = ""]) => [name, { type, labels }],
    ),
  );
  const real = new Map(
    Array.from(types, ([name, type]) => {
      const samples = type === "histogram" ? `${name}_count` : name;
      return [
        name,
        {
          type,
          labels: [...(known.get(samples) ?? [])]
            .map((label) => `\`${label}\``)
            .sort()
            .join(", "),
        },
      ];
    }),
  );
  const sorted = (map: typeof rows) =>
    Object.fromEntries(
      Array.from(map, ([name, { type, labels }]) => [
        name,
        { type, labels: labels.trim().split(", ").sort().join(", ") },
      ]),
    );
  expect(sorted(rows)).toEqual(sorted(real));
});
