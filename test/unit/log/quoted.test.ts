/** Texts from outside end at a bound, with a mark that says how long they were. */

import fc from "fast-check";
import { expect, test } from "vitest";
import { bounded, escapeUnprintable, longestValue, quoted } from "../../../src/log/quoted.ts";
import { usedHeap } from "../../support/used-heap.ts";

test("a text of 200 characters is shown as it is, and of a longer one its beginning and its length", () => {
  expect(bounded("a".repeat(200))).toBe("a".repeat(200));
  expect(bounded("a".repeat(201))).toBe(`${"a".repeat(200)}… (201 characters)`);
  expect(quoted("a".repeat(200))).toBe(`"${"a".repeat(200)}"`);
  expect(quoted("a".repeat(240_000))).toBe(`"${"a".repeat(200)}…" (240000 characters)`);
  expect(bounded("abcdef", 3)).toBe("abc… (6 characters)");
});

test("a character of two units is not cut in half", () => {
  expect(bounded("ab😀cd", 3)).toBe("ab… (6 characters)");
  expect(bounded("ab😀cd", 4)).toBe("ab😀… (6 characters)");
  fc.assert(
    fc.property(fc.string({ unit: "grapheme" }), fc.integer({ min: 1, max: 20 }), (text, most) => {
      expect(bounded(text, most).isWellFormed()).toBe(true);
    }),
  );
});

test("whatever is quoted is one line of bounded length, and what is short can be read back", () => {
  fc.assert(
    fc.property(fc.string({ unit: "binary", maxLength: 1000, size: "max" }), (text) => {
      const written = quoted(text);
      expect(written.length).toBeLessThanOrEqual(longestValue * 6 + 40);
      expect(written).not.toMatch(/[\p{Cc}\p{Zl}\p{Zp}]/u);
      if (text.length <= longestValue) expect(JSON.parse(written)).toBe(text);
      else expect(written.endsWith(`(${text.length} characters)`)).toBe(true);
    }),
    { numRuns: 500 },
  );
  expect(escapeUnprintable("a\u2028\u0085\n")).toBe(String.raw`a\u2028\u0085\n`);
});

test("a text that was cut does not keep the whole one alive", () => {
  const size = 2_000_000;
  const kept: string[] = [];
  const before = usedHeap();
  for (let index = 0; index < 10; index++) kept.push(bounded(`${index}`.padEnd(size, "x")));
  expect(kept).toHaveLength(10);
  expect(usedHeap() - before).toBeLessThan(3 * size);
});
