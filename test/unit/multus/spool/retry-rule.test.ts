/** When a recorded DEL is tried again. */

import { expect, test } from "vitest";
import {
  dueAt,
  isTriedEnoughWithoutResult,
  mostTries,
  triesLeftOf,
  triesOfCrash,
} from "../../../../src/multus/spool/retry-rule.ts";

const now = 1_800_000_000_000;

test.each([
  [1, 10],
  [2, 20],
  [7, 640],
  [8, 1_200],
  [78, 1_200],
])("a record that failed %i times is due %i s after the last one", (tries, seconds) => {
  expect(dueAt(tries, now, now)).toBe(now + seconds * 1_000);
});

test("tries have two digits in a record's name, those of a crash among them", () => {
  expect(mostTries + triesOfCrash).toBeLessThan(100);
});

test("one that was never tried is due, and so is one of a clock that was set back", () => {
  expect(dueAt(0, now, now)).toBeLessThan(now);
  expect(dueAt(5, now + 1, now)).toBeLessThan(now);
});

test("all tries with their pauses take a day", () => {
  let time = now;
  for (let tries = 1; tries < mostTries; tries++) time = dueAt(tries, time, time);
  const hours = (time - now) / 3_600_000;
  expect(hours).toBeGreaterThan(23.5);
  expect(hours).toBeLessThan(24.5);
});

test("a container that was never attached is given up at its eighth replay, after 41 minutes", () => {
  let time = now;
  let tries = 1;
  for (;;) {
    time = dueAt(tries, time, time);
    if (isTriedEnoughWithoutResult(triesLeftOf(tries))) break;
    tries += 1;
  }
  expect(tries).toBe(8);
  expect(Math.round((time - now) / 60_000)).toBe(41);
});

test("the last try is known as the last; one that was brought back by hand has one", () => {
  expect([0, 1, 77, 78, 79].map(triesLeftOf)).toEqual([79, 78, 2, 1, 1]);
});
