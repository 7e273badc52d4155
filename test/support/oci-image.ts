/** Makes container images on the spot, as OCI layouts in a tar: the tests pull nothing from anywhere. */

import { createHash } from "node:crypto";
import { createReadStream, mkdirSync, renameSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import { runOrThrow } from "./command.ts";
import { session, sessionVariable } from "./session.ts";

/** Debian's and Go's names of this machine's architecture differ from Node's for x64 only. */
const architecture = process.arch === "x64" ? "amd64" : process.arch;

/** The `config` of an image (OCI image specification 1.0), as far as tests set it. */
export interface ImageConfig {
  readonly Entrypoint: readonly string[];
  readonly Env?: readonly string[];
  readonly WorkingDir?: string;
  readonly User?: string;
}

/**
 * Builds an image of one layer.
 * @param directory an existing scratch directory @param name as containers name it, `localhost/pause:1`
 * @param root directory that becomes the image's root, owned by root @returns path of the tar, to be imported by `ctr images import`
 */
export async function buildImage(
  directory: string,
  name: string,
  root: string,
  config: ImageConfig,
): Promise<string> {
  const base = join(directory, name.replace(/[^a-z0-9]+/g, "-"));
  const layout = `${base}-layout`;
  const blobs = join(layout, "blobs", "sha256");
  mkdirSync(blobs, { recursive: true });
  const layerFile = `${base}-layer.tar`;
  await runOrThrow(["tar", "--owner=0", "--group=0", "--numeric-owner", "-C", root, "-cf", layerFile, "."]);

  const addJson = (mediaType: string, content: unknown) => {
    const bytes = Buffer.from(JSON.stringify(content));
    const hex = createHash("sha256").update(bytes).digest("hex");
    writeFileSync(join(blobs, hex), bytes);
    return { mediaType, digest: `sha256:${hex}`, size: bytes.length };
  };

  const digest = createHash("sha256");
  await pipeline(createReadStream(layerFile), digest);
  const layerHex = digest.digest("hex");
  const layer = {
    mediaType: "application/vnd.oci.image.layer.v1.tar",
    digest: `sha256:${layerHex}`,
    size: statSync(layerFile).size,
  };
  renameSync(layerFile, join(blobs, layerHex));
  const imageConfig = addJson("application/vnd.oci.image.config.v1+json", {
    architecture,
    os: "linux",
    // The mark of this session: what a killed run left is found by it.
    config: { ...config, Env: [...(config.Env ?? []), `${sessionVariable}=${session}`] },
    rootfs: { type: "layers", diff_ids: [layer.digest] },
  });
  const manifest = addJson("application/vnd.oci.image.manifest.v1+json", {
    schemaVersion: 2,
    mediaType: "application/vnd.oci.image.manifest.v1+json",
    config: imageConfig,
    layers: [layer],
  });
  writeFileSync(
    join(layout, "index.json"),
    JSON.stringify({
      schemaVersion: 2,
      manifests: [{ ...manifest, annotations: { "io.containerd.image.name": name } }],
    }),
  );
  writeFileSync(join(layout, "oci-layout"), JSON.stringify({ imageLayoutVersion: "1.0.0" }));
  const image = `${base}.tar`;
  await runOrThrow(["tar", "-C", layout, "-cf", image, "oci-layout", "index.json", "blobs"]);
  return image;
}
