/** Bundles daemon and ctl into build/multusd.mjs and build/multusctl.mjs: one executable file each, which needs no node_modules. */

import { chmod } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import { buildValidators } from "./validators.mjs";

const root = resolve(dirname(fileURLToPath(import.meta.url)), "../..");

const entryPoints = {
  multusd: "src/daemon/main.ts",
  multusctl: "src/ctl/main.ts",
};

/** What a bundled CommonJS package needs: it asks for Node's modules by require(). */
const banner = `#!/usr/bin/env node
import { createRequire as makeRequire } from "node:module";
const require = makeRequire(import.meta.url);`;

/**
 * Writes build/multusd.mjs and build/multusctl.mjs, with source maps beside them.
 * @returns {Promise<string[]>} the files written
 */
export async function buildBundles() {
  await buildValidators();
  await build({
    absWorkingDir: root,
    entryPoints: Object.entries(entryPoints).map(([out, path]) => ({ in: path, out })),
    outdir: "build",
    outExtension: { ".js": ".mjs" },
    bundle: true,
    platform: "node",
    format: "esm",
    target: "node24",
    banner: { js: banner },
    // Comments and blanks are parsed at every start; names stay as they are for stack traces.
    minifyWhitespace: true,
    minifySyntax: true,
    legalComments: "none",
    sourcemap: "linked",
    logLevel: "warning",
  });
  const files = Object.keys(entryPoints).map((name) => join(root, "build", `${name}.mjs`));
  for (const file of files) await chmod(file, 0o755);
  return files;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  process.stdout.write(`${(await buildBundles()).join("\n")}\n`);
}
