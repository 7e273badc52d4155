/** The findings that doctor derives from a daemon's status. */

import { describe, expect, it } from "vitest";
import { judge as lookJudge } from "../../../../src/ctl/doctor/daemon.ts";
import { findingJson } from "../../../../src/ctl/doctor/finding.ts";
import type { DaemonStatus } from "../../../../src/ctl/node/daemon-socket.ts";
import { goodStatus, now } from "../daemon-status.ts";

/** As doctor reports it. */
const judge = (...args: Parameters<typeof lookJudge>) => lookJudge(...args).map(findingJson);

describe("a daemon", () => {
  it("that is well passes", () => {
    expect(judge(goodStatus, now).map(({ verdict }) => verdict)).toEqual(["pass", "pass", "pass"]);
  });

  const [cluster] = goodStatus.clusters;
  const [watch] = cluster?.watches ?? [];
  const failure = {
    at: new Date(now - 60_000).toISOString(),
    command: "ADD",
    pod: "default/web",
    containerId: "c1",
    code: 7,
    message: "no such network",
  };
  const withWatch = (keys: object) => ({ clusters: [{ ...cluster, watches: [{ ...watch, ...keys }] }] });

  it.each<[string, object, string, RegExp]>([
    [
      "is stopping",
      { ready: false, notReady: "shutting down" },
      "warn",
      /^multusd 0\.1\.0 is not ready: shutting down$/,
    ],
    [
      "has no file for the runtime yet",
      { ready: false, notReady: "no runtime configuration in /etc/cni/net.d: waiting for a cluster network" },
      "warn",
      /is not ready: no runtime configuration in .* waiting for a cluster network/,
    ],
    ["speaks another protocol", { protocol: 9 }, "warn", /speaks protocol 9/],
    ["is far behind", { requests: { running: 16, limit: 16, waiting: 40 } }, "warn", /40 requests wait/],
    ["has no cluster", { clusters: [] }, "warn", /has no cluster/],
    ["has never listed", withWatch({ connected: false, synced: false }), "fail", /have never been listed/],
    ["lost its watch", withWatch({ connected: false }), "warn", /may be outdated/],
    [
      "gave up deliveries",
      { clusters: [{ ...cluster, deliveries: [{ kind: "status", pending: 0, delivered: 1, givenUp: 2 }] }] },
      "warn",
      /2 status deliveries were given up/,
    ],
    [
      "does not have its kubeconfig",
      { missingKubeconfig: "/etc/cni/net.d/multus.d/multus.kubeconfig" },
      "warn",
      /does not have, \/etc\/cni\/net\.d\/multus\.d\/multus\.kubeconfig: the pod's service account is used$/,
    ],
    ["does not know its node", { nodeName: "" }, "warn", /neither MULTUS_NODE_NAME nor nodeName is set/],
    [
      "found pods without their networks",
      {
        missingNetworks: [
          { pod: "default/web", controller: "", foundAt: "2026-11-23T20:11:12.000Z", action: "reported" },
        ],
      },
      "fail",
      /^1 pod runs without the networks that it selects: default\/web: /,
    ],
    ["has failed lately", { failures: [failure] }, "warn", /ADD default\/web: error 7: no such network/],
  ])("that %s", (_, keys, verdict, finding) => {
    const status = { ...goodStatus, ...keys } as DaemonStatus;
    expect(judge(status, now)).toContainEqual(
      expect.objectContaining({
        verdict,
        finding: expect.stringMatching(finding),
        remedy: expect.stringMatching(/./),
      }),
    );
  });

  it("is not blamed for failures of long ago", () => {
    const failures = [{ ...failure, at: new Date(now - 7_200_000).toISOString() }];
    expect(judge({ ...goodStatus, failures }, now).filter(({ verdict }) => verdict !== "pass")).toEqual([]);
  });
});
