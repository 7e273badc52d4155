/** Layers: the same files give the same bytes, whatever else the machine and the day put on them. */

import { createHash } from "node:crypto";
import { chmodSync, mkdirSync, readdirSync, readFileSync, utimesSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { gunzipSync } from "node:zlib";
import { expect, test } from "vitest";
import { addLayer, blobFile, extractFile } from "../../../tools/build/oci-layout.mjs";
import { ScratchDirectory } from "../../support/scratch-directory.ts";

const contents = { "/usr/bin/program": "#!/bin/sh\n", "/etc/file": "text", "/top": "", "/etc/a.d/deep": "d" };
const files = Object.keys(contents);

/** @param modes of a program and of other files, before the umask */
function writeRoot(directory: string, modes: readonly [number, number], year: string): void {
  for (const [path, content] of Object.entries(contents)) {
    const file = join(directory, path);
    mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
    writeFileSync(file, content);
    chmodSync(file, path.endsWith("program") ? modes[0] : modes[1]);
    utimesSync(file, new Date(year), new Date(year));
  }
}

async function layerOf(scratch: ScratchDirectory, name: string, order: readonly string[], mtime: number) {
  const layout = join(scratch.path, `layout-${name}`);
  const { layer, diffId } = await addLayer(layout, join(scratch.path, name), order, mtime);
  return { layer, diffId, file: blobFile(layout, layer) };
}

test("order, times, owners' modes and other files of the directory make no difference", async () => {
  using scratch = new ScratchDirectory("layers");
  writeRoot(join(scratch.path, "one"), [0o755, 0o644], "2001");
  writeRoot(join(scratch.path, "other"), [0o700, 0o600], "2020");
  scratch.write("other/not-listed", "text");
  const one = await layerOf(scratch, "one", files, 1000);
  const other = await layerOf(scratch, "other", files.toReversed(), 1000);
  expect(other.layer).toEqual(one.layer);
  expect(readFileSync(other.file).equals(readFileSync(one.file))).toBe(true);
  const later = await layerOf(scratch, "one", files, 1001);
  expect(later.layer.digest).not.toBe(one.layer.digest);
});

test("digests are those of the blob and of the tar in it", async () => {
  using scratch = new ScratchDirectory("layers");
  writeRoot(join(scratch.path, "one"), [0o755, 0o644], "2001");
  const { layer, diffId, file } = await layerOf(scratch, "one", files, 0);
  const digest = (bytes: Buffer) => `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
  const bytes = readFileSync(file);
  expect({ digest: digest(bytes), size: bytes.length }).toEqual({ digest: layer.digest, size: layer.size });
  expect(digest(gunzipSync(bytes))).toBe(diffId);
  expect(extractFile(file, "/etc/file")?.toString()).toBe("text");
  expect(extractFile(file, "/etc/none")).toBeUndefined();
});

test("a file that is not there fails, and leaves no blob", async () => {
  using scratch = new ScratchDirectory("layers");
  writeRoot(join(scratch.path, "one"), [0o755, 0o644], "2001");
  await expect(layerOf(scratch, "one", [...files, "/gone"], 0)).rejects.toThrow("tar: exit code 2");
  expect(readdirSync(join(scratch.path, "layout-one", "blobs"))).toEqual([]);
});
