/** The status of a node reads well, with a daemon and without. */

import { expect, test } from "vitest";
import { formatStatus } from "../../../../src/ctl/status/report.ts";
import { formatAge } from "../../../../src/ctl/text/quantities.ts";
import { goodStatus } from "../daemon-status.ts";

const node = {
  cniDir: "/var/lib/cni/multus",
  containers: 2,
  attachments: 3,
  networks: [
    { network: "cbr0", attachments: 2 },
    { network: "default/storage", attachments: 1 },
  ],
  spool: { waiting: 1, failed: 0, oldestSeconds: 75 },
  problems: [],
};

test("with a daemon it has both", () => {
  const daemon = {
    ...goodStatus,
    failures: [
      {
        at: "2026-11-23T20:10:00.000Z",
        command: "ADD",
        pod: "default/web",
        containerId: "c",
        code: 7,
        message: "no",
      },
    ],
  };
  const text = formatStatus({ daemon, problem: "", advice: "", node }).replace(/, heard of [^\n]* ago/g, "");
  expect(text).toBe(`daemon       0.1.0 on node-1, ready, up 1 h 1 min, 68 MB, process 77
requests     1 under way, 0 waiting
             add: 1 running (16 for one namespace, 24 for all), 0 waiting, 0 paused
cluster      https://10.96.0.1
             network-attachment-definitions: 12 known, watched
             pods: 30 known, watched
             status deliveries: 0 pending, 30 done, 0 given up
attachments  3 attachments of 2 containers
             cbr0: 2
             default/storage: 1
spool        1 DEL waiting, the oldest for 1 min
failures     2026-11-23T20:10:00.000Z ADD default/web: error 7: no
`);
});

test("pods that run without their networks are named, the first of many", () => {
  const pods = (count: number) =>
    Array.from({ length: count }, (_, index) => ({
      pod: `default/p${index}`,
      controller: "ReplicaSet",
      foundAt: "2026-11-23T20:11:12.000Z",
      action: "reported",
    }));
  const row = (count: number) =>
    /^missing .*$/m.exec(
      formatStatus({
        daemon: { ...goodStatus, missingNetworks: pods(count) },
        problem: "",
        advice: "",
        node,
      }),
    )?.[0];
  expect(row(0)).toBeUndefined();
  expect(row(1)).toBe(
    "missing      1 pod runs without the networks that it selects: default/p0 (multusctl ls --missing)",
  );
  expect(row(7)).toContain("7 pods run without the networks that they select: default/p0, default/p1,");
  expect(row(7)).toContain("default/p4 and 2 more (");
});

test("without one it says why, and shows the files", () => {
  const text = formatStatus({ daemon: undefined, problem: "nobody serves it", advice: "start it", node });
  expect(text).toMatch(/^daemon {7}nobody serves it\nattachments {2}3 attachments of 2 containers\n/);
});

test.each([
  [5, "5 s"],
  [75, "1 min"],
  [3_700, "1 h 1 min"],
  [3 * 86_400 + 7_200, "3 d 2 h"],
])("%d seconds are %s", (seconds, text) => {
  expect(formatAge(seconds)).toBe(text);
});
