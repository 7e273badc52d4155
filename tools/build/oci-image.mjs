/**
 * The container image as OCI layouts: one below build/image/ for each architecture, and one of both, whose index containerd, podman and skopeo choose from.
 * Two layers each: what stays the same from release to release (Node, its libraries), and the product.
 */

import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { projectDirectory } from "../setup/project.mjs";
import { buildExecutable } from "./executable.mjs";
import { imageConfig, imageLabels, writeImageRoot } from "./image.mjs";
import { addJson, addLayer, blobFile, extractFile, mediaTypes, readJson, writeIndex } from "./oci-layout.mjs";
import { projectVersion, sourceState } from "./source-state.mjs";

/** The image's name in the manifests of deploy/, without its tag. */
export const localName = "localhost/multus-wasm";

/** The layout of one architecture. */
export const layoutOf = (architecture) => join(projectDirectory, "build", "image", architecture);

/** The source's facts that an image has beside its files: labels and times. */
export function imageOrigin() {
  const { revision, changed, time } = sourceState();
  return { revision: changed.length === 0 ? revision : `${revision}-dirty`, time };
}

/**
 * Builds the image of one architecture; what is in it has to be built, its executable is built here.
 * @param {"amd64" | "arm64"} architecture
 * @param {{ mayDiffer?: boolean, out?: string }} [options] mayDiffer: see debianLibraries(); out: the directory of the layout
 * @returns {Promise<string>} that directory
 * @throws {Error}
 */
export async function buildImage(architecture, { mayDiffer, out = layoutOf(architecture) } = {}) {
  const { revision, time } = imageOrigin();
  rmSync(out, { recursive: true, force: true });
  mkdirSync(join(out, "blobs"), { recursive: true });
  await buildExecutable({ arch: architecture });
  const root = mkdtempSync(join(tmpdir(), "multus-wasm-image-"));
  try {
    const { platform, product } = await writeImageRoot(root, { architecture, mayDiffer });
    // The first is to be the same for every commit.
    const layers = [await addLayer(out, root, platform, 0), await addLayer(out, root, product, time)];
    const labels = {
      ...imageLabels(projectVersion()),
      ...(revision !== undefined && { "org.opencontainers.image.revision": revision }),
    };
    const config = addJson(out, mediaTypes.config, {
      created: new Date(time * 1000).toISOString(),
      architecture,
      os: "linux",
      config: { ...imageConfig, Labels: labels },
      rootfs: { type: "layers", diff_ids: layers.map(({ diffId }) => diffId) },
    });
    const manifest = addJson(out, mediaTypes.manifest, {
      schemaVersion: 2,
      mediaType: mediaTypes.manifest,
      config,
      layers: layers.map(({ layer }) => layer),
      annotations: labels,
    });
    writeIndex(out, [{ ...manifest, platform: { os: "linux", architecture } }]);
  } finally {
    rmSync(root, { recursive: true });
  }
  return out;
}

/** @param {string} layout @returns {import("./oci-layout.mjs").Descriptor[]} that it offers */
export function offeredBy(layout) {
  return JSON.parse(readFileSync(join(layout, "index.json"), "utf8")).manifests;
}

/**
 * One layout of the images that buildImage() has made.
 * @param {string} directory that is written anew
 * @param {readonly ("amd64" | "arm64")[]} architectures
 * @param {string} name of the image, with its tag: programs that import the layout give it that one
 * @returns {import("./oci-layout.mjs").Descriptor} of the index of all of them
 */
export function joinImages(directory, architectures, name) {
  rmSync(directory, { recursive: true, force: true });
  mkdirSync(directory, { recursive: true });
  const manifests = architectures.flatMap((architecture) => {
    const layout = layoutOf(architecture);
    if (!existsSync(layout)) throw new Error(`${layout} has not been built`);
    cpSync(join(layout, "blobs"), join(directory, "blobs"), { recursive: true });
    return offeredBy(layout);
  });
  const [{ annotations }] = manifests.map((manifest) => readJson(directory, manifest));
  const index = addJson(directory, mediaTypes.index, {
    schemaVersion: 2,
    mediaType: mediaTypes.index,
    manifests,
    annotations,
  });
  const names = {
    "io.containerd.image.name": name,
    "org.opencontainers.image.ref.name": name,
  };
  writeIndex(directory, [{ ...index, annotations: names }]);
  return index;
}

/**
 * A file out of an image.
 * @param {"amd64" | "arm64"} architecture whose image has been built @param {string} path in the image
 * @returns {Buffer}
 * @throws {Error} where no layer has it
 */
export function readFromImage(architecture, path) {
  const layout = layoutOf(architecture);
  const [manifest] = offeredBy(layout);
  for (const layer of readJson(layout, manifest).layers.toReversed()) {
    const found = extractFile(blobFile(layout, layer), path);
    if (found !== undefined) return found;
  }
  throw new Error(`the image for ${architecture} has no ${path}`);
}
