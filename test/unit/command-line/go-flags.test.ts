/** Go's forms of flags. */

import { describe, expect, it } from "vitest";
import { goBoolean, type KnownOption, withGoFlags } from "../../../src/command-line/go-flags.ts";

const known: readonly KnownOption[] = [
  { name: "config", takes: "value" },
  { name: "dest-dir", short: "d", takes: "value" },
  { name: "once", takes: "switch" },
  { name: "version", short: "v", takes: "switch" },
  { name: "isolation", takes: "boolean" },
];

describe("a flag of Go's", () => {
  it.each([
    [["-config", "/x"], ["--config=/x"]],
    [["--config", "/x"], ["--config=/x"]],
    [["-config=/x=y"], ["--config=/x=y"]],
    [["-config="], ["--config="]],
    [["-config", ""], ["--config="]],
    [
      ["--config", "-version", "-v"],
      ["--config=-version", "--version"],
    ],
    [
      ["-config", "--", "-v"],
      ["--config=--", "--version"],
    ],
    [
      ["-d", "/x", "-d=/y"],
      ["--dest-dir=/x", "--dest-dir=/y"],
    ],
    [["-version"], ["--version"]],
    [["--v"], ["--version"]],
    [
      ["-version=true", "-v=1", "-once=F", "--once=0"],
      ["--version", "--version"],
    ],
    [
      ["-isolation", "false"],
      ["--isolation=true", "false"],
    ],
    [
      ["--isolation=T", "-isolation=false"],
      ["--isolation=true", "--isolation=false"],
    ],
    [
      ["-once=maybe", "-isolation="],
      ["--once=maybe", "--isolation="],
    ],
    [["-config=a\nb"], ["--config=a\nb"]],
    [["-config"], ["--config"]],
  ])("%j is %j", (args, expected) => {
    expect(withGoFlags(args, known)).toEqual(expected);
  });

  it.each([
    [["-x", "---config", "-", "--=", "-d/x", "configs", "-conf", "--config-dir=/x", ""]],
    [["--", "-config", "x"]],
  ])("that is not known, and what is none, stay as they are: %j", (args) => {
    expect(withGoFlags(args, known)).toEqual(args);
  });

  it("is true or false as for strconv.ParseBool", () => {
    for (const text of ["1", "t", "T", "TRUE", "true", "True"]) expect(goBoolean(text)).toBe(true);
    for (const text of ["0", "f", "F", "FALSE", "false", "False"]) expect(goBoolean(text)).toBe(false);
    for (const text of ["", "yes", "tRUE", " true", "2"]) expect(goBoolean(text)).toBeUndefined();
  });
});
