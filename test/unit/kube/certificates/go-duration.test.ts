import { expect, test } from "vitest";
import { parseGoDuration } from "../../../../src/kube/certificates/go-duration.ts";

test.each([
  ["10m", 600_000],
  ["1h30m", 5_400_000],
  ["1.5h", 5_400_000],
  [".5s", 500],
  ["+2h", 7_200_000],
  ["1h1ms", 3_600_001],
  ["0", 0],
  ["3us", 0.003],
])("%s is %d ms, as for Go", (text, milliseconds) => {
  expect(parseGoDuration(text)).toBeCloseTo(milliseconds, 9);
});

test.each(["", "10", "m", "1d", "-1h", "1h 30m", "1h-1m", "1,5h", "∞"])("%j is no duration", (text) => {
  expect(parseGoDuration(text)).toBeUndefined();
});
