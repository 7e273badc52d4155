/** A daemon that only runs while it is needed, on the whole path: the first request starts it, it exits when idle, and no request is lost in between. */

import { existsSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, expect, test, vi } from "vitest";
import { daemonStatusOf } from "../../src/ctl/node/daemon-socket.ts";
import { runCommand } from "../support/command.ts";
import { Daemon } from "../support/daemon.ts";
import { OnDemandHost, resultOfDelegate } from "../support/on-demand-host.ts";
import { shim } from "../support/test-node.ts";

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

test("it leaves the socket to a daemon that stays, finishes what it does, and ends; the one that stays leaves it to nobody", async () => {
  const host = newHost(1);
  const { path } = host.directory;
  const answer = JSON.stringify(resultOfDelegate);
  host.addProgram(
    "bin/delegate",
    `cat >/dev/null\ntouch ${path}/called\nuntil [ -e ${path}/released ]; do sleep 0.02; done\necho '${answer}'`,
  );
  const adding = host.call("ADD", "c1");
  await vi.waitFor(() => expect(existsSync(join(path, "called"))).toBe(true), patience);
  expect(await daemonStatusOf(host.socketDir)).toMatchObject({ onDemand: true, pid: host.starts[0] });

  await using staying = new Daemon(path, {
    socketDir: host.socketDir,
    cniDir: host.cniDir,
    confDir: join(path, "conf"),
    logLevel: "verbose",
  });
  await staying.start();
  await vi.waitFor(
    async () =>
      expect(await daemonStatusOf(host.socketDir)).toMatchObject({ onDemand: false, pid: staying.pid }),
    patience,
  );
  expect(staying.output).toContain("[verbose] the socket was that of a daemon on demand");
  writeFileSync(join(path, "released"), "");
  (await adding).expectSuccess();
  (await host.call("DEL", "c1")).expectSuccess();
  await vi.waitFor(() => expect(staying.output).toMatch(/DEL done .*container=c1 /), patience);
  await vi.waitFor(() => expect(host.running).toEqual([]), patience);
  expect(host.starts).toHaveLength(1);
  expect(await daemonStatusOf(host.socketDir)).toMatchObject({ pid: staying.pid, ready: true });

  const { exitCode, stderr } = await runCommand(host.command);
  expect(exitCode).toBe(1);
  expect(stderr).toContain(`another daemon serves ${host.socket}`);
});

test("the daemon's output does not fill the memory of the socket's directory", async () => {
  const host = newHost(600, { logLevel: "debug", logToStderr: true });
  const printed = join(host.socketDir, "multusd.stderr");
  // The error is in the log, as long as a message may be.
  const clusterNetwork = `/${"x".repeat(20_000)}`;
  let largest = 0;
  for (let round = 0; round < 40; round++) {
    const answers = await Promise.all(
      Array.from({ length: 10 }, (_, index) =>
        host.call("ADD", `c${index}`, host.netconf({ clusterNetwork })),
      ),
    );
    for (const { error } of answers) expect(error.code).toBe(5);
    largest = Math.max(largest, statSync(printed).size);
  }
  expect(largest).toBeGreaterThan(600_000);
  expect(largest).toBeLessThanOrEqual(1024 * 1024);
  // It was begun anew at a line's beginning.
  expect(readFileSync(printed, "utf8")).toMatch(/^\d{4}-\d\d-\d\dT/);
});
