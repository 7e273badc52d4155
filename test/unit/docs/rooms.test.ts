import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { drawRooms } from "../../../tools/tasks/picture.mjs";

test("the picture of the rooms is the code's; where it is not, `node tools/run.mjs picture` draws it anew", () => {
  const picture = join(import.meta.dirname, "..", "..", "..", "docs", "images", "rooms.svg");
  expect(readFileSync(picture, "utf8")).toBe(drawRooms());
});
