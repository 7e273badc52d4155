/**
 * Recorded cases on the whole path: plugin binary, daemon, processes, a namespace. With an API they are in test/cluster/golden.test.ts.
 * Of the generated ones those whose delegates make real links; the others are in test/heavy/generated-cases.test.ts.
 */

import { afterAll, beforeAll, describe, test } from "vitest";
import { goesOn } from "./allowed-differences.ts";
import { cases, generatedCases } from "./cases.ts";
import { surroundingsOf } from "./surroundings.ts";
import { DaemonForCases, makesLinks, replayOnWholePath } from "./whole-path.ts";

const replayed = [...cases, ...generatedCases.filter(makesLinks)].filter(
  (golden) => !goesOn(golden) && surroundingsOf(golden).includes("files and runtime"),
);

const daemon = new DaemonForCases();

beforeAll(() => daemon.start());

afterAll(() => daemon[Symbol.asyncDispose]());

describe.each(replayed)("$name: $about", (golden) => {
  test("does what Go multus did, step by step", () => replayOnWholePath(golden, daemon));
});
