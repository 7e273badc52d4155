/** Files and directories that writeFileAtomically and its companions make and remove. */

import { mkdirSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { makeDirectory, removeFile, writeFileAtomically } from "../../../src/base/atomic-file.ts";
import { ScratchDirectory } from "../../support/scratch-directory.ts";

describe("makeDirectory", () => {
  it("makes what is missing above it, and takes what is there", () => {
    using scratch = new ScratchDirectory();
    const path = join(scratch.path, "a", "b", "c");
    makeDirectory(path, 0o700);
    makeDirectory(path, 0o700);
    expect(statSync(path).mode & 0o777).toBe(0o700);
    symlinkSync(path, join(scratch.path, "link"));
    makeDirectory(join(scratch.path, "link"), 0o700);
  });

  it("ends with an error where the kernel makes no directory, though the one above is there", () => {
    expect(() => makeDirectory("/proc/nope", 0o700)).toThrow("ENOENT");
    expect(() => makeDirectory("/proc/nope/further", 0o700)).toThrow("ENOENT");
  });

  it("ends with an error behind a file, and behind a link that leads nowhere", () => {
    using scratch = new ScratchDirectory();
    const file = scratch.write("file", "");
    symlinkSync("/nonexistent/directory", join(scratch.path, "link"));
    expect(() => makeDirectory(file, 0o700)).toThrow("EEXIST");
    expect(() => makeDirectory(join(file, "a"), 0o700)).toThrow("ENOTDIR");
    expect(() => makeDirectory(join(scratch.path, "link"), 0o700)).toThrow("EEXIST");
    expect(() => makeDirectory(join(scratch.path, "link", "a"), 0o700)).toThrow("EEXIST");
  });
});

describe("writeFileAtomically", () => {
  it.each(["/proc/nope/file", "/dev/null/file"])("to %s is a file error that names it", (path) => {
    expect(() => writeFileAtomically(path, Buffer.from("x"), `${path}.new`)).toThrow(
      expect.objectContaining({ kind: "file", message: expect.stringContaining(path) }),
    );
  });
});

describe("removeFile", () => {
  it("takes a file that is not there, or cannot be, for removed", () => {
    using scratch = new ScratchDirectory();
    const path = scratch.write("file", "");
    removeFile(path);
    removeFile(path);
    removeFile(join(scratch.path, "x".repeat(300)));
    writeFileSync(path, "");
    removeFile(join(path, "below"));
  });

  it("does not take a directory for one", () => {
    using scratch = new ScratchDirectory();
    mkdirSync(join(scratch.path, "directory"));
    expect(() => removeFile(join(scratch.path, "directory"))).toThrow();
  });
});
