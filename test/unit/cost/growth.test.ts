/** The measure of the cost tests itself: it tells linear work from quadratic work. */

import { expect, test } from "vitest";
import { growth, linear } from "../../support/growth.ts";

const sizes = [250, 2000];

function numbers(size: number): number[] {
  return Array.from({ length: size }, (_, index) => index);
}

test("work that looks at each item once is linear", () => {
  const work = (size: number) => {
    const list = numbers(size);
    return () => list.map((item) => JSON.stringify({ item })).join(",");
  };
  expect(growth({ sizes, work })).toBeLessThan(linear);
});

test("work that looks at all items for each item is not", () => {
  const work = (size: number) => {
    const list = numbers(size);
    return () => list.filter((item) => list.every((other) => other >= -item)).length;
  };
  expect(growth({ sizes, work })).toBeGreaterThan(linear);
});
