/** The keeper of the file by which a runtime finds this daemon, as its configuration says. */

import type { RuntimeConfigSettings } from "../daemon-config/runtime-config.ts";
import type { Kernels } from "../kernels/index.ts";
import type { Logger } from "../log/logger.ts";
import { RuntimeConfigKeeper } from "../runtime-config/keeper.ts";
import { ClusterNetworkSource, CopiedFileSource } from "../runtime-config/sources.ts";

/** @param onWritten called when the file was written @returns undefined where there is no file to keep @throws {CniError} 7 a multusConfigFile that no runtime would read */
export function createRuntimeConfigKeeper(
  settings: RuntimeConfigSettings | undefined,
  kernels: Kernels,
  log: Logger,
  onWritten: () => void = () => {},
): RuntimeConfigKeeper | undefined {
  if (settings === undefined) return undefined;
  const { from, removeOnExit: _, ...others } = settings;
  if (!("file" in from)) {
    const source = new ClusterNetworkSource(from.clusterNetwork, from.options, kernels);
    return new RuntimeConfigKeeper({ ...others, source, onWritten, log });
  }
  const source = new CopiedFileSource(from.file, kernels);
  if (source.isIn(settings.directory)) {
    log.verbose("multusConfigFile is in the runtime's directory itself, and left alone", { file: from.file });
    return undefined;
  }
  return new RuntimeConfigKeeper({ ...others, source, onWritten, log });
}
