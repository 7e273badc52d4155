/** Reads the milliseconds of each network from the daemon's GET /status. */

import type { DaemonStatus } from "../node/daemon-socket.ts";

export interface NetworkTime {
  readonly ifName: string;
  readonly milliseconds: number;
  /** Made by an order, not by its plugins. */
  readonly native?: true;
}

/** The networks of a container's last ADD that succeeded; none if the daemon does not report it. */
export function addTimes(
  { timings = [] }: Pick<DaemonStatus, "timings">,
  id: string,
): readonly NetworkTime[] {
  return timings.find(({ command, containerId }) => command === "ADD" && containerId === id)?.networks ?? [];
}
