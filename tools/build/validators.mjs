/** Compiles the JSON schemas of the sources to modules, so that nothing generates code at run time and the daemon carries no schema compiler. */

import { glob, mkdir, readFile, writeFile } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { Ajv } from "ajv";
import ajvStandalone from "ajv/dist/standalone/index.js";
import { build } from "esbuild";
import { packagesIn } from "./metafile.mjs";

const root = resolve(dirname(fileURLToPath(import.meta.url)), "../..");

/**
 * Writes build/validators/<name>.validator.mjs for every <name>.schema.json below src; the module's default export is the validator.
 * A schema names another one by its file name: `{"$ref": "netconf.schema.json#/properties/logOptions"}`.
 * @returns {Promise<string[]>} the files written
 */
export async function buildValidators() {
  const files = (await Array.fromAsync(glob("src/**/*.schema.json", { cwd: root }))).sort();
  // verbose: errors carry the offending value, which is part of every message.
  const ajv = new Ajv({
    allErrors: true,
    allowUnionTypes: true,
    // An array may say more of its first item than of the rest, and have any length: a command.
    strictTuples: false,
    verbose: true,
    code: { source: true, esm: true },
  });
  for (const file of files) {
    ajv.addSchema(JSON.parse(await readFile(join(root, file), "utf8")), basename(file));
  }

  const directory = join(root, "build/validators");
  await mkdir(directory, { recursive: true });
  const written = [];
  const packages = new Set();
  for (const file of files) {
    const validate = ajv.getSchema(basename(file));
    const outfile = join(directory, basename(file).replace(/\.schema\.json$/, ".validator.mjs"));
    // ajv's output imports parts of ajv's runtime by require(); bundling makes it a module that stands alone.
    const { outputFiles, metafile } = await build({
      stdin: { contents: ajvStandalone.default(ajv, validate), resolveDir: root, loader: "js" },
      bundle: true,
      format: "esm",
      platform: "node",
      target: "node24",
      absWorkingDir: root,
      metafile: true,
      write: false,
      outfile,
    });
    for (const name of packagesIn(metafile)) packages.add(name);
    await writeFile(outfile, outputFiles[0].contents);
    written.push(outfile);
  }
  // The packages whose code they contain, for the notices.
  await writeFile(join(directory, "packages.json"), JSON.stringify([...packages].sort()));
  return written;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  console.log((await buildValidators()).join("\n"));
}
