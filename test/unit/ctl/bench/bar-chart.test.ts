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
  const texts = numbersOf(markup, /<text class="median" x="[\d.]+" y="([\d.]+)"/g);
  expect(tops).toHaveLength(2);
  expect(texts).toEqual(tops.map((top) => expect.closeTo(top - 4, 1)));
  const lefts = numbersOf(markup, /<text class="median" x="([\d.]+)"/g);
  const whiskers = numbersOf(markup, /<line class="whisker" x1="([\d.]+)"/g);
  // Five characters of this size.
  expect(whiskers.map((x, index) => x - (lefts[index] ?? 0) > 35)).toEqual([true, true]);
});

test.each([1, 3, 6, 10])("with %i bars in a group no number reaches a whisker or another bar", (count) => {
  const bars = Array.from({ length: count }, (_, index) => {
    return { label: `subject ${index}`, median: 3 + index * 37.7, p99: 600 };
  });
  const groups = [1, 4, 8].map((networks) => ({ label: `${networks} networks`, bars }));
  const markup = barChart("times", "ms", groups).parts.join("\n");
  const drawn =
    /<rect class="c\d" x="([\d.]+)" y="[\d.]+" width="([\d.]+)" .*?<line class="whisker" x1="([\d.]+)".*?<text class="median" x="([\d.]+)" y="[\d.]+" font-size="([\d.]+)">([\d.]+)</g;
  const all = Array.from(markup.matchAll(drawn), ([, ...found]) => found.map(Number));
  const texts = numbersOf(markup, /<text class="median"[^>]*>([\d.]+)</g);
  expect(all).toHaveLength(3 * count);
  for (const [index, [left = 0, width = 0, whisker = 0, x = 0, size = 0]] of all.entries()) {
    const characters = String(texts[index]?.toFixed((texts[index] ?? 0) < 100 ? 1 : 0)).length;
    // A digit of the usual fonts is 0.56 to 0.64 of its size wide, a point half of that.
    expect(x + (characters - (characters > 3 ? 0.4 : 0)) * 0.64 * size).toBeLessThan(whisker);
    expect(whisker).toBeLessThanOrEqual(left + width);
    expect(x).toBeGreaterThanOrEqual(left);
    expect(size).toBeGreaterThan(6);
  }
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
