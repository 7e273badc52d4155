/** The plugins that real networks are measured with: those of the release that native networks are compared with, not the distribution's older ones. */

import { copyFileSync } from "node:fs";
import { join } from "node:path";
import { installGoProgram } from "../test/support/go-program.ts";

const module = "github.com/containernetworking/plugins/plugins";
export const pluginRelease = "v1.9.1";
const plugins = ["main/bridge", "main/macvlan", "ipam/host-local"];

/** Puts the plugins into a directory. @throws {Error} with go's message */
export async function installPlugins(directory: string): Promise<void> {
  for (const plugin of plugins) {
    const program = await installGoProgram(`${module}/${plugin}`, pluginRelease);
    copyFileSync(program, join(directory, plugin.split("/")[1] ?? plugin));
  }
}
