/** Every promise of docs/security.md names a test, and that test is there. */

import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { root } from "./markdown.ts";

/** A promise: a list item of the page, and what stands behind it. */
interface Promised {
  readonly text: string;
  readonly evidence: readonly { readonly file: string; readonly name: string }[];
}

const page = readFileSync(join(root, "docs/security.md"), "utf8");

/** The list items of the page, each joined to one line. Two sections promise nothing: who writes what, and what is not promised. */
function promises(): Promised[] {
  const promising = page.split(/^## /m).filter((section) => !/^(Who writes|Not promised)/.test(section));
  return promising.flatMap((section) =>
    section
      .replaceAll(/\n {2,}/g, " ")
      .split("\n")
      .filter((line) => line.startsWith("- "))
      .map((text) => ({
        text,
        evidence: Array.from(
          text.matchAll(/\[[^\]]+\]\(\.\.\/(test\/[^)]+)\)((?: "[^"]+",?)*)/g),
          ([, file = "", names = ""]) =>
            Array.from(names.matchAll(/"([^"]+)"/g), ([, name = ""]) => ({ file, name })),
        ).flat(),
      })),
  );
}

describe("docs/security.md", () => {
  test.each(promises())("$text", ({ evidence }) => {
    expect(evidence).not.toEqual([]);
    for (const { file, name } of evidence) {
      const path = join(root, file);
      expect(existsSync(path), file).toBe(true);
      // As a test's name is written in its source: it may be broken over template values, but not over lines.
      expect(readFileSync(path, "utf8"), `${file} has a test "${name}"`).toContain(name);
    }
  });

  test("promises something to each who may write", () => {
    expect(promises().length).toBeGreaterThan(20);
  });
});
