/** Every promise of docs/security.md names a test, and that test is there. */

import { describe, expect, test } from "vitest";
import { problemsOf, promisesOf } from "./evidence.ts";

/** Two sections promise nothing: the table of authors, and the risks that remain. */
const promises = promisesOf("docs/security.md", ["Authors and trust", "Not promised"]);

describe("docs/security.md", () => {
  test.each(promises)("$text", (promise) => {
    expect(problemsOf(promise)).toEqual([]);
  });

  test("has promises about every author", () => {
    expect(promises.length).toBeGreaterThan(20);
  });
});
