/** The benchmarks' count of requests: what a daemon asks the API for a pod, and that the gate sees one more. */

import { afterAll, beforeAll, expect, test } from "vitest";
import { BenchCluster } from "../../bench/cluster.ts";
import { benchRequests } from "../../bench/counts.ts";
import { verdictOf } from "../../bench/gate.ts";

let cluster: BenchCluster;

beforeAll(async () => {
  cluster = await BenchCluster.start();
});

afterAll(async () => {
  await cluster?.[Symbol.asyncDispose]();
});

test("one more, of a daemon that writes a network-status twice, misses the bound", async () => {
  const { requests, judged } = await benchRequests(cluster, async (proxy) => {
    // The API does it, and its answer is lost.
    proxy.fault({ method: "PATCH" }, { cutAfterBytes: 0 });
  });
  const writes = requests.filter((request) => request.startsWith("PATCH /api/v1/namespaces/…/pods/…"));
  expect(writes.length).toBeGreaterThan(1);
  expect(judged.map((one) => verdictOf(one).state)).toEqual(["missed"]);
});
