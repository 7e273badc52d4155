/** Parses the subset of TOML that runtimes' configurations need: keys with their tables, strings, lists of strings. */

/** One `key = value`. */
export interface TomlEntry {
  /** Names of the tables and the key: `["crio", "network", "plugin_dirs"]`. */
  readonly path: readonly string[];
  /** The value's text; a list of several lines is joined into one. */
  readonly value: string;
}

const keyPart = /\s*(?:"((?:[^"\\]|\\.)*)"|'([^']*)'|([A-Za-z0-9_-]+))\s*/y;

/** @param text TOML; everything but tables, and keys with their values, is ignored @returns in the file's order */
export function tomlEntries(text: string): TomlEntry[] {
  const entries: TomlEntry[] = [];
  let table: readonly string[] = [];
  for (const line of linesOf(text)) {
    if (line.startsWith("[")) {
      const { path, rest } = keyAt(line.replace(/^\[{1,2}/, ""));
      // Keys below an unreadable table header belong to no table that a caller asks for.
      table = rest.startsWith("]") ? path : [""];
      continue;
    }
    const { path, rest } = keyAt(line);
    if (path.length > 0 && rest.startsWith("=")) {
      entries.push({ path: [...table, ...path], value: rest.slice(1).trim() });
    }
  }
  return entries;
}

/** The strings in a value: one, or those of a list. */
export function textsIn(value: string): string[] {
  return Array.from(
    value.matchAll(/"((?:[^"\\]|\\.)*)"|'([^']*)'/g),
    ([, double, single]) => double ?? single ?? "",
  );
}

/** The dotted key at the beginning of a line, and the rest of the line. */
function keyAt(line: string): { readonly path: readonly string[]; readonly rest: string } {
  const path: string[] = [];
  let end = 0;
  for (;;) {
    keyPart.lastIndex = end;
    const found = keyPart.exec(line);
    if (found === null) return { path: [], rest: line };
    const [, double, single, bare] = found;
    path.push(double ?? single ?? bare ?? "");
    end = keyPart.lastIndex;
    if (line[end] !== ".") return { path, rest: line.slice(end) };
    end += 1;
  }
}

/** Lines without comments; a list of several lines is joined into one. */
function linesOf(text: string): string[] {
  const lines: string[] = [];
  let isOpen = false;
  for (const line of text.split("\n")) {
    const content = withoutComment(line).trim();
    if (isOpen) lines.push(`${lines.pop() ?? ""} ${content}`);
    else lines.push(content);
    isOpen = (isOpen || /=\s*\[/.test(content)) && !content.includes("]");
  }
  return lines;
}

function withoutComment(line: string): string {
  return line.replace(/^((?:[^"'#]|"(?:[^"\\]|\\.)*"|'[^']*')*)#.*$/, "$1");
}
