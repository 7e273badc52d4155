/** Every line of docs/behaviour.md names a test that is there, and every place that cites the page names one of its headings. */

import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { problemsOf, promisesOf } from "./evidence.ts";
import { root } from "./markdown.ts";

const page = "docs/behaviour.md";
const promises = promisesOf(page);

describe(page, () => {
  test.each(promises)("$text", (promise) => {
    expect(problemsOf(promise)).toEqual([]);
  });

  test("has the behaviour of each command and what surrounds it", () => {
    expect(promises.length).toBeGreaterThan(60);
  });

  test("a line without a test, of a file that is not there, and of a title that no test has is seen", () => {
    const file = "test/unit/docs/links.test.ts";
    expect(problemsOf({ text: "", evidence: [] })).toEqual(["no test is named"]);
    expect(problemsOf({ text: "", evidence: [{ file: "test/none.test.ts", name: "a" }] })).toEqual([
      "there is no test/none.test.ts",
    ]);
    // Neither the middle of a title nor a placeholder is one.
    expect(problemsOf({ text: "", evidence: [{ file, name: "leads nowhere is seen" }] })).toHaveLength(1);
    expect(problemsOf({ text: "", evidence: [{ file, name: "$path" }] })).toHaveLength(1);
    expect(problemsOf({ text: "", evidence: [{ file, name: "a link that leads nowhere is seen" }] })).toEqual(
      [],
    );
  });
});

/** Citations, as in (docs/behaviour.md, "DEL"): the page's name, and headings in quotes behind it. */
function citationsIn(text: string): string[] {
  return Array.from(text.matchAll(/docs\/behaviour\.md((?:,? (?:and )?"[^"]+")+)/g), ([, headings = ""]) =>
    Array.from(headings.matchAll(/"([^"]+)"/g), ([, heading = ""]) => heading),
  ).flat();
}

test("citations of the page name a heading of it", () => {
  const headings = readFileSync(join(root, page), "utf8").match(/^## .*$/gm);
  const sources = ["assembly", "shim", "src"].flatMap((directory) =>
    readdirSync(join(root, directory), { recursive: true, encoding: "utf8" })
      .filter((name) => /\.(?:ts|c|h)$/.test(name))
      .map((name) => join(directory, name)),
  );
  const cited = sources.flatMap((path) =>
    citationsIn(readFileSync(join(root, path), "utf8")).map((heading) => ({ path, heading })),
  );
  expect(cited.filter(({ heading }) => !headings?.includes(`## ${heading}`))).toEqual([]);
  expect(cited.length).toBeGreaterThan(30);
});
