/** Programs on a node are recognized by their bytes. */

import { copyFileSync, readdirSync, readFileSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import {
  architectureOf,
  haveSameContent,
  isOurs,
  thisArchitecture,
} from "../../../../src/ctl/node/program.ts";
import { ScratchDirectory } from "../../../support/scratch-directory.ts";
import { shim } from "../../../support/test-node.ts";

let scratch: ScratchDirectory;
beforeEach(() => {
  scratch = new ScratchDirectory("program");
});
afterEach(() => scratch[Symbol.dispose]());

/** The first bytes of an ELF file for a machine of that number (System V ABI). */
function elf(machine: number, rest = ""): Buffer {
  const header = Buffer.alloc(64);
  header.write("\x7fELF\x02\x01\x01", "latin1");
  header.writeUInt16LE(machine, 18);
  return Buffer.concat([header, Buffer.from(rest)]);
}

describe("architectureOf", () => {
  it("is this machine's for the plugin binary that was built here", () => {
    expect(architectureOf(shim)).toBe(thisArchitecture());
  });

  it.each([
    [62, "amd64"],
    [183, "arm64"],
    [243, undefined],
  ])("of machine %d is %s", (machine, architecture) => {
    expect(architectureOf(scratch.write("program", elf(machine)))).toBe(architecture);
  });

  it.each(["", "#!/bin/sh\nexec true\n", "\x7fELF"])("of %j is none", (text) => {
    expect(architectureOf(scratch.write("program", Buffer.from(text, "latin1")))).toBeUndefined();
  });
});

describe("isOurs", () => {
  it("knows the plugin binary, under whatever name", () => {
    const path = join(scratch.path, "any");
    copyFileSync(shim, path);
    expect(isOurs(path, "multus")).toBe(true);
    expect(isOurs(path, "multusd")).toBe(false);
  });

  it.each([65_536 - 64, 65_536 - 70, 131_072 - 80, 0, 1])("finds the mark after %d bytes", (before) => {
    const path = scratch.write("program", elf(62, `${"x".repeat(before)}(multus-wasm): CNI plugin`));
    expect(isOurs(path, "multus")).toBe(true);
  });

  it("takes neither another program, nor a script that speaks of it, nor a link to ours", () => {
    expect(isOurs(process.execPath, "multus")).toBe(false);
    const script = scratch.write("script", "#!/bin/sh\n# (multus-wasm): CNI plugin\n");
    expect(isOurs(script, "multus")).toBe(false);
    symlinkSync(shim, join(scratch.path, "link"));
    expect(isOurs(join(scratch.path, "link"), "multus")).toBe(false);
  });
});

describe("haveSameContent", () => {
  it.each([0, 1, 65_535, 65_536, 65_537, 200_000])("compares %d bytes", (length) => {
    const first = scratch.write("first", Buffer.alloc(length, "a"));
    expect(haveSameContent(first, scratch.write("second", readFileSync(first)))).toBe(true);
    expect(haveSameContent(first, scratch.write("longer", Buffer.alloc(length + 1, "a")))).toBe(false);
    expect(haveSameContent(scratch.write("longer", Buffer.alloc(length + 1, "a")), first)).toBe(false);
    if (length === 0) return;
    const changed = readFileSync(first);
    changed.write("b", length - 1);
    expect(haveSameContent(first, scratch.write("changed", changed))).toBe(false);
  });

  it("leaves no file open", () => {
    const first = scratch.write("first", Buffer.alloc(200_000, "a"));
    const second = scratch.write("second", Buffer.alloc(200_000, "b"));
    const before = readdirSync("/proc/self/fd").length;
    for (let round = 0; round < 50; round++) haveSameContent(first, second);
    expect(readdirSync("/proc/self/fd").length).toBeLessThan(before + 50);
  });
});
