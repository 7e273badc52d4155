/** Commands of the documentation beside multusctl exist: npm's scripts and tasks with their options, files of the checkout, values of the chart. */

import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { parse } from "yaml";
import manifest from "../../../package.json" with { type: "json" };
import { documentation, root } from "./markdown.ts";

const read = (path: string) => readFileSync(join(root, path), "utf8");
const scripts = Object.keys(manifest.scripts);
/** Names of the tasks of tools/run.mjs. */
const tasks = Array.from(
  read("tools/run.mjs").matchAll(/^ {2}(?:"([\w:]+)"|(\w+)): \{$/gm),
  ([, quoted, plain]) => quoted ?? plain,
);
/** Files that have the options of a task; a task without them hands its arguments on to vitest. */
const sources: Readonly<Record<string, readonly string[]>> = {
  bench: ["bench/index.ts", "tools/tasks/bench.mjs"],
  build: ["tools/build.mjs", "tools/run.mjs"],
  "build:executable": ["tools/build/executable.mjs", "tools/run.mjs"],
  "build:shims": ["tools/run.mjs"],
  cluster: ["tools/tasks/cluster.mjs"],
  fuzz: ["tools/tasks/fuzz.mjs"],
  image: ["tools/run.mjs"],
  release: ["tools/run.mjs"],
};
const optionsOfVitest = ["--project", "-t"];
const helpOptions = ["--help", "-h"];

/** Commands of `npm run` and `node tools/run.mjs` in a line: each task with its words. */
function callsIn(
  line: string,
): { readonly task: string; readonly isScript: boolean; readonly words: string[] }[] {
  const calls = line.matchAll(
    /(?:npm (?:run )?(?!ci\b|install\b)|node tools\/run\.mjs )([a-z][\w:-]*)([^|;&#`]*)/g,
  );
  return Array.from(calls, ([whole, task = "", rest = ""]) => {
    return { task, isScript: whole.startsWith("npm"), words: rest.trim().split(/\s+/) };
  });
}

function problemsOf(line: string): string[] {
  return callsIn(line).flatMap(({ task, isScript, words }) => {
    if (!(isScript ? scripts : tasks).includes(task)) return [`${line}: there is no task ${task}`];
    const text = (sources[task] ?? []).map(read).join("\n");
    const known = [...helpOptions, ...(task.startsWith("test") ? optionsOfVitest : [])];
    const wrong = words
      .flatMap((word) => /^--?[a-z][a-z-]*/.exec(word) ?? [])
      .filter((option) => !known.includes(option) && !text.includes(option));
    return wrong.map((option) => `${line}: ${task} has no ${option}`);
  });
}

/** Words that name a file or directory of the checkout, without those that stand for something. */
function pathsIn(line: string): string[] {
  const words = line.split(/[\s=,"'`:]+/);
  const isPath = /^(?:\.\/)?(?:deploy|docs|test|bench|tools|src|shim|assembly|\.ci|\.github)\/[\w./-]+$/;
  return words.filter((word) => isPath.test(word) && !word.startsWith("bench/results/"));
}

interface Values {
  readonly [key: string]: unknown;
}

const values: Values = parse(read("deploy/helm/multus-wasm/values.yaml"));

/** Is there a value of the chart by this path? Values below an empty object are the user's. */
function isValue(path: string): boolean {
  let value: unknown = values;
  for (const key of path.split(".")) {
    if (typeof value !== "object" || value === null) return false;
    if (Object.keys(value).length === 0) return true;
    if (!Object.hasOwn(value, key)) return false;
    value = (value as Values)[key];
  }
  return true;
}

const pages = documentation();

describe.each(pages)("$path", ({ code, blocks }) => {
  it("names tasks and options that are there", () => {
    expect(code.flatMap(problemsOf)).toEqual([]);
  });

  it("has commands whose files are there", () => {
    const lines = blocks
      .filter(({ language }) => language === "sh" || language === "console")
      .flatMap(({ text }) => text.split("\n"));
    expect(lines.flatMap(pathsIn).filter((path) => !existsSync(join(root, path)))).toEqual([]);
  });

  it("sets values that the chart has", () => {
    const ours = code.filter((line) => !line.includes("helm ") || line.includes("deploy/helm/multus-wasm"));
    const set = ours.flatMap((line) =>
      Array.from(line.matchAll(/--set(?:-json|-string)? ([\w.]+)=/g), ([, path = ""]) => path),
    );
    expect(set.filter((path) => !isValue(path))).toEqual([]);
  });
});

describe("what is not there", () => {
  it("is seen: a task, an option, a file, a value", () => {
    expect(problemsOf("npm run benhc")).toEqual(["npm run benhc: there is no task benhc"]);
    expect(problemsOf("node tools/run.mjs pictures")).toHaveLength(1);
    expect(problemsOf("npm run cluster -- --bear --containerd 2.4")).toEqual([
      "npm run cluster -- --bear --containerd 2.4: cluster has no --bear",
    ]);
    expect(pathsIn("kubectl apply -k deploy/thick -f docs/examples/macvlan.yaml")).toEqual([
      "deploy/thick",
      "docs/examples/macvlan.yaml",
    ]);
    expect(["image.repository", "image.repo", "daemonConfig.nativeNetworks"].map(isValue)).toEqual([
      true,
      false,
      true,
    ]);
  });

  it("is looked for in many commands", () => {
    const calls = pages.flatMap(({ code }) => code).flatMap(callsIn);
    expect(new Set(calls.map(({ task }) => task)).size).toBeGreaterThan(10);
  });
});
