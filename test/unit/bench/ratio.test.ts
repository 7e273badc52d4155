/** Ratios of medians, and the interval that rounds leave. */

import { describe, expect, test } from "vitest";
import { pooled, ratioOf } from "../../../bench/ratio.ts";

/** Times around a centre, the same each time: a spread of `noise`, as share of it. */
function times(centre: number, noise: number, count = 40, phase = 0): number[] {
  return Array.from({ length: count }, (_, round) => centre * (1 + noise * Math.sin(7.3 * (round + phase))));
}

test("it is a ratio of medians, of what is left where something is taken away", () => {
  expect(ratioOf({ of: [2, 4, 60], base: [1, 2, 2] }).value).toBe(2);
  expect(ratioOf({ of: [7, 7, 70], less: [1, 3, 3], base: [2, 2, 2] }).value).toBe(2);
});

test("the interval has the ratio in it, and is narrower with more rounds", () => {
  const few = ratioOf({ of: times(3, 0.3, 12), base: times(1, 0.1, 12, 4) });
  const many = ratioOf({ of: times(3, 0.3, 120), base: times(1, 0.1, 120, 4) });
  for (const { value, interval } of [few, many]) {
    expect(interval[0]).toBeLessThanOrEqual(value);
    expect(interval[1]).toBeGreaterThanOrEqual(value);
  }
  expect(many.interval[1] - many.interval[0]).toBeLessThan(few.interval[1] - few.interval[0]);
});

test("it is the same each time it is asked for", () => {
  const sample = { of: times(3, 0.3), base: times(1, 0.2) };
  expect(ratioOf(sample)).toEqual(ratioOf(sample));
});

test("what slows all of a round down changes nothing", () => {
  const of = times(3, 0.1);
  const base = times(1, 0.1, 40, 2);
  const slow = (series: readonly number[]) => series.map((time) => time * 5);
  const quiet = ratioOf({ of, base });
  const loaded = ratioOf({ of: slow(of), base: slow(base) });
  expect(loaded.value).toBeCloseTo(quiet.value, 10);
  expect(loaded.interval[0]).toBeCloseTo(quiet.interval[0], 10);
});

test("of fewer than six rounds nothing is certain", () => {
  const rounds = [1, 1, 1, 1, 1];
  expect(ratioOf({ of: rounds, base: rounds })).toEqual({ value: 1, interval: [-Infinity, Infinity] });
});

describe("series that are not of the same rounds", () => {
  test.each([
    { of: [1, 2], base: [1] },
    { of: [1, 2], less: [1], base: [1, 2] },
    { of: [], base: [] },
  ])("are refused: %o", (sample) => {
    expect(() => ratioOf(sample)).toThrow("rounds are compared");
  });
});

test("two measurements together have the rounds of both", () => {
  const first = { of: [1], less: [2], base: [3] };
  expect(pooled(first, { of: [4], less: [5], base: [6] })).toEqual({
    of: [1, 4],
    less: [2, 5],
    base: [3, 6],
  });
  expect(pooled({ of: [1], base: [3] }, { of: [4], base: [6] })).toEqual({ of: [1, 4], base: [3, 6] });
});
