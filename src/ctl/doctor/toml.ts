/** As much of TOML as a runtime's configuration needs to be looked at: keys with their tables, texts, lists of texts. */

/** One `key = value`. */
export interface TomlEntry {
  /** Of the tables and the key: `["crio", "network", "plugin_dirs"]`. */
  readonly path: readonly string[];
  /** As it is written; a list that goes over several lines is one line. */
  readonly value: string;
}

const keyPart = /\s*(?:"((?:[^"\\]|\\.)*)"|'([^']*)'|([A-Za-z0-9_-]+))\s*/y;

/** @param text TOML; what is no table and no key with its value is passed over, however it is written @returns in the file's order */
export function tomlEntries(text: string): TomlEntry[] {
  const entries: TomlEntry[] = [];
  let table: readonly string[] = [];
  for (const line of linesOf(text)) {
    if (line.startsWith("[")) {
      const { path, rest } = keyAt(line.replace(/^\[{1,2}/, ""));
      // What cannot be read is nobody's table: keys below it belong to none that is asked for.
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

/** The texts in a value: one, or those of a list. */
export function textsIn(value: string): string[] {
  return Array.from(
    value.matchAll(/"((?:[^"\\]|\\.)*)"|'([^']*)'/g),
    ([, double, single]) => double ?? single ?? "",
  );
}

/** The dotted key that a line begins with, and what is behind it. */
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

/** Lines without comments; a list that goes over several lines is one. */
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
