import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { actions } from "../../../src/kube/events.ts";
import { root } from "./markdown.ts";

const readPage = (path: string) => readFileSync(join(root, path), "utf8");

test("every reason of an event has a row that says when it comes, and is named where a fault is looked for", () => {
  const rows = Array.from(
    readPage("deploy/README.md").matchAll(/^\| `([A-Z]\w+)` \| (?:Normal|Warning) \|/gm),
    ([, reason]) => reason,
  );
  expect(rows.toSorted()).toEqual(Object.keys(actions).sort());
  const [named = ""] =
    /^- `kubectl describe pod`: the events (.*)\.$/m.exec(readPage("docs/operations.md")) ?? [];
  expect(Object.keys(actions).filter((reason) => !named.includes(`\`${reason}\``))).toEqual([]);
});
