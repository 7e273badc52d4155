/** What makes `npm run bench -- --gate` fail. */

import { describe, expect, test } from "vitest";
import type { DensityReport } from "../../../bench/density.ts";
import {
  missedByAttachments,
  missedByDensity,
  missedByDevices,
  missedByKernels,
  missedByObjects,
  missedInCluster,
  missedTwice,
} from "../../../bench/gate.ts";
import type { ObjectsReport } from "../../../bench/objects.ts";
import type { AttachRow, Overhead } from "../../../bench/rounds.ts";
import { ownName, parsePeer } from "../../../bench/subjects.ts";
import { barChart } from "../../../src/ctl/bench/plot/bar-chart.ts";

const summary = { count: 60, median: 10, spread: 1, p90: 11, p99: 12 };

function row(networks: number, overhead: Overhead | undefined, subject = ownName): AttachRow {
  return { delegates: "free", networks, command: "ADD", subject, wall: summary, cpu: 1, overhead };
}

const density: DensityReport = {
  pods: 110,
  networks: 4,
  addSeconds: 2,
  delSeconds: 2,
  statusSeconds: undefined,
  idleMegabytes: 50,
  peakMegabytes: 90,
  afterMegabytes: 60,
};

const among = { networks: 10, pods: 1, wall: summary, idleMegabytes: 70, afterMegabytes: 80 };
const objects: ObjectsReport = {
  few: { ...among, peakMegabytes: 80 },
  many: { ...among, networks: 2_000, pods: 250, peakMegabytes: 110 },
  ratio: 1.1,
  interval: [1.05, 1.15],
};

const kernel = {
  kernel: "mergeConfig",
  size: "4 KB",
  kernelNanoseconds: 100,
  twinNanoseconds: 400,
  ratio: 4,
  spread: 0.1,
} as const;

test("results that are exactly at every bound pass", () => {
  const rows = [row(1, { median: 2.5, interval: [2.4, 2.6] }), row(4, { median: 5, interval: [4.9, 5.1] })];
  expect(missedByAttachments(rows)).toEqual([]);
  expect(missedByKernels([kernel])).toEqual([]);
  expect(missedByDensity(density)).toEqual([]);
  expect(missedByDensity({ ...density, statusSeconds: 0.1, peakMegabytes: 110 })).toEqual([]);
  expect(missedInCluster([row(4, { median: 6, interval: [5.9, 6.1] })])).toEqual([]);
  expect(missedByObjects(objects)).toEqual([]);
  expect(missedByDevices([row(2, undefined), row(5, { median: 4, interval: [3.9, 4.1] })])).toEqual([]);
});

test("devices that cost more than their bound are missed, unless it may be noise", () => {
  expect(missedByDevices([row(5, { median: 4.2, interval: [3.95, 4.4] })])).toEqual([]);
  expect(missedByDevices([row(5, { median: 4.2, interval: [4.05, 4.4] })])).toEqual([
    { bound: "ADD with 4 devices", text: "4.20 ms over the same without devices, wanted 4 at most" },
  ]);
});

test("bounds in milliseconds are those of the machine that they were set on; a slower one gets them in proportion, twice at most", () => {
  const rows = (aloneMs: number, overheadMs: number) => [
    { ...row(4, undefined, "delegates alone"), wall: { ...summary, median: 4 * aloneMs } },
    row(4, { median: overheadMs, interval: [overheadMs, overheadMs] }),
  ];
  expect(missedByAttachments(rows(0.9, 7.4))).toEqual([]);
  expect(missedByAttachments(rows(0.9, 7.6))).toHaveLength(1);
  expect(missedByAttachments(rows(0.3, 4.9))).toEqual([]);
  expect(missedByAttachments(rows(0.3, 5.1))).toHaveLength(1);
  expect(missedByAttachments(rows(6, 10.1))).toHaveLength(1);
});

test("the bound of devices, too", () => {
  const rows = (aloneMs: number) => [
    { ...row(5, undefined, "delegates alone"), wall: { ...summary, median: 5 * aloneMs } },
    row(5, { median: 5.5, interval: [5.4, 5.6] }),
  ];
  expect(missedByDevices(rows(0.6))).toHaveLength(1);
  expect(missedByDevices(rows(0.9))).toEqual([]);
});

describe("each bound is missed by itself", () => {
  test("an ADD that takes too long", () => {
    expect(missedByAttachments([row(1, { median: 2.7, interval: [2.6, 2.8] })])).toEqual([
      { bound: "ADD of 1 (free)", text: expect.stringContaining("2.70 ms") },
    ]);
  });

  test("a slow kernel", () => {
    expect(missedByKernels([{ ...kernel, ratio: 3.9 }])).toEqual([
      { bound: "kernel mergeConfig at 4 KB", text: expect.stringContaining("3.9 times") },
    ]);
  });

  test("a large daemon", () => {
    expect(missedByDensity({ ...density, peakMegabytes: 90.1 })).toHaveLength(1);
    expect(missedByDensity({ ...density, statusSeconds: 0.1, peakMegabytes: 110.1 })).toHaveLength(1);
    expect(missedByObjects({ ...objects, many: { ...objects.many, peakMegabytes: 110.1 } })).toHaveLength(1);
  });

  test("an ADD in a cluster that takes too long, wherever its annotations are from", () => {
    const slow = { median: 6.2, interval: [6.1, 6.3] } as const;
    const subject = `${ownName}, annotations of the cluster`;
    expect(missedInCluster([row(4, slow, subject)])).toEqual([
      {
        bound: "ADD of 4 (free) in a cluster, annotations of the cluster",
        text: expect.stringContaining("6.20 ms"),
      },
    ]);
    expect(missedByAttachments([row(4, slow)])).toHaveLength(1);
  });

  test("an ADD that takes longer among many objects", () => {
    expect(missedByObjects({ ...objects, ratio: 1.2, interval: [1.11, 1.3] })).toEqual([
      { bound: "ADD with 2000 networks and 250 pods", text: expect.stringContaining("1.20 times") },
    ]);
  });
});

test("a median over the bound whose interval reaches below it is noise", () => {
  expect(missedByAttachments([row(4, { median: 6, interval: [-3, 12] })])).toEqual([]);
  expect(missedInCluster([row(4, { median: 7, interval: [5.9, 8] })])).toEqual([]);
  expect(missedByObjects({ ...objects, ratio: 1.3, interval: [1.0, 1.6] })).toEqual([]);
});

test("peers and the delegates themselves have no bound", () => {
  const slow = { median: 50, interval: [49, 51] } as const;
  expect(missedByAttachments([row(1, slow, "peer"), row(1, undefined, "delegates alone")])).toEqual([]);
});

test("a bound counts as missed when a second measurement misses the same one", async () => {
  const [one, other] = [
    { bound: "one", text: "first" },
    { bound: "other", text: "first" },
  ] as const;
  const second = { bound: "one", text: "second" };
  expect(await missedTwice([one, other], async () => [second])).toEqual([second]);
  expect(await missedTwice([other], async () => [second])).toEqual([]);
  expect(await missedTwice([], () => Promise.reject(new Error("measured without a reason")))).toEqual([]);
});

test("a peer is a name and a binary; what is not is refused with the form that is wanted", () => {
  expect(parsePeer("other=/opt/cni/bin/other")).toEqual({
    name: "other",
    binary: "/opt/cni/bin/other",
    netconf: {},
  });
  expect(() => parsePeer("/opt/cni/bin/other")).toThrow("wanted name=binary[,netconf.json]");
});

test("the plot is one SVG element with its texts escaped", () => {
  const svg = barChart("a < b", "ms", [{ label: "1 & 2", bars: [{ label: '"x"', median: 1, p99: 3 }] }]);
  expect(svg).toMatch(/^<svg [^>]+>/);
  expect(svg.trimEnd()).toMatch(/<\/svg>$/);
  expect(svg).toContain("a &#60; b");
  expect(svg).toContain("1 &#38; 2");
  expect(svg).not.toContain("NaN");
});
