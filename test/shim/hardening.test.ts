/** The plugin binary is built with the compiler's hardening. test/heavy checks the other architecture's. */

import { execFileSync } from "node:child_process";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { thisArchitecture } from "../../src/ctl/node/program.ts";
import { commonFlags, releaseFlags, shimSources } from "../../tools/build/shim.mjs";
import { compilers } from "../../tools/setup/compilers.mjs";
import { elfFacts } from "../support/elf.ts";
import { ScratchDirectory } from "../support/scratch-directory.ts";
import { shims } from "./support/binaries.ts";

const root = join(import.meta.dirname, "../..");

test("it is a static program that may be at any address, with nothing writable that it runs", () => {
  expect(elfFacts(shims[0]?.binary ?? "")).toEqual({
    type: "ET_DYN",
    hasInterpreter: false,
    hasFullRelro: true,
    hasTextRelocations: false,
    writableAndExecutable: 0,
  });
});

test("its own code has canaries in its stack frames, and copies with checked lengths", async () => {
  using directory = new ScratchDirectory("objects");
  const sources = await shimSources();
  // The linker's words are of no use where nothing is linked, and symbols are what is looked at.
  const flags = releaseFlags.filter(
    (flag) => !flag.startsWith("-Wl,") && !["-s", "-static-pie"].includes(flag),
  );
  execFileSync(
    compilers[thisArchitecture()].command,
    [...[...commonFlags, ...flags, '-DMULTUS_VERSION="0"', "-c"], ...sources.map((name) => join(root, name))],
    { cwd: directory.path },
  );
  const symbols = (object: string): string =>
    execFileSync("nm", ["--undefined-only", join(directory.path, object)], { encoding: "utf8" });
  const objects = readdirSync(directory.path);
  expect(objects).toHaveLength(sources.length);
  // Of a frame without an array the compiler makes none.
  for (const object of ["json.o", "serve.o", "netns.o", "delegates.o", "permissions.o", "main.o"]) {
    expect(symbols(object), object).toContain("__stack_chk_fail");
  }
  expect(symbols("buffer.o")).toContain("__memcpy_chk");
});
