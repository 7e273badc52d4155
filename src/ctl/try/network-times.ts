/** Milliseconds of each network, as the daemon says them on its status page. */

import type { DaemonStatus } from "../node/daemon-socket.ts";

export interface NetworkTime {
  readonly ifName: string;
  readonly milliseconds: number;
}

/** The networks of a container's last ADD that succeeded; none where the daemon does not say it. */
export function addTimes(
  { timings = [] }: Pick<DaemonStatus, "timings">,
  id: string,
): readonly NetworkTime[] {
  return timings.find(({ command, containerId }) => command === "ADD" && containerId === id)?.networks ?? [];
}
