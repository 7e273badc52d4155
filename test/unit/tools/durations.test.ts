/** How long things took the last time on a machine. */

import { afterEach, beforeEach, expect, test } from "vitest";
import { durationText, lastTime, rememberDuration } from "../../../tools/setup/durations.mjs";
import { ScratchDirectory } from "../../support/scratch-directory.ts";

let scratch: ScratchDirectory;
beforeEach(() => {
  scratch = new ScratchDirectory("durations");
});
afterEach(() => scratch[Symbol.dispose]());

const file = () => `${scratch.path}/cache/durations.json`;

test("the last time is told, of each thing its own", () => {
  expect(lastTime(file(), "kubernetes")).toBe("");
  rememberDuration(file(), "kubernetes", 400);
  rememberDuration(file(), "kubernetes", 252);
  rememberDuration(file(), "helm", 41.2);
  expect(lastTime(file(), "kubernetes")).toBe("the last time took 4 min 12 s");
  expect(lastTime(file(), "helm")).toBe("the last time took 41 s");
  expect(lastTime(file(), "containerd")).toBe("");
});

test.each(["{", "null", '"x"', '{"helm":"long"}', '{"helm":-1}'])(
  "a file that is not right is no hindrance: %s",
  (text) => {
    scratch.write("cache/durations.json", text);
    expect(lastTime(file(), "helm")).toBe("");
    rememberDuration(file(), "helm", 59.6);
    expect(lastTime(file(), "helm")).toBe("the last time took 1 min 0 s");
  },
);

test.each([
  [0.4, "0 s"],
  [59.4, "59 s"],
  [59.6, "1 min 0 s"],
  [3_725, "62 min 5 s"],
])("%f seconds are %s", (seconds, text) => {
  expect(durationText(seconds)).toBe(text);
});
