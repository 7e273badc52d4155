/** The plugins that native networks imitate, built with Go: containernetworking/plugins of one release. */

import { dirname } from "node:path";
import { installGoProgram } from "./go-program.ts";

const release = "v1.9.1";
const module = "github.com/containernetworking/plugins/plugins";
const plugins = ["main/bridge", "main/macvlan", "meta/tuning", "ipam/host-local", "ipam/static"];

/** CNI_PATH with the plugins bridge, macvlan, tuning, host-local and static. @throws {Error} with go's message */
export async function referencePluginPath(): Promise<string> {
  const directories: string[] = [];
  for (const plugin of plugins) {
    directories.push(dirname(await installGoProgram(`${module}/${plugin}`, release)));
  }
  return directories.join(":");
}
