/** What is remembered of requests that failed. */

import { expect, test } from "vitest";
import type { Executor } from "../../../src/agent/executor.ts";
import { CniError } from "../../../src/cni/errors.ts";
import type { CniRequest } from "../../../src/cni/request.ts";
import { RecentFailures } from "../../../src/daemon/recent-failures.ts";
import { silentLogger } from "../../../src/log/logger.ts";
import type { DelegateRequest } from "../../../src/multus/hot-plug.ts";
import { plainPause } from "../../../src/multus/pause.ts";
import { newReport } from "../../../src/multus/report.ts";
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

const noExecutor: Executor = {
  runPlugin: () => Promise.reject(new Error("nothing is run here")),
  linkStates: () => Promise.reject(new Error("nothing is run here")),
  linkExists: () => Promise.reject(new Error("nothing is run here")),
  setDefaultRoutes: () => Promise.reject(new Error("nothing is run here")),
};

const handled = (message: string) => ({
  exitCode: message === "" ? 0 : 1,
  stdout: Buffer.of(),
  report: { ...newReport(), podNamespace: "default", podName: "web" },
  error: message === "" ? undefined : new CniError(7, message),
});

test("the last 20 that failed, the newest first, of the runtime's requests and of those that plug one network", async () => {
  const failures = new RecentFailures();
  let message = "";
  const cni = failures.of(async () => handled(message));
  const delegate = failures.of<DelegateRequest>(async () => handled(message));
  await cni(request, noExecutor, silentLogger, 0, plainPause);
  expect(failures.list).toEqual([]);
  message = "m".repeat(2_000);
  await delegate({ ...request, attributes: undefined }, noExecutor, silentLogger, 0, plainPause);
  expect(failures.list).toEqual([
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
    await cni(request, noExecutor, silentLogger, 0, plainPause);
  }
  expect(failures.list.map((failure) => failure.message)).toEqual(
    Array.from({ length: 20 }, (_, index) => `failure ${24 - index}`),
  );
});

test("end where values do, and keep nothing alive that they are a part of", async () => {
  const failures = new RecentFailures();
  const long = "l".repeat(240_000);
  const report = { ...newReport(), podNamespace: long, podName: long };
  const fail = (message: string, request_: CniRequest = request) =>
    failures.of(async () => ({ ...handled(message), report }))(
      request_,
      noExecutor,
      silentLogger,
      0,
      plainPause,
    );
  await fail("short", { ...request, command: long, containerId: long });
  const [failure] = failures.list;
  expect(JSON.stringify(failure).length).toBeLessThan(2_000);
  expect(failure?.pod).toBe(
    `${"l".repeat(200)}… (240000 characters)/${"l".repeat(200)}… (240000 characters)`,
  );

  // Each message is a part of a text of 2 MB, as an item is of an annotation.
  const size = 2_000_000;
  const before = usedHeap();
  for (let index = 0; index < 20; index++) {
    const text = `${index}`.padEnd(size, "x");
    await fail(text.slice(0, 300));
  }
  expect(failures.list).toHaveLength(20);
  expect(usedHeap() - before).toBeLessThan(3 * size);
});
