/** The record of recent requests: reasons of failures, and durations. */

import { expect, test } from "vitest";
import { CniError } from "../../../src/cni/errors.ts";
import type { CniRequest } from "../../../src/cni/request.ts";
import { RecentRequests } from "../../../src/daemon/recent-requests.ts";
import type { DelegateRequest } from "../../../src/multus/hot-plug.ts";
import { newReport } from "../../../src/multus/request/report.ts";
import { usedHeap } from "../../support/used-heap.ts";

const request: CniRequest = {
  command: "ADD",
  containerId: "c1",
  netns: "/n",
  ifName: "net1",
  args: "",
  path: "/bin",
  config: Buffer.of(),
};

const course = { queue: 0.5, total: 1, runs: [] };

const handled = (message: string) => ({
  exitCode: message === "" ? 0 : 1,
  stdout: Buffer.of(),
  report: { ...newReport(), podNamespace: "default", podName: "web" },
  error: message === "" ? undefined : new CniError(7, message),
});

test("the last 20 that failed, the newest first, of the runtime's requests and of those that plug one network", async () => {
  const recent = new RecentRequests();
  let message = "";
  const delegate: DelegateRequest = { ...request, attributes: undefined };
  recent.note(request, handled(message), course);
  expect(recent.failures).toEqual([]);
  message = "m".repeat(2_000);
  recent.note(delegate, handled(message), course);
  expect(recent.failures).toEqual([
    {
      at: expect.stringMatching(/^\d{4}-\d\d-\d\dT.*Z$/),
      command: "ADD",
      pod: "default/web",
      containerId: "c1",
      code: 7,
      message: `${"m".repeat(1_000)}… (2000 characters)`,
    },
  ]);
  for (message of Array.from({ length: 25 }, (_, index) => `failure ${index}`)) {
    recent.note(request, handled(message), course);
  }
  expect(recent.failures.map((failure) => failure.message)).toEqual(
    Array.from({ length: 20 }, (_, index) => `failure ${24 - index}`),
  );
});

test("end where values do, and keep nothing alive that they are a part of", async () => {
  const recent = new RecentRequests();
  const long = "l".repeat(240_000);
  const report = { ...newReport(), podNamespace: long, podName: long };
  const fail = (message: string, request_: CniRequest = request) =>
    recent.note(request_, { ...handled(message), report }, course);
  fail("short", { ...request, command: long, containerId: long });
  const [failure] = recent.failures;
  expect(JSON.stringify(failure).length).toBeLessThan(2_000);
  expect(failure?.pod).toBe(
    `${"l".repeat(200)}… (240000 characters)/${"l".repeat(200)}… (240000 characters)`,
  );

  // Each message is a part of a text of 2 MB, as an item is of an annotation.
  const size = 2_000_000;
  const before = usedHeap();
  for (let index = 0; index < 20; index++) {
    const text = `${index}`.padEnd(size, "x");
    fail(text.slice(0, 300));
    const part = text.slice(0, 150);
    const network = { name: part, ifName: part, start: 0, milliseconds: 1 };
    recent.note(request, { ...handled(""), report: { ...newReport(), networks: [network] } }, course);
  }
  expect(recent.failures).toHaveLength(20);
  expect(recent.timings).toHaveLength(20);
  expect(usedHeap() - before).toBeLessThan(3 * size);
});

/** A report of so many networks. */
const reportOf = (count: number) => ({
  ...handled("").report,
  networks: Array.from({ length: count }, (_, index) => {
    return { name: `default/n${index}`, ifName: `net${index}`, start: 0, milliseconds: 1.23456 + index };
  }),
  phases: new Map([
    ["netconf", 0.123],
    ["delegates", 99.999],
  ]),
});

test("networks that an order made are told from those of plugins", () => {
  const recent = new RecentRequests();
  const network = { name: "default/a", ifName: "net1", start: 0, milliseconds: 0.456 };
  const networks = [network, { ...network, isNative: true as const }];
  recent.note(request, { ...handled(""), report: { ...newReport(), networks } }, course);
  const told = { network: "default/a", ifName: "net1", milliseconds: 0.46 };
  expect(recent.timings[0]?.networks).toEqual([told, { ...told, native: true }]);
});

/** The index in the container ids `c0`, `c1`, …, the newest first. */
const lastOf = (count: number, total: number) =>
  Array.from({ length: count }, (_, index) => `c${total - 1 - index}`);

test("those with networks that succeeded, with their times, the newest first", () => {
  const recent = new RecentRequests();
  const report = reportOf(70);
  recent.note({ ...request, containerId: "without" }, handled(""), course);
  recent.note({ ...request, containerId: "failed" }, { ...handled("it is so"), report }, course);
  expect(recent.timings).toEqual([]);
  const run = {
    plugin: "sriov",
    command: "ADD",
    ifName: "net1",
    start: 0,
    end: 9,
    outcome: "ok",
    spanId: "",
  } as const;
  const runs = [
    { ...run, processMilliseconds: 7.777 },
    { ...run, processMilliseconds: undefined },
    ...Array.from({ length: 200 }, () => ({ ...run, plugin: "p".repeat(300), processMilliseconds: 1 })),
  ];
  recent.note(
    { ...request, containerId: "c24" },
    { ...handled(""), report },
    { queue: 2.222, total: 100.456, runs },
  );
  const [timing] = recent.timings;
  expect(timing).toEqual({
    at: expect.stringMatching(/^\d{4}-\d\d-\d\dT.*Z$/),
    command: "ADD",
    pod: "default/web",
    containerId: "c24",
    milliseconds: 100.46,
    networks: Array.from({ length: 64 }, (_, index) => {
      return { network: `default/n${index}`, ifName: `net${index}`, milliseconds: 1.23 + index };
    }),
    queueMilliseconds: 2.22,
    phases: { netconf: 0.12, delegates: 100 },
    plugins: expect.any(Array),
  });
  expect(timing?.plugins?.[0]).toEqual({
    plugin: "sriov",
    command: "ADD",
    ifName: "net1",
    milliseconds: 7.78,
  });
  expect(timing?.plugins?.[1]?.plugin).toBe(`${"p".repeat(200)}… (300 characters)`);
  expect(timing?.plugins?.length).toBeLessThanOrEqual(128);
});

test("128 with usual networks are kept, and of large ones the last 20", () => {
  const usual = new RecentRequests();
  const large = new RecentRequests();
  for (let index = 0; index < 150; index++) {
    const containerId = `c${index}`;
    usual.note({ ...request, containerId }, { ...handled(""), report: reportOf(4) }, course);
    large.note({ ...request, containerId }, { ...handled(""), report: reportOf(200) }, course);
  }
  expect(usual.timings.map(({ containerId }) => containerId)).toEqual(lastOf(128, 150));
  expect(JSON.stringify(usual.timings).length).toBeLessThan(128 * 1024);
  const kept = large.timings.map(({ containerId }) => containerId);
  expect(kept.length).toBeGreaterThanOrEqual(20);
  expect(kept).toEqual(lastOf(kept.length, 150));
  expect(JSON.stringify(large.timings).length).toBeLessThan(129 * 1024);
});
