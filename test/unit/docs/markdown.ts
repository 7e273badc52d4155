/** The parts of a Markdown file that tests of the documentation look at: headings, links, tables and code. */

import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

export const root = join(import.meta.dirname, "..", "..", "..");

export interface Table {
  /** Text of the heading above it. */
  readonly section: string;
  readonly header: readonly string[];
  readonly rows: readonly (readonly string[])[];
}

/** The text between two fences. */
export interface Block {
  /** Text of the heading above it. */
  readonly section: string;
  /** The words behind the first fence; "" for none. */
  readonly language: string;
  /** Its lines, without what the first fence is indented by. */
  readonly text: string;
}

export interface Page {
  /** Path from the project's directory. */
  readonly path: string;
  /** Anchors: the part of a link behind `#` is one of these. */
  readonly anchors: ReadonlySet<string>;
  /** Targets, as written. */
  readonly links: readonly string[];
  readonly tables: readonly Table[];
  /** Text in backticks, and each line of a fenced block that names a language; a line that ends with a backslash goes on in the next. */
  readonly code: readonly string[];
  readonly blocks: readonly Block[];
}

/** Directories of this checkout that others fill. */
const foreign = ["node_modules", "build", "coverage"];

/** Every Markdown file of the project, the ones of its directory first. */
export function documentation(): Page[] {
  const top = readdirSync(root, { withFileTypes: true });
  const own = top.filter((entry) => entry.isDirectory() && !foreign.includes(entry.name));
  const below = own
    .filter(({ name }) => !name.startsWith(".") || name === ".github")
    .flatMap(({ name }) =>
      readdirSync(join(root, name), { recursive: true, encoding: "utf8" }).map((path) => join(name, path)),
    );
  const files = top.filter((entry) => entry.isFile()).map(({ name }) => name);
  const isPage = (name: string) => name.endsWith(".md");
  return [...files.filter(isPage).sort(), ...below.filter(isPage).sort()].map(readPage);
}

/** @param path from the project's directory */
export function readPage(path: string): Page {
  const anchors = new Set<string>();
  const links: string[] = [];
  const tables: { section: string; header: string[]; rows: string[][] }[] = [];
  const code: string[] = [];
  const blocks: Block[] = [];
  let section = "";
  let block: { readonly language: string; readonly indent: number; readonly lines: string[] } | undefined;
  let table: (typeof tables)[number] | undefined;
  for (const line of readFileSync(join(root, path), "utf8").replaceAll("\\\n", " ").split("\n")) {
    const [, indent = "", language] = /^(\s*)```(.*)$/.exec(line) ?? [];
    if (language !== undefined) {
      if (block === undefined) {
        block = { language, indent: indent.length, lines: [] };
      } else {
        blocks.push({ section, language: block.language, text: block.lines.join("\n") });
        block = undefined;
      }
      continue;
    }
    if (block !== undefined) {
      block.lines.push(line.slice(block.indent));
      if (block.language !== "") code.push(line.trim());
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
  return { path, anchors, links, tables, code, blocks };
}

/** A line of a block for a shell, with those that `\\` joins to it. */
export interface ShellCommand {
  /** Text of the heading above it. */
  readonly section: string;
  readonly text: string;
}

/** Commands for a reader's shell, in the page's order. Those in blocks of `console` have to be adapted first; blocks that show what a command prints (`$ `) have none. */
export function shellCommands({ blocks }: Page, languages: readonly string[] = ["sh"]): ShellCommand[] {
  return blocks
    .filter(({ language, text }) => languages.includes(language) && !text.startsWith("$ "))
    .flatMap(({ section, text }) => text.split("\n").map((line) => ({ section, text: line.trim() })));
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

/** Text in the first backticks of a cell; undefined where it does not begin with any. */
export function literal(cell: string): string | undefined {
  return /^`([^`]*)`/.exec(cell)?.[1];
}
