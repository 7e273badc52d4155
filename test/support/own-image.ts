/** The project's image as `npm run image` builds it: built where it is out of date, and unpacked. */

import { mkdirSync } from "node:fs";
import { join } from "node:path";
import packageJson from "../../package.json" with { type: "json" };
import { ownArch } from "../../tools/build/executable.mjs";
import type { Architecture } from "../../tools/build/image.mjs";
import { offeredBy } from "../../tools/build/oci-image.mjs";
import { blobFile, type Descriptor, readJson } from "../../tools/build/oci-layout.mjs";
import { runOrThrow } from "./command.ts";

const project = join(import.meta.dirname, "..", "..");

/** Runs a task that builds images; those of files that run at the same time wait for each other. */
async function runAlone(program: string, ...args: readonly string[]): Promise<void> {
  const command = [process.execPath, join(project, "tools", program), ...args];
  await runOrThrow(["flock", join(project, "build", "image.lock"), ...command], { timeoutMs: 580_000 });
}

/** Builds the image for this machine's architecture where it is out of date. */
export async function buildOwnImage(): Promise<void> {
  await runAlone("build.mjs", "--quiet", `image-${ownArch}`);
}

/** `npm run release` of this checkout as it is. @param out a directory that is not there yet */
export async function makeTrialRelease(out: string): Promise<void> {
  await runAlone("run.mjs", "release", "--version", packageJson.version, "--trial", "--out", out);
}

export interface ImageManifest {
  readonly config: Descriptor;
  readonly layers: readonly Descriptor[];
  readonly annotations: Readonly<Record<string, string>>;
}

/** The manifests of a layout with one index of images, by architecture. */
export function imagesOf(layout: string): ReadonlyMap<string, ImageManifest> {
  const [index] = offeredBy(layout);
  if (index === undefined) throw new Error(`${layout} offers nothing`);
  const { manifests } = readJson<{ readonly manifests: readonly Descriptor[] }>(layout, index);
  return new Map(
    manifests.map((manifest) => [
      manifest.platform?.architecture ?? "",
      readJson<ImageManifest>(layout, manifest),
    ]),
  );
}

/** Extracts the layers, one over the other. @param root a new directory */
export async function unpackImage(layout: string, architecture: Architecture, root: string): Promise<void> {
  mkdirSync(root);
  for (const layer of imagesOf(layout).get(architecture)?.layers ?? []) {
    await runOrThrow(["tar", "-xzf", blobFile(layout, layer), "-C", root]);
  }
}
