/** The generated cases of Go multus on the whole path, but for those that test/golden/whole-path.test.ts has. */

import { afterAll, beforeAll, describe, test } from "vitest";
import { goesOn } from "../golden/allowed-differences.ts";
import { generatedCases } from "../golden/cases.ts";
import { surroundingsOf } from "../golden/surroundings.ts";
import { DaemonForCases, makesLinks, replayOnWholePath } from "../golden/whole-path.ts";

const cases = generatedCases.filter(
  (golden) => !makesLinks(golden) && !goesOn(golden) && surroundingsOf(golden).includes("files and runtime"),
);

const daemon = new DaemonForCases();

beforeAll(() => daemon.start());

afterAll(() => daemon[Symbol.asyncDispose]());

describe.each(cases)("$name", (golden) => {
  test("does what Go multus did, step by step", () => replayOnWholePath(golden, daemon));
});
