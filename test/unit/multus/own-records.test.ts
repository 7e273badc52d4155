/** A container's recorded DELs come before its next ADD or DEL: an old DEL would take away what a new ADD makes. */

import { execFileSync } from "node:child_process";
import { mkdirSync, rmSync, statSync, symlinkSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { ExecutorError } from "../../../src/agent/executor.ts";
import type { Kernels } from "../../../src/kernels/index.ts";
import { loadKernels } from "../../../src/kernels/load.ts";
import { netconfOverrides } from "../../../src/multus/input/netconf.ts";
import type { HandledRequest } from "../../../src/multus/request/report.ts";
import { type RecordBody, Spool } from "../../shim/support/spool.ts";
import { RecordingLogger } from "../../support/recording-logger.ts";
import { answerOf, containerId, Rig } from "./rig.ts";

const bootId = "5b8c7a52-5c4e-4d3c-9a53-3f7f0c2c9a3e";

let kernels: Kernels;
let rig: Rig;
let spool: Spool;
let log: RecordingLogger;

beforeAll(() => {
  kernels = loadKernels();
});

beforeEach(async () => {
  rig = new Rig(kernels);
  spool = new Spool(rig.cniDir);
  log = new RecordingLogger();
  await attachOld();
});

afterEach(() => rig[Symbol.dispose]());

/** The netconf of a recorded DEL, whose cluster network's plugin is `old`. */
const netconf = () =>
  Buffer.from(
    JSON.stringify({
      cniVersion: "1.0.0",
      name: "multus",
      type: "multus",
      cniDir: rig.cniDir,
      confDir: rig.confDir,
      delegates: [{ cniVersion: "1.0.0", name: "recorded", type: "old" }],
      runtimeConfig: { "io.kubernetes.cri.pod-annotations": {} },
    }),
  );

/** Records a DEL of the container. @returns the file's name */
function record(time: number, over: RecordBody = {}, tries = 0): string {
  return spool.add(time, { containerId, args: "K8S_POD_NAME=old", config: netconf(), ...over }, tries);
}

const run = (command: string): Promise<HandledRequest> => rig.run(command, { log, annotations: {} });

/** The container has the network whose DEL is recorded. */
async function attachOld(of = rig): Promise<void> {
  expect((await of.run("ADD", { request: { config: netconf() } })).exitCode).toBe(0);
  of.plugins.calls.length = 0;
}

/** Has the plugin of recorded DELs fail, and no other. */
function failOld(): void {
  rig.plugins.behaviour = ({ plugin, command }) =>
    plugin === "old" && command === "DEL" ? { exitCode: 1, stdout: { code: 100, msg: "busy" } } : undefined;
}

const notFound = "a DEL of this container, recorded while multusd was away, has not succeeded yet";

describe("recorded DELs of a container", () => {
  test.each(["ADD", "DEL"])("are done before its %s, in order, due or not", async (command) => {
    record(1, {}, 3);
    record(2, { ifName: "net9" });
    spool.add(3, { containerId: "other", config: netconf() });
    expect((await run(command)).exitCode).toBe(0);
    expect(rig.plugins.trace).toEqual(["DEL old eth0", "DEL old net9", `${command} bridge eth0`]);
    expect(spool.names()).toEqual(["0000000000000003-00-other"]);
  });

  test("are not looked at by a CHECK: no runtime checks a container that it has deleted", async () => {
    const name = record(1);
    await run("CHECK");
    expect(rig.plugins.trace).toEqual(["CHECK old eth0"]);
    expect(spool.names()).toEqual([name]);
  });

  test("are not done inside of the replay of one of them", async () => {
    record(1);
    await rig.run("DEL", { log, request: { triesLeft: 5 } });
    expect(rig.plugins.trace).toEqual(["DEL old eth0"]);
    expect(spool.names()).toHaveLength(1);
  });

  test("where one fails, an ADD is not begun, a DEL goes on, and what is behind it waits", async () => {
    record(1);
    record(2, { ifName: "net9" });
    failOld();
    const refused = await run("ADD");
    expect(answerOf(refused)).toEqual({
      cniVersion: "1.0.0",
      code: 11,
      msg: expect.stringContaining(notFound),
      details: expect.stringContaining(
        `It is in .spool of ${rig.cniDir}; the daemon's log says why it fails`,
      ),
    });
    expect(rig.plugins.trace).toEqual(["DEL old eth0"]);
    expect(log.errors).toContain("a recorded DEL of the container has failed");
    expect(spool.names()).toEqual([
      `0000000000000001-01-${containerId}`,
      `0000000000000002-00-${containerId}`,
    ]);
    // The DEL goes on, and has its own failure to tell of.
    expect((await run("DEL")).error?.code).toBe(100);
    expect(rig.plugins.trace).toEqual(["DEL old eth0", "DEL old eth0", "DEL old eth0"]);
    // It was tried before its time, as often as the runtime asks: that uses up no try.
    expect(spool.names()[0]).toBe(`0000000000000001-01-${containerId}`);
  });

  test("an ADD that was refused for one says nothing of whether the container was ever started", async () => {
    record(1);
    failOld();
    expect((await run("ADD")).exitCode).toBe(1);
    rmSync(spool.directory, { recursive: true });
    rig.plugins.behaviour = () => undefined;
    rig.plugins.calls.length = 0;
    expect((await run("DEL")).exitCode).toBe(0);
    expect(rig.plugins.trace).toEqual(["DEL old eth0"]);
  });

  test("a try before its time leaves the file as it was, however it ends", async () => {
    const name = record(1, {}, 3);
    const longAgo = Math.floor(Date.now() / 1000) - 5;
    utimesSync(spool.path(name), longAgo, longAgo);
    failOld();
    await run("ADD");
    expect(spool.names()).toEqual([name]);
    expect(statSync(spool.path(name)).mtimeMs).toBe(longAgo * 1000);
  });

  test("one whose shim goes away in the middle is not counted", async () => {
    const name = record(1);
    rig.plugins.behaviour = ({ plugin }) => {
      if (plugin === "old") throw new ExecutorError("gone", "the multus process that asked is gone");
      return undefined;
    };
    expect((await run("ADD")).exitCode).toBe(1);
    expect(spool.names()).toEqual([name]);
  });

  test("their last try gives them up, as a replay does", async () => {
    const name = record(1, { args: "K8S_POD_NAMESPACE=default;K8S_POD_NAME=old" }, 78);
    utimesSync(spool.path(name), 1, 1);
    failOld();
    await run("ADD");
    expect(spool.names()).toEqual([`failed-0000000000000001-79-${containerId}`]);
    expect(log.errors).toContain(
      "a recorded DEL is given up: it has failed for a day, and addresses may stay reserved",
    );
    // It is set aside, and no obstacle any more.
    expect((await run("ADD")).exitCode).toBe(0);
  });

  test("run with the namespace that they name only while it is that one; the request's is its own", async () => {
    record(1, { netns: "/run/netns/old", bootId, netnsDevice: 4, netnsInode: 5, netnsCookie: 6 });
    record(2, { netns: "/run/netns/old" });
    expect((await run("ADD")).exitCode).toBe(0);
    const identity = { bootId, device: 4n, inode: 5n, cookie: 6n };
    expect(rig.plugins.calls.map(({ env, leftNetns }) => [env.CNI_NETNS, leftNetns])).toEqual([
      ["/run/netns/old", identity],
      ["", undefined],
      ["/run/netns/pod", undefined],
    ]);
  });

  test("are those below the netconf's own cniDir, whatever directory the daemon's configuration names", async () => {
    const elsewhere = rig.path("daemon");
    using other = new Rig(kernels, {
      overrides: netconfOverrides(Buffer.from(JSON.stringify({ cniDir: elsewhere })), "daemon"),
    });
    const name = new Spool(other.cniDir).add(1, { containerId, config: netconf() });
    new Spool(elsewhere).add(1, { containerId, config: netconf() });
    expect((await other.run("ADD")).exitCode).toBe(0);
    expect(other.plugins.trace).toEqual(["DEL old eth0", "ADD bridge eth0"]);
    expect(new Spool(other.cniDir).names()).toEqual([]);
    expect(new Spool(elsewhere).names()).toEqual([name]);
  });
});

describe("a record that says just what a DEL does", () => {
  const same = (config: Uint8Array) => ({
    netns: "/run/netns/pod",
    args: "K8S_POD_NAME=old",
    path: "/opt/cni/bin",
    config,
  });
  const del = (more = {}) => rig.run("DEL", { log, request: { ...same(netconf()), ...more } });

  test("is not done before it, and goes when it has succeeded", async () => {
    record(1, { ...same(netconf()), traceparent: "another" });
    expect((await del()).exitCode).toBe(0);
    expect(rig.plugins.trace).toEqual(["DEL old eth0"]);
    expect(spool.names()).toEqual([]);
  });

  test("stays as it is when the DEL fails", async () => {
    const name = record(1, same(netconf()));
    failOld();
    expect((await del()).exitCode).toBe(1);
    expect(rig.plugins.trace).toEqual(["DEL old eth0"]);
    expect(spool.names()).toEqual([name]);
  });

  test("of another namespace is one of its own", async () => {
    record(1, same(netconf()));
    expect((await del({ netns: "" })).exitCode).toBe(0);
    // The second finds nothing of it any more.
    expect(rig.plugins.trace).toEqual(["DEL old eth0", "DEL old eth0"]);
    expect(spool.names()).toEqual([]);
  });
});

describe("a file under the name of a container's record", () => {
  test("that is no record is set aside, and no obstacle", async () => {
    spool.write(`0000000000000001-00-${containerId}`, "torn");
    expect((await run("ADD")).exitCode).toBe(0);
    expect(spool.names()).toEqual([`broken-0000000000000001-00-${containerId}`]);
  });

  test("that cannot be set aside holds an ADD up: it may be a DEL that is only written in another way", async () => {
    const name = `0000000000000001-00-${containerId}`;
    spool.write(name, "torn");
    mkdirSync(spool.path(`broken-${name}`));
    expect(answerOf(await run("ADD"))).toMatchObject({ code: 11, msg: expect.stringContaining(notFound) });
    expect(log.errors).toEqual(["a file among the recorded DELs cannot be set aside"]);
    expect((await run("DEL")).exitCode).toBe(0);
  });

  test.skipIf(process.geteuid?.() !== 0)(
    "that cannot be removed is not carried out, and the ADD says so",
    async () => {
      const name = record(1);
      const directory = spool.directory;
      execFileSync("mount", ["--bind", directory, directory]);
      execFileSync("mount", ["-o", "remount,bind,ro", directory]);
      try {
        expect(answerOf(await run("ADD"))).toMatchObject({
          code: 11,
          msg: expect.stringContaining(notFound),
        });
        expect(rig.plugins.trace).toEqual([]);
        expect(log.errors).toContain(
          "a recorded DEL is not carried out, as it could not be removed afterwards",
        );
        expect(log.causes).toContainEqual(expect.stringContaining("EROFS"));
        expect((await run("DEL")).exitCode).toBe(0);
      } finally {
        execFileSync("umount", ["--lazy", directory]);
      }
      expect(spool.names()).toEqual([name]);
    },
  );

  test("in a directory that cannot be read costs no pod its network", async () => {
    mkdirSync(rig.cniDir, { recursive: true });
    writeFileSync(join(rig.cniDir, ".spool"), "");
    expect((await run("ADD")).exitCode).toBe(0);
    expect(log.errors).toContain("recorded DELs cannot be read");
  });

  test("behind a link in place of the directory is left alone", async () => {
    const elsewhere = new Spool(rig.path("elsewhere"));
    elsewhere.add(1, { containerId, config: netconf() });
    mkdirSync(rig.cniDir, { recursive: true });
    symlinkSync(elsewhere.directory, spool.directory);
    expect((await run("ADD")).exitCode).toBe(0);
    expect(rig.plugins.trace).toEqual(["ADD bridge eth0"]);
    expect(elsewhere.names()).toHaveLength(1);
  });
});
