import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { actions } from "../../../src/kube/events.ts";
import { literal, readPage, root } from "./markdown.ts";

test("every reason of an event has a row that says when it comes, and is named where a fault is looked for", () => {
  const table = readPage("deploy/README.md").tables.find(({ header }) => header[0] === "reason");
  const reasons = table?.rows.map(([reason = ""]) => literal(reason));
  expect(reasons?.toSorted()).toEqual(Object.keys(actions).sort());
  const operations = readFileSync(join(root, "docs", "operations.md"), "utf8");
  const [named = ""] = /^- `kubectl describe pod`: the events [^.]*\.$/m.exec(operations) ?? [];
  expect(Object.keys(actions).filter((reason) => !named.includes(`\`${reason}\``))).toEqual([]);
});
