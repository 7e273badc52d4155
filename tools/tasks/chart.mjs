/**
 * The chart's README.md, made of its values.yaml and of the distributions that it knows: `node tools/run.mjs chart` writes it, and a test fails where it is not what they say.
 */

import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { isMap, isScalar, isSeq, parse, parseDocument } from "yaml";
import { projectDirectory } from "../setup/project.mjs";

const chart = join(projectDirectory, "deploy", "helm", "multus-wasm");
const readmeFile = join(chart, "README.md");

/** A comment of YAML as one line. */
function textOf(comment) {
  return (comment ?? "")
    .split("\n")
    .map((line) => line.trim())
    .join(" ")
    .trim();
}

/** A value as it is written in YAML, on one line. */
function literalOf(value) {
  return value === "" ? '""' : typeof value === "string" ? value : JSON.stringify(value);
}

/**
 * The values of a map, each with the comment above it. Maps with keys that `--set` would have to escape (labels) and lists are one value.
 * @param {import("yaml").YAMLMap} map @param {string} prefix of the names
 * @returns {{ name: string, value: string | undefined, about: string }[]} without a value: a group, whose values follow
 */
function valuesOf(map, prefix = "") {
  return map.items.flatMap(({ key, value }, index) => {
    const name = `${prefix}${key.value}`;
    // YAML's parser puts what is above the first key of a map to the map.
    const about = textOf(key.commentBefore ?? (index === 0 ? map.commentBefore : undefined));
    const isGroup =
      isMap(value) && value.items.length > 0 && value.items.every(({ key }) => /^\w+$/.test(key.value));
    if (!isGroup) {
      const isValue = isScalar(value) || isSeq(value) || isMap(value);
      return [{ name, value: literalOf(isValue ? value.toJSON() : null), about }];
    }
    const values = valuesOf(value, `${name}.`);
    return about === "" ? values : [{ name, value: undefined, about }, ...values];
  });
}

/** Every value of values.yaml with its default and its description. */
export function chartValues() {
  const document = parseDocument(readFileSync(join(chart, "values.yaml"), "utf8"));
  return valuesOf(document.contents);
}

const cell = (text) => text.replaceAll("|", "\\|");
const code = (text) => (text === undefined || text === "" ? "" : `\`${text}\``);
const row = (...cells) => `| ${cells.map(cell).join(" | ")} |`.replaceAll("|  |", "| |");

function distributionsTable() {
  const { usual, distributions } = parse(readFileSync(join(chart, "files", "distributions.yaml"), "utf8"));
  const columns = ["cniConfDir", "cniBinDir", "podResources", "bootstrapKubeconfig", "kubeletPki"];
  const unknown = "not known: set it";
  return [
    row("`distribution`", ...columns.map(code)),
    row("---", ...columns.map(() => "---")),
    row("none", ...columns.map((column) => code(usual[column]))),
    ...Object.entries(distributions).map(([name, own]) =>
      row(
        code(name),
        ...columns.map((column) =>
          own[column] === "" ? unknown : own[column] ? code(own[column]) : "as none",
        ),
      ),
    ),
  ];
}

/** The chart's README.md, as values.yaml and files/distributions.yaml are now. */
export function chartReadme() {
  return [
    "# The Helm chart of multus-wasm",
    "",
    "<!-- Made by `node tools/run.mjs chart` of values.yaml and files/distributions.yaml: change those. -->",
    "",
    "```sh",
    "helm upgrade --install multus deploy/helm/multus-wasm --namespace kube-system \\",
    "  --set image.repository=registry.example/multus-wasm --set distribution=k3s",
    "```",
    "",
    "Leave `distribution` out on nodes that have their directories where kubeadm has them. What Helm",
    "prints then leads to a first pod with two networks. [deploy/README.md](../../README.md) says what is",
    "installed, what it may and why, and",
    "[how to come from Go multus](../../README.md#from-go-multus-and-back).",
    "",
    "## Values",
    "",
    "A mistake in a name or a value is an error that names it. Of a map (`resources`) a key that you set",
    "leaves the others, and `null` removes one; a list (`tolerations`) is replaced as a whole.",
    "",
    row("value", "default", "what"),
    row("---", "---", "---"),
    ...chartValues().map(({ name, value, about }) => row(code(name), code(value), about)),
    "",
    "## Distributions",
    "",
    "The directories that `distribution` stands for. `hostPaths` and `perNodeCertificate` override single",
    "ones. [docs/distributions.md](../../../docs/distributions.md) has a recipe for each, and what moves",
    "when it is upgraded.",
    "",
    ...distributionsTable(),
    "",
  ].join("\n");
}

if (process.argv[1] === import.meta.filename) writeFileSync(readmeFile, chartReadme());
