/** Keys of a runtime's configuration, however TOML lets them be written. */

import { describe, expect, it } from "vitest";
import { textsIn, tomlEntries } from "../../../../src/ctl/doctor/toml.ts";

describe("keys", () => {
  it.each<[string, string, [string, string][]]>([
    ["at the top", "a = 1", [["a", "1"]]],
    ["of a table", "[ t . u ]\na=1", [["t/u/a", "1"]]],
    ["with dots", '[t]\nu."v.w" = 1', [["t/u/v.w", "1"]]],
    ["in quotes", "['t'.\"u.v\"]\n'a b' = 1", [["t/u.v/a b", "1"]]],
    ["of one of several tables", "[[t]]\na = 1", [["t/a", "1"]]],
    ["behind comments", '# [no]\n[t] # [u]\na = "#" # x', [["t/a", '"#"']]],
    [
      "with a list over several lines",
      "a = [ # x\n 'b', # y\n 'c']\nd = 1",
      [
        ["a", "[ 'b', 'c']"],
        ["d", "1"],
      ],
    ],
    [
      "below a table that cannot be read",
      "[t]\na = 1\n[=]\nb = 2",
      [
        ["t/a", "1"],
        ["/b", "2"],
      ],
    ],
    ["that are none", "a\n= 1\n[t\n]\n", []],
  ])("%s", (_, text, expected) => {
    expect(tomlEntries(text).map(({ path, value }) => [path.join("/"), value])).toEqual(expected);
  });

  it("have texts", () => {
    expect(textsIn(`["a", 'b "c"', "it's"]`)).toEqual(["a", 'b "c"', "it's"]);
    expect(textsIn("true")).toEqual([]);
  });
});
