/** The newest containerd asks for STATUS again and again where the netconf says 1.1.0: the answers decide whether the node is ready, and cost next to nothing. */

import { afterAll, beforeAll, expect, test } from "vitest";
import { ClusterNode } from "../support/cluster/node.ts";

let node: ClusterNode;

beforeAll(async () => {
  node = await ClusterNode.start({ containerd: "2.4", cniVersion: "1.1.0" });
});

afterAll(() => node?.[Symbol.asyncDispose]());

/** Milliseconds of the STATUS requests that the daemon has logged. */
function statusTimes(): number[] {
  return [...node.daemon.output.matchAll(/STATUS done.* total=([\d.]+)/g)].map(([, total]) => Number(total));
}

test("STATUS arrives, is answered in milliseconds, and asks nothing of the API server", async () => {
  const first = statusTimes().length;
  const requestsBefore = node.proxy.requests.length;
  await node.until("three more STATUS requests", async () => statusTimes().length >= first + 3);
  // The plugin that answers for the cluster network is a process; on a machine that is busy it is slower, but not each time.
  expect(Math.min(...statusTimes().slice(first))).toBeLessThan(100);
  expect(node.proxy.requests.slice(requestsBefore).map(({ method, path }) => `${method} ${path}`)).toEqual(
    [],
  );
});

test("a daemon that is away makes the node not ready, and ready again when it is back", async () => {
  await node.daemon.stop("SIGKILL");
  const message = await node.waitUntilReady(false);
  expect(message).toMatch(/network/i);
  expect(message).toMatch(/multus/i);
  await node.daemon.start();
  await node.waitUntilReady(true);
  await node.applyPod("default", "after", "");
  await node.waitForPod("default", "after");
});

test("an API server that goes away leaves the node ready; to a daemon that starts without it the node is not, until it is back", async () => {
  await node.proxy.down();
  const first = statusTimes().length;
  await node.until("two more STATUS requests", async () => statusTimes().length >= first + 2);
  expect(await node.isReady()).toBe(true);

  await node.restartDaemon();
  expect(await node.waitUntilReady(false)).toMatch(
    /network-attachment-definitions of the cluster .* are not known/,
  );
  await node.proxy.up();
  await node.waitUntilReady(true);
});
