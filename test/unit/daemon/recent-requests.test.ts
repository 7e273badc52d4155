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
  recent.note(request, handled(message), 1);
  expect(recent.failures).toEqual([]);
  message = "m".repeat(2_000);
  recent.note(delegate, handled(message), 1);
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
    recent.note(request, handled(message), 1);
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
    recent.note(request_, { ...handled(message), report }, 1);
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
    recent.note(request, { ...handled(""), report: { ...newReport(), networks: [network] } }, 1);
  }
  expect(recent.failures).toHaveLength(20);
  expect(recent.timings).toHaveLength(20);
  expect(usedHeap() - before).toBeLessThan(3 * size);
});

test("the last 20 with networks that succeeded, with their times, the newest first", () => {
  const recent = new RecentRequests();
  const networks = Array.from({ length: 70 }, (_, index) => {
    return { name: `default/n${index}`, ifName: `net${index}`, start: 0, milliseconds: 1.23456 + index };
  });
  const report = { ...handled("").report, networks };
  recent.note({ ...request, containerId: "without" }, handled(""), 1);
  recent.note({ ...request, containerId: "failed" }, { ...handled("it is so"), report }, 1);
  expect(recent.timings).toEqual([]);
  for (let index = 0; index < 25; index++) {
    recent.note({ ...request, containerId: `c${index}` }, { ...handled(""), report }, 100.456);
  }
  expect(recent.timings.map(({ containerId }) => containerId)).toEqual(
    Array.from({ length: 20 }, (_, index) => `c${24 - index}`),
  );
  expect(recent.timings[0]).toEqual({
    at: expect.stringMatching(/^\d{4}-\d\d-\d\dT.*Z$/),
    command: "ADD",
    pod: "default/web",
    containerId: "c24",
    milliseconds: 100.46,
    networks: Array.from({ length: 64 }, (_, index) => {
      return { network: `default/n${index}`, ifName: `net${index}`, milliseconds: 1.23 + index };
    }),
  });
});
