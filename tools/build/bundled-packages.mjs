/** Lists the npm packages with code in the products: those in esbuild's bundles, and those that generate code. */

import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { build } from "esbuild";
import { projectDirectory } from "../setup/project.mjs";
import { bundleOptions, entryPoints } from "./bundles.mjs";
import { packagesIn } from "./metafile.mjs";

/** Code that is no file of the package's: it has generated, or adds, it. */
const generators = {
  "node_modules/ajv": "the validators that it has generated",
  "node_modules/assemblyscript": "its runtime and standard library in multus.wasm",
  "node_modules/esbuild": "its helper functions in bundles",
};

/**
 * Needs what buildValidators() wrote.
 * @returns {Promise<Map<string, string>>} by key in package-lock.json, sorted: where its code is
 */
export async function bundledPackages() {
  const { metafile } = await build({
    ...bundleOptions,
    entryPoints: [...Object.values(entryPoints), "src/executable/main.ts"],
    outdir: "build",
    format: "esm",
    // Of the executable, which is CommonJS; it changes nothing about what is bundled.
    logOverride: { "empty-import-meta": "silent" },
    metafile: true,
    write: false,
  });
  const validators = join(projectDirectory, "build", "validators", "packages.json");
  const inBundles = [...packagesIn(metafile), ...JSON.parse(await readFile(validators, "utf8"))];
  const packages = [...inBundles.map((key) => [key, "in bundles"]), ...Object.entries(generators)];
  return new Map(packages.sort(([one], [other]) => (one < other ? -1 : 1)));
}
