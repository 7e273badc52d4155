/** The promises of a page, line by line, with the tests that it names for each. */

import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { root } from "./markdown.ts";

/** A list item of a page, and the tests that it names. */
export interface Promised {
  /** All of the item, on one line. */
  readonly text: string;
  readonly evidence: readonly Evidence[];
}

/** A link to a test file with a name behind it, as in `[test/a.test.ts](../test/a.test.ts) "does this"`. */
interface Evidence {
  /** Path from the project's directory. */
  readonly file: string;
  /** Beginning of a title in that file. */
  readonly name: string;
}

/** The list items of a page of docs/. @param without headings, or their beginnings, of sections that promise nothing */
export function promisesOf(path: string, without: readonly string[] = []): Promised[] {
  const sections = readFileSync(join(root, path), "utf8").split(/^## /m);
  return sections
    .filter((section) => !without.some((heading) => section.startsWith(heading)))
    .flatMap((section) =>
      section
        .replaceAll(/\n {2,}/g, " ")
        .split("\n")
        .filter((line) => line.startsWith("- "))
        .map((text) => ({ text, evidence: evidenceIn(text) })),
    );
}

function evidenceIn(text: string): Evidence[] {
  return Array.from(
    text.matchAll(/\[[^\]]+\]\(\.\.\/(test\/[^)]+)\)((?: "[^"]+",?)*)/g),
    ([, file = "", names = ""]) =>
      Array.from(names.matchAll(/"([^"]+)"/g), ([, name = ""]) => ({ file, name })),
  ).flat();
}

/** The problems of a promise's tests; empty where each of them is there. */
export function problemsOf({ evidence }: Promised): string[] {
  if (evidence.length === 0) return ["no test is named"];
  return evidence.flatMap(({ file, name }) => {
    const path = join(root, file);
    if (!existsSync(path)) return [`there is no ${file}`];
    return hasTitle(readFileSync(path, "utf8"), name) ? [] : [`${file} has no test "${name}"`];
  });
}

/** Does a literal of the source begin with this name? It is written as titles are, with their placeholders; placeholders alone name nothing. */
function hasTitle(source: string, name: string): boolean {
  const hasWord = /\p{L}{2}/u.test(name.replaceAll(/%\w|\$\w+/g, ""));
  return hasWord && ['"', "`", "'"].some((quote) => source.includes(quote + name));
}
