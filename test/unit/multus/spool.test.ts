/** The daemon's side of recorded DELs: numbers and ages by the names alone. */

import { execFileSync } from "node:child_process";
import { symlinkSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { readSpool } from "../../../src/multus/spool/spool.ts";
import { ScratchDirectory } from "../../support/scratch-directory.ts";

const now = 1_800_000_000_000;
/** The name of a record made so many milliseconds ago. */
const name = (age: number, tries = "00", containerId = "c1") => `${now - age}000-${tries}-${containerId}`;

describe("the spool of a cniDir", () => {
  test("is empty where no shim ever made it", async () => {
    using scratch = new ScratchDirectory();
    const directory = join(scratch.path, ".spool");
    const nothing = {
      waiting: 0,
      retried: 0,
      failed: 0,
      broken: 0,
      oldestMs: undefined,
      bytes: 0,
      obstacle: undefined,
    };
    expect(await readSpool(scratch.path)).toEqual({ directory, ...nothing });
    expect(await readSpool(join(scratch.path, "not", "there"))).toMatchObject(nothing);
  });

  test("counts records, those set aside, and what is none", async () => {
    using scratch = new ScratchDirectory();
    scratch.write(`.spool/${name(1000)}`, "12");
    scratch.write(`.spool/${name(60_000, "03", "0a_B.-c")}`, "345");
    scratch.write(`.spool/failed-${name(99_000_000, "16")}`, "6");
    scratch.write(`.spool/broken-${name(99_000_000)}`, "7");
    scratch.write(".spool/notes.txt", "8");
    scratch.write(`.spool/${name(5, "00", "-x")}`, "9");
    scratch.write(".spool/.recording", "0");
    // Would be a record if there were room for a prefix.
    scratch.write(`.spool/${name(9, "00", "c".repeat(229))}`, "a");
    // As a link that leads to itself: no file is followed.
    symlinkSync("loop", join(scratch.path, ".spool", "loop"));
    expect(await readSpool(scratch.path, now)).toMatchObject({
      waiting: 2,
      retried: 1,
      failed: 1,
      broken: 5,
      oldestMs: 60_000,
      bytes: 15,
    });
  });

  test("has no age below zero where the clock was set back", async () => {
    using scratch = new ScratchDirectory();
    scratch.write(`.spool/${name(-5000)}`, "");
    expect((await readSpool(scratch.path, now)).oldestMs).toBe(0);
  });

  test.skipIf(process.geteuid?.() !== 0)("says why nothing can be removed from it", async () => {
    using scratch = new ScratchDirectory();
    scratch.write(`.spool/${name(1000)}`, "");
    expect((await readSpool(scratch.path, now)).obstacle).toBeUndefined();
    execFileSync("mount", ["--bind", "-o", "ro", scratch.path, scratch.path]);
    try {
      expect(await readSpool(scratch.path, now)).toMatchObject({
        waiting: 1,
        obstacle: expect.stringMatching(/EROFS/),
      });
    } finally {
      execFileSync("umount", ["--lazy", scratch.path]);
    }
  });

  test("says when it cannot be read", async () => {
    using scratch = new ScratchDirectory();
    scratch.write(".spool", "");
    await expect(readSpool(scratch.path)).rejects.toThrow(/ENOTDIR/);
  });
});
