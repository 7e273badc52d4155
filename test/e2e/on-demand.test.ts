/** A daemon that only runs while it is needed, on the whole path: started by whoever comes first, gone when nobody comes, and no request lost in between. */

import { existsSync, mkdtempSync, openSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, expect, test, vi } from "vitest";
import { runCommand } from "../support/command.ts";
import { Daemon } from "../support/daemon.ts";
import { OnDemandHost, resultOfDelegate } from "../support/on-demand-host.ts";
import { isAlive } from "../support/session.ts";
import { shim } from "../support/test-node.ts";
import { ApiServer } from "../unit/kube/api-server.ts";

/** Milliseconds for what has to happen: a machine can be slow. */
const patience = 30_000;

const hosts: OnDemandHost[] = [];

afterEach(() => {
  for (const host of hosts.splice(0)) host[Symbol.dispose]();
});

function newHost(idleExitSeconds: number, config: Readonly<Record<string, unknown>> = {}): OnDemandHost {
  const host = new OnDemandHost({ plugin: shim, idleExitSeconds, config });
  hosts.push(host);
  return host;
}

const alive = (host: OnDemandHost) => host.starts.filter(isAlive);

/** A daemon that ended is collected by whoever its starter left it to; until then it has no socket any more. */
const expectNothingLeft = (host: OnDemandHost) =>
  vi.waitFor(() => {
    expect(readdirSync(host.socketDir).sort()).toEqual(["multus.lock", "multusd.stderr"]);
    for (const pid of alive(host)) expect(readFileSync(`/proc/${pid}/stat`, "latin1")).toMatch(/\) Z /);
  }, patience);

test("a hundred first ADDs at once start one daemon; an idle one leaves no process and no socket; the next ADD starts it again", async () => {
  const host = newHost(1);
  const answers = await Promise.all(Array.from({ length: 100 }, (_, index) => host.call("ADD", `c${index}`)));
  for (const { result } of answers) expect(result.ips).toEqual(resultOfDelegate.ips);
  expect(host.starts).toHaveLength(1);
  await expectNothingLeft(host);
  (await host.call("DEL", "c0")).expectSuccess();
  expect(host.starts).toHaveLength(2);
});

test("a request that comes while the daemon ends is served by it, or by the next", async () => {
  const rounds = 4;
  // Each comes at another moment of the end: before it is decided, while its last arrivals are waited for, after it.
  const at = Array.from({ length: 8 }, (_, index) => newHost(1)).map(async (host, index) => {
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

test("the daemon waits for what the API has not taken", async () => {
  await using api = new ApiServer();
  const kubeconfig = join(mkdtempSync(join(tmpdir(), "mwt-kubeconfig-")), "kubeconfig");
});
