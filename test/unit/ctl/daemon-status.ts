/** The status of a daemon that is well, for tests of what is made of it. */

import type { DaemonStatus } from "../../../src/ctl/node/daemon-socket.ts";

/** Milliseconds since the epoch. */
export const now = Date.UTC(2026, 10, 23, 20, 11, 12);

const watch = {
  connected: true,
  synced: true,
  heardAt: now,
  lists: 1,
  watches: 1,
  failures: 0,
  memory: { bytes: 30_000, limit: 8 << 20, leftOut: 0 },
};

export const goodStatus: DaemonStatus = {
  version: "0.1.0",
  protocol: 1,
  pid: 77,
  nodeName: "node-1",
  devices: {
    source: "pod-resources",
    socket: "/var/lib/kubelet/pod-resources/kubelet.sock",
    checkpoint: "/var/lib/kubelet/device-plugins/kubelet_internal_checkpoint",
  },
  onDemand: false,
  startedAt: new Date(now - 3_700_000).toISOString(),
  uptimeSeconds: 3_700,
  ready: true,
  notReady: "",
  requests: {
    running: 1,
    waiting: 0,
    limit: 16,
    lanes: [
      { lane: "add", running: 1, waiting: 0, paused: 0, slots: 16, allSlots: 24 },
      { lane: "del", running: 0, waiting: 0, paused: 0, slots: 16, allSlots: 24 },
    ],
  },
  memoryBytes: 68_400_000,
  configFiles: 2,
  clusters: [
    {
      server: "https://10.96.0.1",
      watches: [
        { ...watch, resource: "network-attachment-definitions", size: 12 },
        { ...watch, resource: "pods", size: 30 },
      ],
      deliveries: [{ kind: "status", pending: 0, delivered: 30, givenUp: 0 }],
    },
  ],
  failures: [],
};
