/** The progress of long works, on a terminal and elsewhere. */

import { expect, test } from "vitest";
import { ProgressLine } from "../../../src/ctl/text/progress-line.ts";

/** A line whose clock the test has. */
function lineOn(output: { readonly isTTY?: boolean; readonly columns?: number }) {
  const written: string[] = [];
  let now = 1_000;
  const line = new ProgressLine({ ...output, write: (text) => written.push(text) }, () => now);
  const at = (milliseconds: number, what: string, done: number) => {
    now = 1_000 + milliseconds;
    line.show(what, done);
  };
  return { written, line, at };
}

test("a terminal's line is written over, with the share and the time left", () => {
  const { written, at } = lineOn({ isTTY: true, columns: 80 });
  at(0, "round 1", 0);
  at(10_000, "round 2", 0.25);
  expect(written).toEqual([
    "\r\u001b[K[....................]   0 %: round 1",
    "\r\u001b[K[#####...............]  25 %, 30 s left: round 2",
  ]);
});

test("the pace counts from where nothing was done: getting ready has none", () => {
  const { written, at } = lineOn({ isTTY: true });
  at(0, "a cluster starts", 0);
  at(60_000, "warm-up", 0);
  at(64_000, "round 1", 0.5);
  expect(written.at(-1)).toContain(" 50 %, 4 s left: round 1");
});

test("no time left is told of the first moments", () => {
  const { written, at } = lineOn({ isTTY: true });
  at(0, "round 1", 0);
  at(500, "round 1", 0.001);
  expect(written.at(-1)).not.toContain("left");
});

test("what follows quickly is not shown, but the end is", () => {
  const { written, at } = lineOn({ isTTY: true });
  at(0, "a", 0);
  for (let after = 1; after < 200; after++) at(after, "b", after / 1000);
  expect(written).toHaveLength(1);
  at(200, "c", 0.5);
  at(201, "d", 1);
  expect(written).toHaveLength(3);
  expect(written.at(-1)).toContain("[####################] 100 %");
});

test("a line is no wider than the terminal", () => {
  const { written, at } = lineOn({ isTTY: true, columns: 40 });
  at(0, "x".repeat(100), 0);
  expect(written.join("").replace("\r\u001b[K", "")).toHaveLength(39);
});

test("other text finds the line erased, once", () => {
  const { written, line, at } = lineOn({ isTTY: true });
  line.clear();
  expect(written).toEqual([]);
  at(0, "a", 0);
  line.clear();
  line.clear();
  expect(written.slice(1)).toEqual(["\r\u001b[K"]);
  at(1, "b", 0.1);
  expect(written).toHaveLength(3);
});

test("elsewhere there is a line every ten seconds at most, without control characters", () => {
  const { written, line, at } = lineOn({});
  for (let second = 0; second <= 25; second++) at(second * 1_000, `second ${second}`, second / 50);
  expect(written).toEqual([
    "[....................]   0 %: second 0\n",
    "[####................]  20 %, 40 s left: second 10\n",
    "[########............]  40 %, 30 s left: second 20\n",
  ]);
  line.clear();
  expect(written).toHaveLength(3);
});
