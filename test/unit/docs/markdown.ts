/** What the tests of the documentation look at in a Markdown file: headings, links, tables and code. */

import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

export const root = join(import.meta.dirname, "..", "..", "..");

export interface Table {
  /** Text of the heading above it. */
  readonly section: string;
  readonly header: readonly string[];
  readonly rows: readonly (readonly string[])[];
}

export interface Page {
  /** Path from the project's directory. */
  readonly path: string;
  /** What the part of a link behind `#` may be. */
  readonly anchors: ReadonlySet<string>;
  /** Targets, as written. */
  readonly links: readonly string[];
  readonly tables: readonly Table[];
  /** What is in backticks, and each line of a fenced block that names a language; a line that ends with a backslash goes on in the next. */
  readonly code: readonly string[];
}

/** README.md, and every page of docs/ and deploy/. */
export function documentation(): Page[] {
  const below = ["docs", "deploy"].flatMap((directory) =>
    readdirSync(join(root, directory), { recursive: true, encoding: "utf8" })
      .filter((name) => name.endsWith(".md"))
      .map((name) => join(directory, name)),
  );
  return ["README.md", ...below.sort()].map(readPage);
}

/** @param path from the project's directory */
export function readPage(path: string): Page {
  const anchors = new Set<string>();
  const links: string[] = [];
  const tables: { section: string; header: string[]; rows: string[][] }[] = [];
  const code: string[] = [];
  let section = "";
  let fence: string | undefined;
  let table: (typeof tables)[number] | undefined;
  for (const line of readFileSync(join(root, path), "utf8").replaceAll("\\\n", " ").split("\n")) {
    const [, language] = /^\s*```(.*)$/.exec(line) ?? [];
    if (language !== undefined) {
      fence = fence === undefined ? language : undefined;
      continue;
    }
    if (fence !== undefined) {
      if (fence !== "") code.push(line.trim());
      continue;
    }
    const [, heading] = /^#{1,6} (.*)$/.exec(line) ?? [];
    if (heading !== undefined) {
      section = heading;
      addAnchor(anchors, heading);
    }
    const spans = Array.from(line.matchAll(/`([^`]+)`/g), ([, span = ""]) => span);
    code.push(...spans);
    links.push(
      ...Array.from(
        line.replaceAll(/`[^`]*`/g, "").matchAll(/\]\(([^)\s]+)\)/g),
        ([, target = ""]) => target,
      ),
    );
    if (!line.startsWith("|")) {
      table = undefined;
    } else if (table === undefined) {
      table = { section, header: cellsOf(line), rows: [] };
      tables.push(table);
    } else if (!/^\|[-| ]+$/.test(line)) {
      table.rows.push(cellsOf(line));
    }
  }
  return { path, anchors, links, tables, code };
}

/** As GitHub makes it of a heading; the second of a name has `-1` behind it. */
function addAnchor(anchors: Set<string>, heading: string): void {
  const anchor = heading
    .toLowerCase()
    .replaceAll(/[^\p{L}\p{N}_ -]/gu, "")
    .replaceAll(" ", "-");
  let name = anchor;
  for (let count = 1; anchors.has(name); count++) name = `${anchor}-${count}`;
  anchors.add(name);
}

/** A bar in backticks divides nothing, as little as one behind a backslash. */
function cellsOf(line: string): string[] {
  const parts = line.match(/(?:`[^`]*`|\\\||[^|])+/g) ?? [];
  const cells = line.replaceAll("||", "| |") === line ? parts : line.split("|").slice(1, -1);
  return cells.map((cell) => cell.trim());
}

/** What the first backticks of a cell have in them; undefined where it does not begin with any. */
export function literal(cell: string): string | undefined {
  return /^`([^`]*)`/.exec(cell)?.[1];
}
