/** README.md is short and has what a newcomer looks for; docs/README.md lists every page. */

import { readFileSync } from "node:fs";
import { dirname, join, normalize } from "node:path";
import { describe, expect, it } from "vitest";
import { documentation, readPage, root } from "./markdown.ts";

const readme = readPage("README.md");
const text = readFileSync(join(root, "README.md"), "utf8");

describe("README.md", () => {
  it("has at most 150 lines", () => {
    expect(text.trimEnd().split("\n").length).toBeLessThanOrEqual(150);
  });

  it("begins with what it is and for whom, a picture and a plot", () => {
    const beginning = text.slice(0, text.indexOf("\n## "));
    expect(beginning).toContain("**It is for**");
    const images = Array.from(beginning.matchAll(/!\[[^\]]+\]\(([^)]+)\)/g), ([, image]) => image);
    expect(images).toEqual(["docs/images/request.svg", "docs/images/attach.svg"]);
  });

  it("has one command to install, what it does not do yet, and the two commands to try it", () => {
    const commandsOf = (section: string) =>
      readme.blocks.filter((block) => block.section === section).map((block) => block.text);
    const [install = "", ...more] = commandsOf("Install");
    expect(install).toMatch(/^kubectl apply .*$/);
    expect(more).toEqual([]);
    expect(text).toContain("\n## What it does not do yet\n");
    expect(readme.code).toEqual(expect.arrayContaining(["npm run demo", "npm test"]));
  });
});

describe("docs/README.md", () => {
  it("has a link to every page of docs/, and to those of the project's directory", () => {
    const targets = ["docs/README.md", "README.md"].flatMap((path) =>
      readPage(path).links.map((link) => normalize(join(dirname(path), link.split("#")[0] ?? ""))),
    );
    const pages = documentation()
      .map(({ path }) => path)
      .filter((path) => path.startsWith("docs/") || !path.includes("/"));
    expect(pages.filter((path) => !targets.includes(path) && path !== "README.md")).toEqual([]);
  });
});
