/** Pods that run without the networks that they select are found, and no others: whatever their ADD, DEL and network-status are doing at that moment. */

import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { setImmediate as turn } from "node:timers/promises";
import { afterEach, beforeAll, beforeEach, describe, expect, test, vi } from "vitest";
import type { Kernels } from "../../../src/kernels/index.ts";
import { loadKernels } from "../../../src/kernels/load.ts";
import { type LogFields, type Logger, silentLogger } from "../../../src/log/logger.ts";
import type { Multus } from "../../../src/multus/multus.ts";
import { PretendedCluster } from "../../support/pretended-cluster.ts";
import type { Json } from "../../support/pretended-plugins.ts";
import { containerId, Rig, selecting } from "./rig.ts";

const macvlan: Json = { cniVersion: "1.0.0", type: "macvlan" };
const selection = selecting("a");
/** More than any pause of a search. */
const longMs = 30_000;
const stepMs = 250;
const patienceMs = 20_000;

let kernels: Kernels;
let cluster: PretendedCluster;
/** The cluster as the daemon before saw it: nothing of it is looked at. */
let before: PretendedCluster;
let current: PretendedCluster;
/** Requests to the daemon, over its cniDir. */
let rig: Rig;
let lines: (readonly [string, LogFields])[];

beforeAll(async () => {
  kernels = loadKernels();
  // It is loaded in real time, not in that of the test.
  await import("../../../src/multus/background/missing-search.ts");
});

beforeEach(() => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "performance"] });
  cluster = new PretendedCluster();
  cluster.untilWatched = Promise.resolve(true);
  cluster.addNad("default/a", macvlan);
  lines = [];
  before = new PretendedCluster();
  before.addNad("default/a", macvlan);
  current = before;
  rig = new Rig(kernels, { clusters: { of: async () => current }, log: recordingLog() });
});

afterEach(() => {
  vi.useRealTimers();
  rig[Symbol.dispose]();
});

function recordingLog(): Logger {
  return { ...silentLogger, error: (text, fields = {}) => void lines.push([text, fields]) };
}

/** The daemon starts, on what another one has left. */
function startDaemon(): Multus {
  current = cluster;
  rig.restart();
  rig.multus.restoreStatuses(cluster);
  return rig.multus;
}

/** The daemon before, or this one once it was started, serves the pod's ADD. */
async function attach(args?: string): Promise<void> {
  before.addPod("default/web", selection);
  const handled = await rig.run("ADD", args === undefined ? {} : { request: { args } });
  expect(handled.error).toBeUndefined();
}

/** Time passes, and what was begun meanwhile gets on. */
async function pass(milliseconds: number): Promise<void> {
  for (let passed = 0; passed < milliseconds; passed += stepMs) {
    await vi.advanceTimersByTimeAsync(Math.min(stepMs, milliseconds - passed));
    for (let turns = 0; turns < 5; turns++) await turn();
  }
}

/** Time passes until something is so. Files are read in real time: how many steps that takes is the machine's matter. */
async function until(isSo: () => boolean): Promise<void> {
  const deadline = Date.now() + patienceMs;
  while (!isSo()) {
    if (Date.now() > deadline) throw new Error(`not so yet: ${isSo}`);
    await pass(stepMs);
  }
}

/** The search has decided about all that it suspected. */
const untilDecided = () => until(() => cluster.followers.size === 0);
const untilFound = (multus: Multus, ...pods: string[]) =>
  until(() => missing(multus).sort().join() === pods.sort().join());

const missing = (multus: Multus) => multus.missingNetworks.map(({ pod }) => pod);
const found = () => cluster.events.filter(([, reason]) => reason === "NetworksMissing");

describe("a pod that runs and has neither plan nor network-status", () => {
  test("is found at the daemon's start: event, list and a line of the log", async () => {
    cluster.addPod("default/web", selection);
    cluster.run("default/web");
    const multus = startDaemon();
    await untilFound(multus, "default/web");
    expect(multus.missingNetworks).toEqual([
      {
        pod: "default/web",
        uid: "u-1",
        controller: "ReplicaSet",
        isStatic: false,
        foundAt: expect.stringMatching(/^\d{4}-.*Z$/),
        eviction: undefined,
      },
    ]);
    expect(found()).toEqual([
      [
        "Warning",
        "NetworksMissing",
        expect.stringMatching(/^the pod runs without the networks that it selects/),
      ],
    ]);
    expect(cluster.subjects).toEqual([{ namespace: "default", name: "web", uid: "u-1", sandboxId: "" }]);
    expect(lines).toEqual([
      [
        expect.stringMatching(/^pods run without the networks/),
        expect.objectContaining({ count: 1, pods: "default/web" }),
      ],
    ]);
  });

  test("is said once, however often it is looked for", async () => {
    cluster.addPod("default/web", selection);
    cluster.run("default/web");
    const multus = startDaemon();
    await untilFound(multus, "default/web");
    await pass(longMs);
    multus.lookForMissingNetworks();
    cluster.changed();
    await pass(longMs);
    expect(found()).toHaveLength(1);
    expect(missing(multus)).toEqual(["default/web"]);
  });

  test("is listed until it is gone; then nothing is followed any more", async () => {
    cluster.addPod("default/web", selection);
    cluster.run("default/web");
    const multus = startDaemon();
    await untilFound(multus, "default/web");
    expect(cluster.followers.size).toBe(1);
    cluster.deletePod("default/web");
    await untilDecided();
    expect(missing(multus)).toEqual([]);
  });

  test("is listed until it has ended, or has its networks after all", async () => {
    cluster.addPod("default/job", selection, "u-2");
    cluster.addPod("default/web", selection);
    cluster.run("default/job");
    cluster.run("default/web");
    const multus = startDaemon();
    await untilFound(multus, "default/job", "default/web");
    cluster.running.delete("default/job");
    cluster.withStatus.add("default/web");
    cluster.changed();
    await untilFound(multus);
  });

  test("is found when its image has come, long after it was started", async () => {
    cluster.addPod("default/web", selection);
    const multus = startDaemon();
    await pass(10 * 60_000);
    expect(missing(multus)).toEqual([]);
    cluster.run("default/web");
    await untilFound(multus, "default/web");
  });

  test("is found where it was started while the runtime's file was away, when that is written", async () => {
    const multus = startDaemon();
    await pass(longMs);
    cluster.addPod("default/web", selection);
    cluster.run("default/web");
    await pass(longMs);
    expect(missing(multus)).toEqual([]);
    multus.lookForMissingNetworks();
    await untilFound(multus, "default/web");
  });

  test("is found where the watch brings it only a moment after the runtime's file was written", async () => {
    const multus = startDaemon();
    await pass(longMs);
    multus.lookForMissingNetworks();
    await pass(1_000);
    cluster.addPod("default/web", selection);
    cluster.run("default/web");
    await untilFound(multus, "default/web");
  });

  test("is found as a static pod, with the event under the UID that the kubelet has it by", async () => {
    cluster.addPod("default/web", selection, "mirror", true);
    cluster.run("default/web", { runtimeUid: "hash", controller: "Node" });
    const multus = startDaemon();
    await untilFound(multus, "default/web");
    expect(cluster.subjects).toEqual([expect.objectContaining({ uid: "hash" })]);
  });

  test("is found though a plan of an earlier pod of that name is left", async () => {
    cluster.addPod("default/web", selection);
    await attach();
    cluster.addPod("default/web", selection, "u-2");
    cluster.run("default/web");
    const multus = startDaemon();
    await untilFound(multus, "default/web");
  });

  test("is found by its other annotation, and where its selection cannot be parsed", async () => {
    cluster.addPod("default/web", { "v1.multus-cni.io/default-network": "a" });
    cluster.addPod("default/torn", selecting("[{"), "u-2");
    cluster.run("default/web");
    cluster.run("default/torn");
    const multus = startDaemon();
    await untilFound(multus, "default/torn", "default/web");
  });

  test("gets no event where there are very many: the log says how many", async () => {
    for (let index = 0; index < 200; index++) {
      cluster.addPod(`default/p${index}`, selection, `u-${index}`);
      cluster.run(`default/p${index}`);
    }
    const multus = startDaemon();
    await until(() => missing(multus).length === 200);
    expect(found()).toHaveLength(128);
    expect(lines).toEqual([
      [expect.any(String), expect.objectContaining({ count: 200, notNamed: 190, withoutEvent: 72 })],
    ]);
  });
});

describe("not reported, and not followed for long, is a pod", () => {
  /** Nothing was said, and nothing is followed any more. */
  function expectNothing(multus: Multus): void {
    expect(missing(multus)).toEqual([]);
    expect(found()).toEqual([]);
    expect(cluster.followers.size).toBe(0);
  }

  test("whose network-status another daemon had not delivered: it has a plan", async () => {
    cluster.addPod("default/web", selection);
    await attach();
    cluster.run("default/web");
    const multus = startDaemon();
    await until(() => cluster.followed === 1);
    await untilDecided();
    await pass(longMs);
    // The second look reads plans in real time, too.
    await untilDecided();
    expectNothing(multus);
  });

  test("whose plan is torn: a result says whose it is", async () => {
    cluster.addPod("default/web", selection);
    await attach();
    writeFileSync(join(rig.cniDir, containerId), '[{"name":');
    cluster.run("default/web");
    const multus = startDaemon();
    await until(() => cluster.followed > 0);
    await untilDecided();
    expectNothing(multus);
  });

  test("whose runtime said no UID", async () => {
    cluster.addPod("default/web", selection);
    const args = "IgnoreUnknown=1;K8S_POD_NAMESPACE=default;K8S_POD_NAME=web";
    await attach(args);
    cluster.run("default/web");
    const multus = startDaemon();
    await until(() => cluster.followed > 0);
    await untilDecided();
    expectNothing(multus);
  });

  test("that is static and has a plan under the kubelet's UID", async () => {
    cluster.addPod("default/web", selection, "mirror", true);
    await attach();
    cluster.run("default/web");
    const multus = startDaemon();
    await until(() => cluster.followed > 0);
    await untilDecided();
    expectNothing(multus);
  });

  test.each([
    ["selects nothing", undefined, {}],
    ["selects an empty list", undefined, selecting("[ ]")],
    ["has a network-status", "default/web", selection],
  ])("that %s: nothing is loaded or opened for it", async (_, withStatus, annotations) => {
    cluster.addPod("default/web", annotations);
    if (withStatus !== undefined) cluster.withStatus.add(withStatus);
    cluster.run("default/web");
    const multus = startDaemon();
    await pass(longMs);
    expect(cluster.followed).toBe(0);
    expectNothing(multus);
  });

  test("whose ADD is served by this daemon, and which runs before its status is there", async () => {
    cluster.addPod("default/web", selection);
    const multus = startDaemon();
    await until(() => cluster.followers.size === 1);
    await attach();
    cluster.run("default/web");
    await untilDecided();
    expectNothing(multus);
  });

  test("for which the daemon was started: no second watch is opened while its ADD is under way", async () => {
    const { promise: watched, resolve: watch } = Promise.withResolvers<boolean>();
    cluster.untilWatched = watched;
    cluster.addPod("default/web", selection);
    const { promise: ready, resolve: plugIn } = Promise.withResolvers<void>();
    const run = rig.plugins.runPlugin.bind(rig.plugins);
    rig.plugins.runPlugin = async (order) => ready.then(() => run(order));
    startDaemon();
    const adding = rig.run("ADD");
    watch(true);
    await pass(longMs);
    plugIn();
    expect((await adding).error).toBeUndefined();
    await pass(longMs);
    expect(cluster.followed).toBe(0);
  });

  test("whose ADD has ended a moment before the first look: its status is awaited until the second", async () => {
    const { promise: watched, resolve: watch } = Promise.withResolvers<boolean>();
    cluster.untilWatched = watched;
    cluster.addPod("default/web", selection);
    const multus = startDaemon();
    await attach();
    watch(true);
    await pass(4_000);
    expect(cluster.followed).toBe(0);
    await until(() => cluster.followed > 0);
    cluster.run("default/web");
    await untilDecided();
    expectNothing(multus);
  });

  test("that counts as running while its sandbox is made again: its ADD is under way", async () => {
    cluster.addPod("default/web", selection);
    const multus = startDaemon();
    await until(() => cluster.followers.size === 1);
    const { promise: ready, resolve: plugIn } = Promise.withResolvers<void>();
    const run = rig.plugins.runPlugin.bind(rig.plugins);
    rig.plugins.runPlugin = async (order) => ready.then(() => run(order));
    const adding = rig.run("ADD");
    await pass(1_000);
    cluster.run("default/web");
    await pass(longMs);
    expect(missing(multus)).toEqual([]);
    plugIn();
    expect((await adding).error).toBeUndefined();
    await untilDecided();
    expectNothing(multus);
  });

  test("whose DEL has taken its plan away, and which the API still has as running", async () => {
    cluster.addPod("default/web", selection);
    await attach();
    const multus = startDaemon();
    expect((await rig.run("DEL")).error).toBeUndefined();
    cluster.run("default/web");
    await pass(5_000);
    expect(missing(multus)).toEqual([]);
    cluster.deletePod("default/web");
    await untilDecided();
    expectNothing(multus);
  });

  test("that does not run within an hour: one in the host's network never does", async () => {
    cluster.addPod("default/host", selection);
    const multus = startDaemon();
    await until(() => cluster.followed > 0);
    await pass(59 * 60_000);
    expect(cluster.followers.size).toBe(1);
    await untilDecided();
    expectNothing(multus);
  });

  test("of a node whose pods are not watched", async () => {
    cluster.untilWatched = Promise.resolve(false);
    cluster.addPod("default/web", selection);
    cluster.run("default/web");
    const multus = startDaemon();
    await pass(longMs);
    expect(cluster.followed).toBe(0);
    expectNothing(multus);
  });
});
