/** OCI image layouts (image-spec 1.1, image-layout.md), reproducible: the same files with the same modes give the same digests. */

import { execFileSync, spawn } from "node:child_process";
import { createHash } from "node:crypto";
import {
  createWriteStream,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { PassThrough } from "node:stream";
import { pipeline } from "node:stream/promises";

export const mediaTypes = {
  index: "application/vnd.oci.image.index.v1+json",
  manifest: "application/vnd.oci.image.manifest.v1+json",
  config: "application/vnd.oci.image.config.v1+json",
  layer: "application/vnd.oci.image.layer.v1.tar+gzip",
};

/**
 * @typedef {object} Descriptor
 * @property {string} mediaType
 * @property {string} digest `sha256:` and 64 hex digits
 * @property {number} size bytes
 * @property {Readonly<Record<string, string>>} [annotations]
 * @property {{ os: string, architecture: string }} [platform]
 */

/** @param {string} layout @param {{ digest: string }} descriptor @returns {string} the file of a blob */
export function blobFile(layout, { digest }) {
  const [algorithm, hex] = digest.split(":");
  return join(layout, "blobs", algorithm, hex);
}

/**
 * Adds a blob.
 * @param {string} layout directory @param {string} mediaType @param {Buffer | string} content
 * @returns {Descriptor}
 */
export function addBlob(layout, mediaType, content) {
  const bytes = Buffer.from(content);
  const descriptor = {
    mediaType,
    digest: `sha256:${createHash("sha256").update(bytes).digest("hex")}`,
    size: bytes.length,
  };
  const file = blobFile(layout, descriptor);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, bytes);
  return descriptor;
}

/** @param {string} layout @param {string} mediaType @param {unknown} value @returns {Descriptor} */
export function addJson(layout, mediaType, value) {
  return addBlob(layout, mediaType, JSON.stringify(value));
}

/** @param {string} layout @param {Descriptor} descriptor @returns {any} */
export function readJson(layout, descriptor) {
  return JSON.parse(readFileSync(blobFile(layout, descriptor), "utf8"));
}

/** Directories that files are in, each before those in it. */
function directoriesOf(files) {
  const found = new Set();
  for (const file of files) {
    for (let path = dirname(file); path !== "/" && path !== "."; path = dirname(path)) found.add(path);
  }
  return [...found];
}

/**
 * A tar of files as a process that writes it to its stdout: sorted, of root, with one time, nothing of the machine.
 * @param {string} root @param {readonly string[]} files in it @param {number} mtime seconds since the epoch
 */
function tarOf(root, files, mtime) {
  const names = [...directoriesOf(files), ...files].sort().map((path) => path.replace(/^\//, ""));
  const child = spawn(
    "tar",
    [
      "--create",
      "--format=ustar",
      "--no-recursion",
      `--mtime=@${mtime}`,
      "--owner=0",
      "--group=0",
      "--numeric-owner",
      "--mode=u+rwX,go+rX,go-w",
      `--directory=${root}`,
      "--null",
      "--files-from=-",
    ],
    { stdio: ["pipe", "pipe", "inherit"], env: { ...process.env, LC_ALL: "C", TAR_OPTIONS: "" } },
  );
  child.stdin.end(names.map((name) => `${name}\0`).join(""));
  return child;
}

/** Resolves when a process has ended well. @throws {Error} */
function ended(child, command) {
  return new Promise((resolve, reject) => {
    child.on("error", (error) => reject(new Error(`${command}: ${error.message}`)));
    child.on("close", (code, signal) =>
      code === 0 ? resolve() : reject(new Error(`${command}: ${signal ?? `exit code ${code}`}`)),
    );
  });
}

/** The bytes that go through, and their digest. */
class Digesting extends PassThrough {
  #hash = createHash("sha256");
  size = 0;

  _transform(chunk, encoding, callback) {
    this.#hash.update(chunk);
    this.size += chunk.length;
    super._transform(chunk, encoding, callback);
  }

  get digest() {
    return `sha256:${this.#hash.digest("hex")}`;
  }
}

/**
 * Writes a file whole or not at all.
 * @param {string} file @param {(written: import("node:stream").Writable) => Promise<void>[]} write all that has to end well
 */
async function replaceFile(file, write) {
  const temporary = `${file}.${process.pid}`;
  // Each is waited for: one that still writes would write on after the error.
  const outcomes = await Promise.allSettled(write(createWriteStream(temporary)));
  const failed = outcomes.find(({ status }) => status === "rejected");
  if (failed !== undefined) {
    rmSync(temporary, { force: true });
    throw failed.reason;
  }
  renameSync(temporary, file);
}

/**
 * Writes a gzipped tar. gzip and not Node's zlib, whose output differs between processors.
 * @param {string} file to write @param {string} root @param {readonly string[]} files in root @param {number} mtime seconds since the epoch
 * @returns {Promise<{ diffId: string, digest: string, size: number }>} diffId: the digest of the tar itself
 * @throws {Error} where tar or gzip fail
 */
export async function writeArchive(file, root, files, mtime) {
  const tar = tarOf(root, files, mtime);
  const gzip = spawn("gzip", ["--no-name", "--stdout", "-6"], {
    stdio: ["pipe", "pipe", "inherit"],
    env: { ...process.env, GZIP: "" },
  });
  const [plain, packed] = [new Digesting(), new Digesting()];
  mkdirSync(dirname(file), { recursive: true });
  await replaceFile(file, (written) => [
    ended(tar, "tar"),
    ended(gzip, "gzip"),
    pipeline(tar.stdout, plain, gzip.stdin),
    pipeline(gzip.stdout, packed, written),
  ]);
  return { diffId: plain.digest, digest: packed.digest, size: packed.size };
}

/**
 * Adds a layer. @param {string} layout @param {string} root directory @param {readonly string[]} files in it @param {number} mtime seconds since the epoch
 * @returns {Promise<{ layer: Descriptor, diffId: string }>} @throws {Error}
 */
export async function addLayer(layout, root, files, mtime) {
  const pending = join(layout, "blobs", "pending");
  const { diffId, digest, size } = await writeArchive(pending, root, files, mtime);
  const layer = { mediaType: mediaTypes.layer, digest, size };
  mkdirSync(dirname(blobFile(layout, layer)), { recursive: true });
  renameSync(pending, blobFile(layout, layer));
  return { layer, diffId };
}

/** @param {string} archive a gzipped tar @param {string} path in it, absolute @returns {Buffer | undefined} the file; undefined where it has none */
export function extractFile(archive, path) {
  const list = execFileSync("tar", ["--list", "--gzip", "--file", archive], { encoding: "utf8" });
  const name = path.slice(1);
  if (!list.split("\n").includes(name)) return undefined;
  const args = ["--extract", "--to-stdout", "--gzip", "--file", archive, name];
  return execFileSync("tar", args, { maxBuffer: 64 * 1024 * 1024 });
}

/**
 * Makes the directory a layout: what is in it, and its mark.
 * @param {string} layout with the blobs @param {readonly Descriptor[]} manifests that it offers
 */
export function writeIndex(layout, manifests) {
  const index = { schemaVersion: 2, mediaType: mediaTypes.index, manifests };
  writeFileSync(join(layout, "index.json"), JSON.stringify(index));
  writeFileSync(join(layout, "oci-layout"), JSON.stringify({ imageLayoutVersion: "1.0.0" }));
}

/** A layout as one file, as `ctr images import`, podman and skopeo (oci-archive:) take it. @param {string} layout @param {string} file @throws {Error} where tar fails */
export async function archiveLayout(layout, file) {
  const blobs = readdirSync(join(layout, "blobs", "sha256")).map((name) => join("blobs", "sha256", name));
  const tar = tarOf(layout, ["oci-layout", "index.json", ...blobs], 0);
  await replaceFile(file, (written) => [ended(tar, "tar"), pipeline(tar.stdout, written)]);
}
