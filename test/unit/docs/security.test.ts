/** Every promise of docs/security.md names a test, and that test is there. */

import { describe, expect, test } from "vitest";
import { problemsOf, promisesOf } from "./evidence.ts";

/** Two sections promise nothing: who writes what, and what is not promised. */
const promises = promisesOf("docs/security.md", ["Who writes", "Not promised"]);

describe("docs/security.md", () => {
  test.each(promises)("$text", (promise) => {
    expect(problemsOf(promise)).toEqual([]);
  });

  test("promises something to each who may write", () => {
    expect(promises.length).toBeGreaterThan(20);
  });
});
