/** A daemon that only runs while it is needed, on the whole path: started by whoever comes first, gone when nobody comes, and no request lost in between. */

import { readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, expect, test } from "vitest";
import { OnDemandHost, resultOfDelegate } from "../support/on-demand-host.ts";
import { shim } from "../support/test-node.ts";

const hosts: OnDemandHost[] = [];

afterEach(() => {
  for (const host of hosts.splice(0)) host[Symbol.dispose]();
});

function newHost(idleExitSeconds: number, config: Readonly<Record<string, unknown>> = {}): OnDemandHost {
  const host = new OnDemandHost({ plugin: shim, idleExitSeconds, config });
  hosts.push(host);
  return host;
}

test("a hundred first ADDs at once start one daemon; an idle one leaves no process and no socket; the next ADD starts it again", async () => {
  const host = newHost(2);
  const answers = await Promise.all(Array.from({ length: 100 }, (_, index) => host.call("ADD", `c${index}`)));
  for (const { result } of answers) expect(result.ips).toEqual(resultOfDelegate.ips);
  expect(host.starts).toHaveLength(1);
  await host.untilNothingIsLeft();
  (await host.call("DEL", "c0")).expectSuccess();
  expect(host.starts).toHaveLength(2);
});

test("a request that comes while the daemon ends is served by it, or by the next", async () => {
  const rounds = 4;
  // Each comes at another moment of the end: before it is decided, while its last arrivals are waited for, after it.
  const at = Array.from({ length: 8 }, () => newHost(1)).map(async (host, index) => {
    for (let round = 0; round < rounds; round++) {
      (await host.call("ADD", `r${round}`)).expectSuccess();
      await sleep(980 + index * 20);
    }
    return host.starts.length;
  });
  const starts = await Promise.all(at);
  // Some came in time, some did not: otherwise this shows nothing.
  expect(Math.max(...starts)).toBeGreaterThan(1);
});

test("what the daemon prints does not fill the memory that the socket's directory is in", async () => {
  const host = newHost(600, { logLevel: "debug", logToStderr: true });
  const printed = join(host.socketDir, "multusd.stderr");
  // A netconf that is refused is in the log, with what is wrong in it.
  const name = "x".repeat(20_000);
  let largest = 0;
  for (let round = 0; round < 20; round++) {
    const answers = await Promise.all(
      Array.from({ length: 5 }, () => host.call("ADD", "c1", host.netconf({ name: `/${name}` }))),
    );
    for (const { error } of answers) expect(error.code).toBe(7);
    largest = Math.max(largest, statSync(printed).size);
  }
  expect(largest).toBeGreaterThan(600_000);
  expect(largest).toBeLessThanOrEqual(1024 * 1024);
  // It was begun anew at a line's beginning.
  expect(readFileSync(printed, "utf8")).toMatch(/^\d{4}-\d\d-\d\dT/);
});
