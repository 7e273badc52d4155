/** The numbers that benchmarks are judged by. */

import fc from "fast-check";
import { expect, test } from "vitest";
import { medianInterval, pairedDifference, summarize } from "../../../src/ctl/text/statistics.ts";

test("median, quartiles and p99 of a known series, in whatever order it came", () => {
  const values = Array.from({ length: 101 }, (_, index) => (index * 37) % 101);
  expect(summarize(values)).toEqual({ count: 101, median: 50, spread: 50, p90: 90, p99: 99 });
});

test("between two values the median is their middle", () => {
  expect(summarize([1, 2, 3, 10]).median).toBe(2.5);
});

test("the interval of the median holds the median, and narrows as values are added", () => {
  fc.assert(
    fc.property(
      fc.array(fc.integer({ min: -1000, max: 1000 }), { minLength: 1, maxLength: 200 }),
      (values) => {
        const [low, high] = medianInterval(values);
        const { median } = summarize(values);
        expect(low).toBeLessThanOrEqual(median);
        expect(high).toBeGreaterThanOrEqual(median);
      },
    ),
  );
  const series = (count: number) => Array.from({ length: count }, (_, index) => (index / count) * 100);
  const width = ([low, high]: readonly [number, number]) => high - low;
  expect(width(medianInterval(series(400)))).toBeLessThan(width(medianInterval(series(40))));
});

test("a difference is that of the rounds, not of the series: what slows both down for a while cancels out", () => {
  const base = [10, 200, 11, 190, 12, 180];
  const values = base.map((value) => value + 3);
  expect(pairedDifference(values, base)).toEqual({ median: 3, interval: [3, 3] });
});

test("an interval of 95 % needs six rounds, and a difference one", () => {
  expect(pairedDifference([1, 2, 3, 4, 5], [0, 0, 0, 0, 0])).toEqual({ median: 3, interval: undefined });
  expect(pairedDifference([1, 2, 3, 4, 5, 6], [0, 0, 0, 0, 0, 0])?.interval).toEqual([1, 6]);
  expect(pairedDifference([], [1])).toBeUndefined();
});
