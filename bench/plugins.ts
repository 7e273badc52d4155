/** The plugins that real networks are measured with: those of the release that native networks are compared with, not the distribution's older ones. */

import { copyFileSync } from "node:fs";
import { basename, join } from "node:path";
import { referencePlugins } from "../test/support/reference-plugins.ts";

/** Puts the plugins into a directory. @throws {Error} with go's message */
export async function installPlugins(directory: string): Promise<void> {
  for (const program of await referencePlugins()) copyFileSync(program, join(directory, basename(program)));
}
