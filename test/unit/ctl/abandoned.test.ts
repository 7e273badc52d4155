/** Which scratch nodes count as abandoned: those that this user made, and whose process is gone. */

import { chmodSync, mkdirSync, readdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { abandonedScratchNodes } from "../../../src/ctl/scratch/abandoned.ts";
import { isAlive, noteOwner, ownerOf, thisProcess } from "../../../src/ctl/scratch/owner.ts";
import { ScratchDirectory } from "../../support/scratch-directory.ts";

let scratch: ScratchDirectory;
const temporary = process.env.TMPDIR;
beforeEach(() => {
  scratch = new ScratchDirectory("abandoned");
  process.env.TMPDIR = scratch.path;
});
afterEach(() => {
  if (temporary === undefined) delete process.env.TMPDIR;
  else process.env.TMPDIR = temporary;
  scratch[Symbol.dispose]();
});

/** A process that there was before the machine was started. */
const dead = { pid: process.pid, started: -1 };

function directory(name: string, owner: string, mode = 0o700): string {
  const path = join(scratch.path, name);
  mkdirSync(path);
  writeFileSync(join(path, "owner.json"), owner);
  chmodSync(path, mode);
  return path;
}

test("a directory of a process that is gone", () => {
  const abandoned = directory("multusctl-dead", JSON.stringify(dead));
  const living = directory("multusctl-living", "");
  noteOwner(living);
  expect(ownerOf(living)).toEqual(thisProcess());
  expect(isAlive(thisProcess())).toBe(true);
  expect(abandonedScratchNodes()).toEqual([abandoned]);
});

test("nothing that somebody else may have made, or that says nothing of its process", () => {
  const target = directory("elsewhere", JSON.stringify(dead));
  directory("multusctl-open", JSON.stringify(dead), 0o777);
  directory("multusctl-group", JSON.stringify(dead), 0o750);
  symlinkSync(target, join(scratch.path, "multusctl-link"));
  writeFileSync(join(scratch.path, "multusctl-file"), JSON.stringify(dead));
  mkdirSync(join(scratch.path, "multusctl-without"), { mode: 0o700 });
  for (const [index, text] of ["", "[]", "{}", '{"pid":"1","started":2}', "x".repeat(2_000)].entries()) {
    directory(`multusctl-garbage-${index}`, text);
  }
  expect(abandonedScratchNodes()).toEqual([]);
  expect(readdirSync(scratch.path)).toHaveLength(11);
});
