/** The Helm chart's own papers: README.md is what values.yaml says, and values.schema.json knows the same values. */

import { readdirSync, readFileSync, realpathSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { parse } from "yaml";
import { chartReadme, chartValues } from "../../../tools/tasks/chart.mjs";

const project = join(import.meta.dirname, "..", "..", "..");
const chart = join(project, "deploy", "helm", "multus-wasm");
const read = (name: string) => readFileSync(join(chart, name), "utf8");

test("README.md is up to date: node tools/run.mjs chart writes it", () => {
  expect(read("README.md")).toBe(chartReadme());
});

test("every value is described, by itself or as part of a group", () => {
  const groups = chartValues().filter(({ value, about }) => value === undefined && about !== "");
  const undescribed = chartValues().filter(
    ({ name, about }) =>
      about === "" && !groups.some((group) => name.startsWith(`${group.name}.`) && name !== group.name),
  );
  expect(undescribed.map(({ name }) => name)).toEqual([]);
  expect(chartValues().length).toBeGreaterThan(60);
});

interface Schema {
  readonly $ref?: string;
  readonly type?: string;
  readonly additionalProperties?: boolean | Schema;
  readonly properties?: Readonly<Record<string, Schema>>;
}

const schema: Schema & { readonly $defs: Readonly<Record<string, Schema>> } = JSON.parse(
  read("values.schema.json"),
);

/** Names of the schema that values.yaml does not have, and the other way round; `global` is Helm's own. */
function differences(of: Schema, value: unknown, name: string): string[] {
  const resolved = of.$ref === undefined ? of : schema.$defs[of.$ref.replace("#/$defs/", "")];
  const { properties } = resolved ?? {};
  if (properties === undefined || typeof value !== "object" || value === null) return [];
  const known = Object.keys(properties).filter((key) => key !== "global" && key !== "claims");
  const own = resolved?.additionalProperties === false ? [] : [`${name}: further keys are not refused`];
  return [
    ...own,
    ...known.filter((key) => !(key in value)).map((key) => `${name}.${key} is not in values.yaml`),
    ...Object.entries(value).flatMap(([key, part]) => {
      const next = properties[key];
      return next === undefined
        ? [`${name}.${key} is not in the schema`]
        : differences(next, part, `${name}.${key}`);
    }),
  ];
}

test("the schema knows the values of values.yaml and no others", () => {
  expect(differences(schema, parse(read("values.yaml")), "")).toEqual([]);
  expect(differences(schema, { ...parse(read("values.yaml")), mode: undefined, other: 1 }, "")).toEqual([
    ".other is not in the schema",
  ]);
});

test("what the chart has of other directories is theirs", () => {
  const targets = ["crds", "files"].flatMap((directory) =>
    readdirSync(join(chart, directory)).map((name) => realpathSync(join(chart, directory, name))),
  );
  expect(targets.map((target) => target.slice(realpathSync(project).length + 1)).sort()).toEqual([
    "deploy/base/crd.yaml",
    "deploy/grafana/alerts.yaml",
    "deploy/grafana/dashboard.json",
    "deploy/helm/multus-wasm/files/distributions.yaml",
  ]);
});
