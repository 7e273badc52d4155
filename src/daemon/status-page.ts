/** `GET /status` on the socket: what the daemon is like now, as JSON. `multusctl status` shows it; its form is in docs/configuration.md. */

import { protocolVersion } from "../agent/frames.ts";
import type { ClusterState } from "../kube/cluster-state.ts";
import type { Eviction } from "../multus/background/evict-missing.ts";
import type { DaemonStatus } from "../socket/status.ts";
import type { OwnState } from "./metrics/state.ts";
import type { RecentRequests } from "./recent-requests.ts";

export interface StatusSources {
  readonly version: string;
  readonly nodeName: string;
  /** The configuration's kubeconfig that is not there; undefined: it is, or names none. */
  readonly missingKubeconfig: string | undefined;
  readonly devices: NonNullable<DaemonStatus<ClusterState>["devices"]>;
  readonly onDemand: boolean;
  readonly state: () => OwnState;
  /** Why the daemon should get nothing to do; undefined: it is ready. */
  readonly notReady: string | undefined;
  readonly recent: RecentRequests;
}

export function daemonStatus(sources: StatusSources): DaemonStatus<ClusterState> {
  const { missingKubeconfig, state, notReady, recent, ...others } = sources;
  const { running, waiting, limit, lanes, configFiles, clusters, missingNetworks } = state();
  const uptime = process.uptime();
  return {
    ...others,
    protocol: protocolVersion,
    pid: process.pid,
    ...(missingKubeconfig === undefined ? {} : { missingKubeconfig }),
    startedAt: new Date(Date.now() - uptime * 1000).toISOString(),
    uptimeSeconds: Math.floor(uptime),
    ready: notReady === undefined,
    notReady: notReady ?? "",
    requests: { running, waiting, limit, lanes },
    memoryBytes: process.memoryUsage.rss(),
    configFiles,
    clusters,
    missingNetworks: missingNetworks.map(({ pod, controller, foundAt, eviction }) => ({
      pod,
      controller,
      foundAt,
      action: actionText(eviction),
    })),
    failures: recent.failures,
    timings: recent.timings,
  };
}

function actionText(eviction: Eviction | undefined): string {
  if (eviction === undefined) return "reported";
  const { state, reason } = eviction;
  const done = {
    spared: "not evicted",
    waits: "eviction waits",
    asked: "evicted",
    refused: "eviction refused",
  };
  return reason === "" ? done[state] : `${done[state]}: ${reason}`;
}
