/** Lines and columns of kernel errors. */

import { expect, it } from "vitest";
import { lineColumn } from "../../../src/base/text-places.ts";

it.each([
  ["", 0, 1, 1],
  ["ab", 2, 1, 3],
  ["a\nb", 1, 1, 2],
  ["a\nb", 2, 2, 1],
  ["a\r\n\n b", 5, 3, 2],
  ["é😀x", 6, 1, 3],
])("counts lines and characters of %j up to byte %i", (text, offset, line, column) => {
  expect(lineColumn(new TextEncoder().encode(text), offset)).toEqual({ line, column });
});
