/** Waits grow, up to a limit, with full jitter. */

import { expect, it } from "vitest";
import { BackOff } from "../../../src/kube/back-off.ts";

const limits = { first: 50, most: 2_000 };
const waits = (backOff: BackOff, count: number) => Array.from({ length: count }, () => backOff.next(limits));

it("doubles the longest wait up to the limit", () => {
  expect(waits(new BackOff(() => 1), 8)).toEqual([50, 100, 200, 400, 800, 1_600, 2_000, 2_000]);
});

it("waits any time up to that", () => {
  expect(waits(new BackOff(() => 0.5), 3)).toEqual([25, 50, 100]);
  expect(waits(new BackOff(() => 0), 3)).toEqual([0, 0, 0]);
});

it("stays at the limit however often it fails", () => {
  expect(waits(new BackOff(() => 1), 2_000).at(-1)).toBe(2_000);
});

it("begins anew after a success, and for a failure of another sort", () => {
  const backOff = new BackOff(() => 1);
  waits(backOff, 5);
  backOff.reset();
  expect(backOff.next(limits)).toBe(50);
  backOff.next(limits);
  expect(backOff.next({ first: 1_000, most: 30_000 })).toBe(1_000);
  expect(backOff.next(limits)).toBe(50);
});
