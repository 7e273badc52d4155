/** What is remembered of requests that failed. */

import { expect, test } from "vitest";
import { CniError } from "../../../src/cni/errors.ts";
import type { CniRequest } from "../../../src/cni/request.ts";
import { RecentFailures } from "../../../src/daemon/recent-failures.ts";
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
  const failures = new RecentFailures();
  let message = "";
  const delegate: DelegateRequest = { ...request, attributes: undefined };
  failures.note(request, handled(message));
  expect(failures.list).toEqual([]);
  message = "m".repeat(2_000);
  failures.note(delegate, handled(message));
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
    failures.note(request, handled(message));
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
    failures.note(request_, { ...handled(message), report });
  fail("short", { ...request, command: long, containerId: long });
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
    fail(text.slice(0, 300));
  }
  expect(failures.list).toHaveLength(20);
  expect(usedHeap() - before).toBeLessThan(3 * size);
});
