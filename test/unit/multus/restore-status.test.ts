/** A daemon that was killed had not delivered what it promised: the next one makes the statuses again, as they would have been, and no others. */

import { copyFileSync, readdirSync, renameSync, rmSync, utimesSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeAll, beforeEach, describe, expect, test, vi } from "vitest";
import type { Kernels } from "../../../src/kernels/index.ts";
import { loadKernels } from "../../../src/kernels/load.ts";
import { type LogFields, type Logger, silentLogger } from "../../../src/log/logger.ts";
import { netconfOverrides } from "../../../src/multus/input/netconf.ts";
import { Multus } from "../../../src/multus/multus.ts";
import { expectation, leavesSameFiles } from "../../golden/allowed-differences.ts";
import { cases } from "../../golden/cases.ts";
import { asksForDefaultRoute } from "../../golden/default-routes.ts";
import { PretendedCluster } from "../../support/pretended-cluster.ts";
import { type Json, PretendedPlugins } from "../../support/pretended-plugins.ts";
import { ScratchDirectory } from "../../support/scratch-directory.ts";
import { containerId, Rig, selecting } from "./rig.ts";

const patience = { timeout: 20_000, interval: 2 };
const macvlan: Json = { cniVersion: "1.0.0", type: "macvlan" };

let kernels: Kernels;
/** The killed daemon's, whose sink is what the API never got. */
let before: PretendedCluster;
let rig: Rig;
/** The next daemon's. */
let cluster: PretendedCluster;
let lines: (readonly [string, LogFields])[];

beforeAll(() => {
  kernels = loadKernels();
});

beforeEach(() => {
  before = new PretendedCluster();
  cluster = new PretendedCluster();
  cluster.untilWatched = Promise.resolve(true);
  lines = [];
  rig = new Rig(kernels, { clusters: before });
});

afterEach(() => rig[Symbol.dispose]());

const message = "network-statuses of earlier pods were checked";

function recordingLog(): Logger {
  const note = (text: string, fields: LogFields = {}) => {
    lines.push([text, fields]);
  };
  return { ...silentLogger, verbose: note, error: note };
}

/** The next daemon. @param cniDir of its own configuration */
function nextDaemon(cniDir = rig.cniDir): Multus {
  const overrides = netconfOverrides(Buffer.from(JSON.stringify({ cniDir })), "daemon-config.json");
  return new Multus({ kernels, log: recordingLog(), overrides, clusters: cluster });
}

/** Fields of the log message about a directory when all of it was looked through. */
async function done(cniDir = rig.cniDir): Promise<LogFields> {
  return vi.waitFor(() => {
    const [, fields] = lines.find(([text, { cniDir: of }]) => text === message && of === cniDir) ?? [];
    if (fields === undefined) throw new Error(`not done yet: ${JSON.stringify(lines)}`);
    return fields;
  }, patience);
}

/** The next daemon starts, and has looked through what is there. */
async function restart(): Promise<LogFields> {
  nextDaemon().restoreStatuses(cluster);
  return done();
}

/** A pod that the killed daemon has answered for. @param annotations of the pod */
async function added(annotations: Readonly<Record<string, string>> = {}, uid = "u-1"): Promise<void> {
  before.addPod("default/web", annotations);
  cluster.addPod("default/web", annotations, uid);
  before.addNad("default/a", macvlan);
  before.addNad("default/b", macvlan);
  expect((await rig.run("ADD")).error).toBeUndefined();
}

describe("a status that was not delivered", () => {
  test("is the same as that of the ADD", async () => {
    await added(
      selecting([
        { name: "a", interface: "data0", "default-route": ["10.1.0.9"], ips: ["10.1.0.5"] },
        { name: "b" },
        { name: "a" },
      ]),
    );
    expect(await restart()).toEqual({ cniDir: rig.cniDir, plans: 1, missing: 1, restored: 1 });
    expect(before.status).toHaveLength(4);
    expect(cluster.status).toEqual(before.status);
    expect(cluster.statusOf).toEqual(before.statusOf);
    expect(cluster.trace).toEqual(["status"]);
  });

  test("has the auxiliary chain and networks without an attachment of their own like that of the ADD", async () => {
    rig.writeFile("net.d/10-flat.conflist", {
      cniVersion: "1.0.0",
      name: "flat",
      plugins: [{ type: "bridge" }],
    });
    rig.writeFile("net.d/extra/10-tuning.conf", { type: "tuning" });
    before.addPod("default/web", selecting("a"));
    cluster.addPod("default/web", {});
    before.addNad("default/a", macvlan);
    // The auxiliary chain is no network: without a result of its own there is nothing to tell.
    rig.plugins.behaviour = ({ plugin, command, stdin }) =>
      plugin !== "bridge" && command === "ADD" ? { stdout: { cniVersion: stdin.cniVersion } } : undefined;
    const netconf = {
      delegates: undefined,
      clusterNetwork: rig.path("net.d/10-flat.conflist"),
      auxiliaryCNIChainName: "extra",
    };
    expect((await rig.run("ADD", { netconf })).error).toBeUndefined();
    expect(await restart()).toMatchObject({ restored: 1 });
    expect(before.status).toMatchObject([
      { name: "flat", interface: "eth0" },
      { name: "default/a", interface: "net1" },
    ]);
    expect(before.status).toHaveLength(2);
    expect(cluster.status).toEqual(before.status);
  });

  test("of a static pod goes to its mirror", async () => {
    before.addPod("default/web", {}, "mirror", true);
    cluster.addPod("default/web", {}, "mirror", true);
    await rig.run("ADD");
    await restart();
    expect(cluster.status).toEqual(before.status);
    expect(cluster.statusOf).toMatchObject({ uid: "mirror", sandboxId: containerId });
  });

  // Ours are made from other files where those differ on purpose, and where a selection takes over the default route.
  const written = cases.flatMap((golden) => {
    const { name, pod, steps } = golden;
    const index = steps.findIndex(({ command, networkStatus }) => command === "ADD" && networkStatus);
    const step = steps[index];
    return step === undefined || asksForDefaultRoute(golden) || !leavesSameFiles(golden, index)
      ? []
      : [{ name, pod, files: step.files, status: expectation(golden, index).networkStatus }];
  });

  test("may be Go multus's: there are recorded cases", () => {
    expect(written.length).toBeGreaterThan(12);
  });

  test.each(written)("of Go multus is made from its files: $name", async ({ pod, files, status }) => {
    using directory = new ScratchDirectory();
    for (const [file, content] of Object.entries(files)) {
      directory.write(file, typeof content === "string" ? content : JSON.stringify(content));
    }
    cluster.addPod(`${pod.namespace}/${pod.name}`, {}, "00000000-0000-0000-0000-000000000001");
    nextDaemon(directory.path).restoreStatuses(cluster);
    expect(await done(directory.path)).toMatchObject({ restored: 1 });
    expect(cluster.status).toEqual(status);
  });
});

describe("nothing is written", () => {
  test("about a pod that has a status, whoever wrote it", async () => {
    await added();
    cluster.withStatus.add("default/web");
    expect(await restart()).toMatchObject({ plans: 1, missing: 0, restored: 0 });
    expect(cluster.trace).toEqual([]);
  });

  test("about a pod that is not of this node any more, or another one of the same name", async () => {
    await added({}, "u-2");
    expect(await restart()).toMatchObject({ plans: 1, missing: 0 });
    cluster.watched.clear();
    lines = [];
    expect(await restart()).toMatchObject({ plans: 1, missing: 0 });
    expect(cluster.trace).toEqual([]);
  });

  test("where it is not known which pod of the name it was", async () => {
    before.addPod("default/web", {});
    cluster.addPod("default/web", {});
    await rig.run("ADD", { request: { args: "K8S_POD_NAMESPACE=default;K8S_POD_NAME=web" } });
    expect(before.status).toBeDefined();
    expect(await restart()).toMatchObject({ plans: 1, missing: 0 });
  });

  test("while the pods of the node are not known, and where they are not watched", async () => {
    await added();
    const { promise, resolve } = Promise.withResolvers<boolean>();
    cluster.untilWatched = promise;
    nextDaemon().restoreStatuses(cluster);
    await new Promise((later) => setTimeout(later, 50));
    expect(cluster.trace).toEqual([]);
    expect(lines).toEqual([]);
    resolve(false);
    await new Promise((later) => setTimeout(later, 50));
    expect(cluster.trace).toEqual([]);
    expect(lines).toEqual([]);
  });

  test("of a sandbox that was not finished, or is half taken away", async () => {
    await added(selecting("a"));
    for (const name of readdirSync(join(rig.cniDir, "results"))) {
      const file = join(rig.cniDir, "results", name);
      renameSync(file, `${rig.path("kept")}`);
      lines = [];
      expect(await restart(), name).toMatchObject({ plans: 1, restored: 0 });
      renameSync(rig.path("kept"), file);
    }
    lines = [];
    expect(await restart()).toMatchObject({ restored: 1 });
  });

  test("from a plan that is torn", async () => {
    await added();
    rig.writeFile(`cni/${containerId}`, '[{"Name":"cluster"');
    expect(await restart()).toMatchObject({ plans: 1, restored: 0 });
  });

  test("about a container that a request is being worked on for: its status is the request's", async () => {
    await added();
    const multus = nextDaemon();
    const { promise, resolve } = Promise.withResolvers<boolean>();
    cluster.untilWatched = promise;
    multus.restoreStatuses(cluster);
    let finish = () => {};
    const held = new Promise<void>((end) => {
      finish = end;
    });
    const plugins = new PretendedPlugins();
    plugins.behaviour = async () => {
      await held;
      return undefined;
    };
    const request = {
      command: "DEL",
      containerId,
      netns: "",
      ifName: "eth0",
      args: `K8S_POD_NAMESPACE=default;K8S_POD_NAME=web;K8S_POD_UID=u-1;K8S_POD_INFRA_CONTAINER_ID=${containerId}`,
      path: "/usr/lib/cni",
      config: Buffer.from(
        JSON.stringify({ cniVersion: "1.0.0", name: "m", type: "multus", delegates: [{ type: "bridge" }] }),
      ),
    };
    const deleted = multus.handle(request, plugins, silentLogger);
    resolve(true);
    expect(await done()).toMatchObject({ plans: 1, missing: 1, restored: 0 });
    finish();
    expect((await deleted).exitCode).toBe(0);
    expect(cluster.trace).toEqual(["withdraw"]);
  });
});

describe("a pod with two sandboxes", () => {
  const older = "0ld0123456789";

  /** The files of the sandbox as those of another one, whose plan is ten seconds older. */
  async function withOlder(): Promise<void> {
    await added();
    copyFileSync(join(rig.cniDir, containerId), join(rig.cniDir, older));
    const then = Date.now() / 1000 - 10;
    utimesSync(join(rig.cniDir, older), then, then);
    const results = join(rig.cniDir, "results");
    const text = JSON.stringify({
      kind: "cniCacheV1",
      containerId: older,
      ifName: "eth0",
      networkName: "cluster",
      cniArgs: [
        ["K8S_POD_NAMESPACE", "default"],
        ["K8S_POD_NAME", "web"],
        ["K8S_POD_UID", "u-1"],
        ["K8S_POD_INFRA_CONTAINER_ID", older],
      ],
      result: { cniVersion: "1.0.0", interfaces: [{ name: "eth0", sandbox: "/x" }], ips: [] },
    });
    rig.writeFile(join("cni/results", `cluster-${older}-eth0`), text);
    expect(readdirSync(results)).toHaveLength(2);
  }

  test("gets the newer one's status", async () => {
    await withOlder();
    expect(await restart()).toMatchObject({ plans: 2, missing: 1, restored: 1 });
    expect(cluster.status).toEqual(before.status);
    expect(cluster.statusOf).toMatchObject({ sandboxId: containerId });
  });

  test("gets the older one's where the newer one has come to nothing", async () => {
    await withOlder();
    rmSync(join(rig.cniDir, "results", `cluster-${containerId}-eth0`));
    expect(await restart()).toMatchObject({ plans: 2, missing: 1, restored: 1 });
    expect(cluster.statusOf).toMatchObject({ sandboxId: older });
  });
});

describe("directories are looked through once for each cluster", () => {
  test("when the first request names them", async () => {
    await added();
    const multus = new Multus({ kernels, log: recordingLog(), clusters: cluster });
    const config = (cniDir: string) =>
      Buffer.from(
        JSON.stringify({
          cniVersion: "1.1.0",
          name: "m",
          type: "multus",
          cniDir,
          delegates: [{ cniVersion: "1.0.0", name: "cluster", type: "bridge" }],
        }),
      );
    const status = (cniDir: string) => ({
      command: "STATUS",
      containerId: "",
      netns: "",
      ifName: "",
      args: "",
      path: "/usr/lib/cni",
      config: config(cniDir),
    });
    const ask = (cniDir: string) => multus.handle(status(cniDir), new PretendedPlugins(), silentLogger);
    expect((await ask(rig.path("other"))).error).toBeUndefined();
    expect(await done(rig.path("other"))).toMatchObject({ plans: 0, restored: 0 });
    expect((await ask(rig.cniDir)).error).toBeUndefined();
    expect(await done()).toMatchObject({ plans: 1, restored: 1 });
    expect(cluster.status).toEqual(before.status);
    await ask(rig.cniDir);
    await ask(rig.path("other"));
    expect(lines.filter(([text]) => text === message)).toHaveLength(2);
    expect(cluster.trace).toEqual(["status"]);
  });
});
