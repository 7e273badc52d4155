/** Builds build/multus.wasm: the kernels, compiled from assembly/ as asconfig.json says. */

import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { projectDirectory } from "../setup/project.mjs";

/**
 * Compiles the kernels.
 * @throws {Error} with the compiler's own words
 */
export async function buildWasm() {
  // Loaded here, as the compiler takes half a second to load.
  const { default: compiler } = await import("assemblyscript/asc");
  mkdirSync(join(projectDirectory, "build"), { recursive: true });
  const { error, stdout, stderr } = await compiler.main([
    "--baseDir",
    projectDirectory,
    "--config",
    "asconfig.json",
    "--target",
    "release",
  ]);
  if (error) throw new Error(`multus.wasm was not built: ${error.message}\n${stderr}${stdout}`);
  const warnings = stderr.toString();
  if (warnings !== "") throw new Error(`multus.wasm was built with warnings:\n${warnings}`);
}
