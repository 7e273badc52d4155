/** The subject of a comment's sentence is a thing or an actor: no sentence in the sources begins with a clause as "What a daemon answers". */

import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it, test } from "vitest";
import { root } from "./markdown.ts";

const directories = ["assembly", "bench", "shim", "src", "test", "tools"];
const isSource = (name: string) => /\.(?:[cm]?ts|[cm]?js|c|h)$/.test(name);

/** Comments behind code as well; those of consecutive lines in one. */
const comments = /(?<=^|\s)(?:\/\*[\s\S]*?\*\/|\/\/.*(?:\n[ \t]*\/\/.*)*)/gm;
/** Signs of a comment at the beginning of its lines, of which no sentence is part. */
const signs = /^[ \t]*(?:\/\*+|\*\/?|\/\/+)[ \t]*/gm;
const clauses = /(?:^[ \t]*|[.!?]["')]?[ \t]+)(?:Who|Whom|Whose|Whoever|What|Whatever)\b.*/gm;

/** @param text of a source file @returns `LINE: the sentence, to the end of its line` */
function clausesIn(text: string): string[] {
  return Array.from(text.matchAll(comments)).flatMap(({ 0: comment, index }) => {
    const before = text.slice(0, index).split("\n").length;
    const words = comment.replaceAll(signs, "");
    return Array.from(words.matchAll(clauses), (clause) => {
      const line = before + words.slice(0, clause.index).split("\n").length - 1;
      return `${line}: ${clause[0].replace(/^[.!?"') \t]+/, "")}`;
    });
  });
}

it.each(directories)("%s/: no sentence of a comment begins with What, Who or Whose", (directory) => {
  const files = readdirSync(join(root, directory), { recursive: true, encoding: "utf8" }).filter(isSource);
  expect(files).not.toEqual([]);
  const found = files.flatMap((file) =>
    clausesIn(readFileSync(join(root, directory, file), "utf8")).map(
      (clause) => `${join(directory, file)}:${clause}`,
    ),
  );
  expect(found).toEqual([]);
});

test.each([
  ["/** What a daemon answers. */", "1: What a daemon answers. */"],
  ["/* Whose file it is. */", "1: Whose file it is. */"],
  ["{\n\t// Whoever asks, waits.\n}", "2: Whoever asks, waits."],
  ["/** A daemon. What it answers is kept. */", "1: What it answers is kept. */"],
  ["/**\n * A daemon (one of many.) Who\n * asks it, waits.\n */", "2: Who"],
  [
    "\n/**\n * A daemon.\n * @param name of it\n * Whatever it answers is kept.\n */",
    "5: Whatever it answers is kept.",
  ],
  ["// One.\n// What it answers is kept.", "2: What it answers is kept."],
  [["answer();", "// What comes is left."].join(" "), "1: What comes is left."],
])("a sentence of that kind is found: %j", (text, found) => {
  expect(clausesIn(text)).toEqual([found]);
});

test.each([
  "/** A daemon's answer: what it is, and whose. Whatsoever, too. */",
  'say("What a daemon answers");',
  "const url = `https://What.example`;",
  "/* One. */\nWhat(); /* Two. */",
])("other texts are let through: %j", (text) => {
  expect(clausesIn(text)).toEqual([]);
});
