/** The shares of a part that its rounds tell. */

import { expect, test } from "vitest";
import { Rounds } from "../../../bench/progress.ts";

test("rounds that take longer count for more, and the last one ends the part", async () => {
  const told: (readonly [string, number])[] = [];
  const rounds = new Rounds(async (what, done) => void told.push([what, done]), 2 * 2 + 1 * 4);
  await rounds.begin("warm-up");
  for (const [what, weight] of [
    ["one", 2],
    ["one", 2],
    ["four", 4],
  ] as const)
    await rounds.ended(what, weight);
  expect(told).toEqual([
    ["warm-up", 0],
    ["one", 0.25],
    ["one", 0.5],
    ["four", 1],
  ]);
});
