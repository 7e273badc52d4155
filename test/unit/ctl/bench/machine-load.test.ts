/** The load of a machine that other programs make, and the word about it. */

import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import {
  LoadWatch,
  loadWarning,
  mostOthers,
  type ProcessorTimes,
  processorTimes,
} from "../../../../src/ctl/bench/machine-load.ts";

test("busy is all but idle and waiting for disks; guests are counted once", () => {
  const stat = "cpu  100 5 50 1000 200 10 15 20 99 99\ncpu0 1 2 3 4 5 6 7 8 9 10\n";
  expect(processorTimes(stat)).toEqual({ all: 1400, busy: 200 });
});

test("this machine's own are read", () => {
  const times = processorTimes(readFileSync("/proc/stat", "utf8"));
  expect(times?.all).toBeGreaterThan(times?.busy ?? Infinity);
});

test.each(["", "cpu\n", "cpu  1 2 3\n", "intr 1 2 3 4 5 6 7 8\n"])(
  "another form is not known: %j",
  (stat) => {
    expect(processorTimes(stat)).toBeUndefined();
  },
);

/** A watch of a machine with these times, one pair for each look. */
function watchOf(...pairs: readonly (readonly [ProcessorTimes | undefined, ProcessorTimes | undefined])[]) {
  const times = pairs.flat();
  const pauses: number[] = [];
  const watch = new LoadWatch(
    () => times.shift(),
    async (milliseconds) => void pauses.push(milliseconds),
  );
  return { watch, pauses };
}

test("a look waits until the round is over, and is not repeated at once", async () => {
  const { watch, pauses } = watchOf([
    { busy: 1_000, all: 10_000 },
    { busy: 1_012, all: 10_020 },
  ]);
  await watch.look();
  await watch.look();
  expect(pauses).toEqual([20, 100]);
  expect(watch.load).toEqual({ others: 0.6, looks: 1 });
});

test("without times there is no look, and nothing is said", async () => {
  const { watch } = watchOf([undefined, undefined]);
  await watch.look();
  expect(watch.load).toEqual({ others: 0, looks: 0 });
  expect(loadWarning(watch.load)).toBe("");
});

test("a loaded machine is told from a quiet one by the share that others take", () => {
  expect(loadWarning({ others: mostOthers - 0.01, looks: 5 })).toBe("");
  expect(loadWarning({ others: mostOthers, looks: 5 })).toMatch(
    /too loaded to believe these numbers: of its processors' time other programs took 25 %\. From 25 % on/,
  );
  const parts = [0.9, 0.1, 0.4].map((others, index) => ({ others, looks: 1, during: `part ${index}` }));
  expect(loadWarning(...parts)).toContain("took 90 % during part 0, 40 % during part 2.");
});
