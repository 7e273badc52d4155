/** Bars with their medians and whiskers. */

import { expect, test } from "vitest";
import { barChart } from "../../../../src/ctl/bench/plot/bar-chart.ts";
import { pictureFile } from "../../../../src/ctl/bench/plot/svg.ts";

const numbersOf = (text: string, pattern: RegExp): number[] =>
  Array.from(text.matchAll(pattern), ([, number]) => Number(number));

test("the number of a median stands on its bar, wherever the whisker ends, and beside the whisker", () => {
  const bars = [
    { label: "ours", median: 10, p99: 80 },
    { label: "theirs", median: 100, p99: 110 },
  ];
  const markup = barChart("times", "ms", [{ label: "4 networks", bars }]).parts.join("\n");
  const tops = numbersOf(
    markup,
    /<rect class="c\d" x="[\d.]+" y="([\d.]+)" width="[\d.]+" height="[\d.]+"><title/g,
  );
  const texts = numbersOf(markup, /<text class="median" x="[\d.]+" y="([\d.]+)">/g);
  expect(tops).toHaveLength(2);
  expect(texts).toEqual(tops.map((top) => expect.closeTo(top - 4, 1)));
  const lefts = numbersOf(markup, /<text class="median" x="([\d.]+)"/g);
  const whiskers = numbersOf(markup, /<line class="whisker" x1="([\d.]+)"/g);
  // Five characters of this size.
  expect(whiskers.map((x, index) => x - (lefts[index] ?? 0) > 35)).toEqual([true, true]);
});

test("a picture is one SVG element with its texts escaped", () => {
  const chart = barChart("a < b", "ms", [{ label: "1 & 2", bars: [{ label: '"x"', median: 1, p99: 3 }] }]);
  const text = pictureFile(chart, "c > d");
  expect(text).toMatch(/^<svg [^>]+>/);
  expect(text.trimEnd()).toMatch(/<\/svg>$/);
  for (const escaped of ["a &#60; b", "1 &#38; 2", "c &#62; d", "&#34;x&#34;"])
    expect(text).toContain(escaped);
  expect(text).not.toContain("NaN");
});
