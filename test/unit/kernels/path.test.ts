/** Paths and values for error messages. */
import { expect, test } from "vitest";
import { jsonPathAt, jsonValueAt } from "../../../src/kernels/path.ts";

test.each([
  ["@", ""],
  ['{"a":@', "a"],
  ['{"a":1,@"b":2}', ""],
  ['{"a":[1,{"b":[[],[1,@', "a[1].b[1][1]"],
  ['{"a":{"x":1},"b":{"c":@', "b.c"],
  ['[{"a":"}]","b\\"c":"\\\\","d":@', "[0].d"],
  ['{"\\u0061":@', "a"],
])("path in %s", (text, path) => {
  const bytes = Buffer.from(text);
  expect(jsonPathAt(bytes, bytes.indexOf("@"))).toBe(path);
});

test.each([
  ['"10.0.0.1"}', '"10.0.0.1"'],
  ["-1.5e+3,", "-1.5e+3"],
  ["true]", "true"],
  ["{}", ""],
  [`"${"x".repeat(100)}"`, ""],
])("value in %s", (text, value) => {
  expect(jsonValueAt(Buffer.from(text), 0)).toBe(value);
});
