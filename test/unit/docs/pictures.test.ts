import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { pictures } from "../../../tools/tasks/picture.mjs";
import { root } from "./markdown.ts";

it.each(Object.entries(pictures))(
  "docs/images/%s is what the code draws; where it is not, `node tools/run.mjs picture` draws it again",
  (file, draw) => {
    expect(readFileSync(join(root, "docs", "images", file), "utf8")).toBe(draw());
  },
);
