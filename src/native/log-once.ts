/** Why networks are not native, in the log: once for each network and reason, not for each pod. */

import { setNewest } from "../base/map-entry.ts";
import type { Logger } from "../log/logger.ts";

/** Reasons that are remembered: a node has some dozens of networks. */
const mostReasons = 1_024;
const said = new Map<string, true>();

/** @param network its name, or those of several */
export function logOnce(log: Logger, command: string, network: string, reason: string): void {
  const key = `${command}\n${network}\n${reason}`;
  const isNew = !said.has(key);
  setNewest(said, key, true, mostReasons);
  if (isNew) log.verbose("network is not native: its plugins are run", { command, network, reason });
}
