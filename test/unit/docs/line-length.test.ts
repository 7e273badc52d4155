/** Text lines of every Markdown file end at 100 characters. */

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it, test } from "vitest";
import { documentation, root } from "./markdown.ts";
import { isTooLong, longest, paragraphsIn, unitsOf } from "./text-lines.ts";

it.each(documentation())(`$path has no line of text of more than ${longest} characters`, ({ path }) => {
  const lines = paragraphsIn(readFileSync(join(root, path), "utf8")).flat();
  expect(lines.filter(([, line]) => isTooLong(line)).map(([number]) => `${path}:${number}`)).toEqual([]);
});

const long = "word ".repeat(20);

test("a line that is too long is seen, in a paragraph and in a list", () => {
  const text = `${long}end\n\n1. ${long}\n   ${long}\n`;
  expect(
    paragraphsIn(text)
      .flat()
      .filter(([, line]) => isTooLong(line)),
  ).toHaveLength(3);
});

test("tables, code, headings and what cannot be broken may be longer", () => {
  const code = `\`${long}\``;
  const text = `# ${long}\n| ${long} |\n\`\`\`\n${long}\n\`\`\`\n- ${code}\n[${"x".repeat(90)}](${"y".repeat(90)})\n`;
  const lines = paragraphsIn(text).flat();
  expect(lines.map(([number]) => number)).toEqual([6, 7]);
  expect(lines.filter(([, line]) => isTooLong(line))).toEqual([]);
  expect(unitsOf("a `b c` - d 1. e [f g](h)")).toEqual(["a", "`b c` -", "d 1.", "e", "[f", "g](h)"]);
  expect(unitsOf('x "a title", y')).toEqual(["x", '"a title",', "y"]);
});
