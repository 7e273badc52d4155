/** The plugins that native networks imitate, built with Go: containernetworking/plugins of one release. */

import { dirname } from "node:path";
import { installGoProgram } from "./go-program.ts";

export const pluginRelease = "v1.9.1";
const module = "github.com/containernetworking/plugins/plugins";
const plugins = ["main/bridge", "main/macvlan", "main/ptp", "meta/tuning", "ipam/host-local", "ipam/static"];

/** The programs bridge, macvlan, ptp, tuning, host-local and static, each in a directory of its own. @throws {Error} with go's message */
export async function referencePlugins(): Promise<readonly string[]> {
  const programs: string[] = [];
  for (const plugin of plugins) programs.push(await installGoProgram(`${module}/${plugin}`, pluginRelease));
  return programs;
}

/** CNI_PATH with these plugins. @throws {Error} with go's message */
export async function referencePluginPath(): Promise<string> {
  return (await referencePlugins()).map((program) => dirname(program)).join(":");
}
