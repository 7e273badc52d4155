/** Archives are read by tar as they were written. */

import { afterEach, beforeEach, expect, it } from "vitest";
import { tarOf } from "../../../../src/ctl/bundle/tar.ts";
import { runOrThrow } from "../../../support/command.ts";
import { ScratchDirectory } from "../../../support/scratch-directory.ts";

let scratch: ScratchDirectory;
beforeEach(() => {
  scratch = new ScratchDirectory("tar");
});
afterEach(() => scratch[Symbol.dispose]());

const long = `nodes/${"n".repeat(100)}/${"c".repeat(63)}.previous.log`;

it("names, sizes, modes and contents, also of names of more than a hundred bytes", async () => {
  const files = [
    { name: "empty", content: Buffer.alloc(0) },
    { name: "a/block", content: Buffer.alloc(512, "x") },
    { name: long, content: Buffer.from("text ä\n") },
  ];
  const archive = scratch.write("archive.tar", await tarOf(files, 1_700_000_000));
  const listed = await runOrThrow(["tar", "--utc", "--full-time", "--list", "--verbose", "--file", archive]);
  expect(listed.trimEnd().split("\n")).toEqual([
    expect.stringMatching(/^-rw------- 0\/0 +0 2023-11-14 22:13:20 empty$/),
    expect.stringMatching(/^-rw------- 0\/0 +512 2023-11-14 22:13:20 a\/block$/),
    expect.stringMatching(new RegExp(`^-rw------- 0/0 +8 2023-11-14 22:13:20 ${long}$`)),
  ]);
  expect(await runOrThrow(["tar", "--extract", "--to-stdout", "--file", archive, long])).toBe("text ä\n");
});

it("the same files give the same bytes, in a plain ustar without extended headers", async () => {
  const files = [
    { name: long, content: Buffer.from("one") },
    { name: "big", content: Buffer.alloc(3 << 20, "x") },
    { name: "after", content: Buffer.from("two") },
  ];
  const archive = await tarOf(files, 1_700_000_000);
  expect((await tarOf(files, 1_700_000_000)).equals(archive)).toBe(true);
  // A header and the content in whole blocks of each, and two empty blocks at the end.
  expect(archive).toHaveLength(512 * (2 + 1 + (3 << 11) + 2 + 2));
  expect(archive.subarray(257, 265).toString("latin1")).toBe("ustar\x0000");
});

it("a name that has no room is refused", async () => {
  const refused = (name: string) => tarOf([{ name, content: Buffer.alloc(0) }], 0);
  await expect(refused("x".repeat(101))).rejects.toThrow(/too long/);
  await expect(refused(`${"x".repeat(156)}/x`)).rejects.toThrow(/too long/);
});
