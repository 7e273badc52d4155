/** `npm run image`: the container image as an OCI layout, and as one file. Run on the pinned Node, when build/ is up to date. */

import { mkdirSync } from "node:fs";
import { join, relative, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { updateLibraries } from "../build/debian-libraries.mjs";
import { ownArch } from "../build/executable.mjs";
import { joinImages, localName } from "../build/oci-image.mjs";
import { archiveLayout } from "../build/oci-layout.mjs";
import { projectVersion } from "../build/source-state.mjs";
import { parseTaskArguments } from "../setup/arguments.mjs";
import { compilers } from "../setup/compilers.mjs";
import { describeMissing, ensureTools } from "../setup/debian.mjs";
import { run, SetupError } from "../setup/process.mjs";
import { pinnedNode, projectDirectory } from "../setup/project.mjs";

/**
 * Builds what is out of date of the images, their executables and plugins.
 * @param {readonly ("amd64" | "arm64")[]} architectures
 * @param {boolean} locked Debian's packages have to be those of their lock
 * @throws {SetupError}
 */
export async function buildImages(architectures, locked) {
  const foreign = architectures.filter((architecture) => architecture !== ownArch);
  const missing = await ensureTools(foreign.length > 0 ? ["compiler", "crossCompiler"] : ["compiler"]);
  if (missing.length > 0) throw new SetupError(`the image can't be built:\n${describeMissing(missing)}`);
  const steps = [
    ...foreign.map((architecture) => `shim-${architecture}`),
    ...architectures.map((architecture) => `image-${architecture}`),
  ];
  const build = join(projectDirectory, "tools", "build.mjs");
  const { exitCode } = await run(pinnedNode, [build, ...(locked ? ["--locked"] : []), ...steps]);
  if (exitCode !== 0) throw new SetupError("the image was not built; the message is above");
}

/**
 * Writes the image as layout and as file.
 * @param {string} out directory
 * @param {string} name of the image without its tag
 * @param {readonly ("amd64" | "arm64")[]} architectures that are built
 * @returns {Promise<{ digest: string, layout: string, file: string }>} digest of the image's index
 */
export async function writeImage(out, name, architectures) {
  const version = projectVersion();
  const layout = join(out, "image");
  mkdirSync(out, { recursive: true });
  const { digest } = joinImages(layout, architectures, `${name}:${version}`);
  const file = join(out, `multus-wasm-${version}.oci.tar`);
  await archiveLayout(layout, file);
  return { digest, layout, file };
}

/** @param {readonly string[]} args @throws {SetupError} */
async function main(args) {
  const { values } = parseTaskArguments("image", {
    args,
    options: {
      arch: { type: "string", multiple: true, default: Object.keys(compilers) },
      out: { type: "string", default: "dist" },
      name: { type: "string", default: localName },
      locked: { type: "boolean", default: false },
      "update-libraries": { type: "boolean", default: false },
    },
  });
  const unknown = values.arch.filter((architecture) => !Object.hasOwn(compilers, architecture));
  if (unknown.length > 0) throw new SetupError(`--arch ${unknown.join(", ")}: amd64 or arm64`);
  if (values["update-libraries"]) {
    process.stdout.write(`${relative(process.cwd(), await updateLibraries())}\n`);
    return;
  }
  const architectures = Object.keys(compilers).filter((architecture) => values.arch.includes(architecture));
  await buildImages(architectures, values.locked);
  const { digest, layout, file } = await writeImage(
    resolve(projectDirectory, values.out),
    values.name,
    architectures,
  );
  process.stdout.write(`${relative(process.cwd(), layout)}\n${relative(process.cwd(), file)}\n${digest}\n`);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  try {
    await main(process.argv.slice(2));
  } catch (error) {
    process.stderr.write(`! ${error.message}\n`);
    process.exitCode = 1;
  }
}
