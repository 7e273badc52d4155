/** Every link of the documentation that leads to a file of the project leads somewhere, and so does every anchor. */

import { existsSync } from "node:fs";
import { dirname, join, normalize } from "node:path";
import { expect, test } from "vitest";
import { documentation, root } from "./markdown.ts";

const pages = documentation();

/** A link's problem; undefined: none. @param path of the page that it is on */
function problemOf(link: string, path: string): string | undefined {
  const [target = "", anchor] = link.split("#");
  const file = target === "" ? path : normalize(join(dirname(path), target));
  if (file.startsWith("..") || !existsSync(join(root, file))) return `${path}: ${link}: there is no ${file}`;
  if (anchor === undefined) return undefined;
  const page = pages.find((each) => each.path === file);
  return page?.anchors.has(anchor) ? undefined : `${path}: ${link}: there is no such heading`;
}

test.each(pages)("links of $path lead somewhere", ({ path, links }) => {
  const relative = links.filter((link) => !/^[a-z]+:/.test(link));
  expect(relative.flatMap((link) => problemOf(link, path) ?? [])).toEqual([]);
});

test("a link that leads nowhere is seen", () => {
  expect(problemOf("wire.md#orders", "docs/install.md")).toBeUndefined();
  expect(problemOf("wire.md#order", "docs/install.md")).toContain("no such heading");
  expect(problemOf("../docs/wires.md", "docs/install.md")).toContain("there is no docs/wires.md");
  expect(pages.flatMap(({ links }) => links).length).toBeGreaterThan(100);
});
