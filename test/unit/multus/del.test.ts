/** A DEL whose plugins fail is reported to the runtime, recorded or ignored. Failures are counted on disk, so that a killed daemon forgets none. */

import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { beforeAll, beforeEach, describe, expect, test } from "vitest";
import { ExecutorError } from "../../../src/agent/executor.ts";
import type { CniRequest } from "../../../src/cni/request.ts";
import type { Kernels } from "../../../src/kernels/index.ts";
import { loadKernels } from "../../../src/kernels/load.ts";
import { silentLogger } from "../../../src/log/logger.ts";
import { FailedDels } from "../../../src/multus/failed-dels.ts";
import { mostFailedDelsKept } from "../../../src/multus/input/bounds.ts";
import type { HandledRequest } from "../../../src/multus/request/report.ts";
import { mostTries } from "../../../src/multus/spool/retry-rule.ts";
import { PretendedCluster } from "../../support/pretended-cluster.ts";
import type { Json } from "../../support/pretended-plugins.ts";
import { RecordingLogger } from "../../support/recording-logger.ts";
import { answerOf, containerId, type RequestOptions, Rig, selecting } from "./rig.ts";

const minute = 60_000;
const macvlan: Json = { cniVersion: "1.0.0", type: "macvlan" };
const annotations = selecting("a");
/** As a shim of ours asks. */
const shim = { canRecord: true } as const;

let kernels: Kernels;
let now: number;
let cluster: PretendedCluster;

beforeAll(() => {
  kernels = loadKernels();
});

beforeEach(() => {
  now = 1_700_000_000_000;
  cluster = new PretendedCluster();
  cluster.addPod("default/web", annotations);
});

/** A node whose pod has two networks. The second one's plugin fails every DEL until it is told not to. */
async function failing(): Promise<Rig> {
  const rig = new Rig(kernels, { clusters: cluster, wallClock: () => now });
  cluster.addNad("default/a", macvlan);
  await add(rig);
  cluster.watched.clear();
  fail(rig);
  return rig;
}

async function add(rig: Rig, request: Partial<CniRequest> = {}): Promise<void> {
  expect((await rig.run("ADD", { annotations, request })).exitCode).toBe(0);
}

function fail(rig: Rig): void {
  rig.plugins.behaviour = ({ plugin, command }) =>
    command === "DEL" && plugin === "macvlan"
      ? { exitCode: 1, stdout: { code: 100, msg: "Link not found" } }
      : undefined;
}

function work(rig: Rig): void {
  rig.plugins.behaviour = () => undefined;
}

const del = (rig: Rig, options: RequestOptions = {}): Promise<HandledRequest> =>
  rig.run("DEL", { ...options, request: { ...shim, ...options.request } });
const replay = (rig: Rig, triesLeft: number, options: RequestOptions = {}): Promise<HandledRequest> =>
  del(rig, { ...options, request: { triesLeft, netns: "", ...options.request } });

/** Answer to a shim: the exit code, and whether it is to record the DEL. */
type Told = readonly [number, "no" | "tell" | "instead"];

const told = async (handled: Promise<HandledRequest>): Promise<Told> => {
  const { exitCode, report } = await handled;
  return [exitCode, report.record];
};

/** The failure alone; recorded and the failure; recorded and success in its place. */
const failure: Told = [1, "no"];
const both: Told = [1, "tell"];
const record: Told = [1, "instead"];
const done: Told = [0, "no"];

const notes = (rig: Rig): string[] => {
  const directory = join(rig.cniDir, ".failed-dels");
  return existsSync(directory) ? readdirSync(directory) : [];
};

const idOf = (index: number) => `c${index}`;

/** A request of one of many containers in a namespace. */
const of = (namespace: string, id: string) => ({
  containerId: id,
  args: `K8S_POD_NAMESPACE=${namespace};K8S_POD_NAME=p-${id};K8S_POD_UID=u-${id}`,
});

describe("a plugin that fails every DEL", () => {
  test("is recorded; the runtime is told of it twice, and success the third time; the pod's event says so once", async () => {
    using rig = await failing();
    expect(await told(del(rig))).toEqual(both);
    expect(await told(del(rig))).toEqual(both);
    expect(cluster.events.filter(([, reason]) => reason.startsWith("NetworkDelete"))).toEqual([]);
    expect(await told(del(rig))).toEqual(record);
    expect(await told(del(rig))).toEqual(record);
    expect(cluster.events.filter(([, reason]) => reason.startsWith("NetworkDelete"))).toEqual([
      ["Warning", "NetworkDeleteRecorded", expect.stringMatching(/3 tries.*Link not found/)],
    ]);
    expect(cluster.subjects.at(-1)).toMatchObject({ namespace: "default", name: "web", uid: "u-1" });
    expect(rig.multus.failedDels).toEqual({ failing: 0, recorded: 1, "given-up": 0 });
  });

  test("is recorded two minutes after the first, however seldom the runtime tries", async () => {
    using rig = await failing();
    expect(await told(del(rig))).toEqual(both);
    now += 2 * minute - 1;
    rig.restart();
    expect(await told(del(rig))).toEqual(both);
    rmSync(join(rig.cniDir, ".failed-dels", containerId));
    rig.restart();
    expect(await told(del(rig))).toEqual(both);
    now += 2 * minute;
    expect(await told(del(rig))).toEqual(record);
  });

  test.each([1, 2, 3, 4])("whatever daemon is killed before DEL %i, they count on", async (killedBefore) => {
    using rig = await failing();
    const outcomes: Told[] = [];
    for (let call = 1; call <= 4; call++) {
      if (call === killedBefore) rig.restart();
      outcomes.push(await told(del(rig)));
    }
    expect(outcomes).toEqual([both, both, record, record]);
  });

  test("keeps plan and result until it has succeeded, with what it got at ADD; then nothing is left", async () => {
    using rig = await failing();
    for (let call = 0; call < 3; call++) await del(rig);
    expect(existsSync(join(rig.cniDir, containerId))).toBe(true);
    rig.plugins.calls.length = 0;
    expect(await told(replay(rig, 70))).toEqual(failure);
    rig.restart();
    work(rig);
    expect(await told(replay(rig, 69))).toEqual(done);
    const stdins = rig.plugins.calls
      .filter(({ plugin }) => plugin === "macvlan")
      .map(({ stdin }) => stdin.prevResult);
    expect(stdins).toEqual([expect.objectContaining({ ips: expect.anything() }), stdins[0]]);
    const left = readdirSync(rig.cniDir, { recursive: true, encoding: "utf8" });
    expect(left.sort()).toEqual([".failed-dels", "results"]);
    expect(rig.multus.failedDels).toEqual({ failing: 0, recorded: 0, "given-up": 0 });
  });

  test("is recorded from the first time on, as the runtime may not ask again; its record counts no DEL of the runtime's", async () => {
    using rig = await failing();
    expect(await told(del(rig))).toEqual(both);
    for (let call = 0; call < 3; call++) expect(await told(replay(rig, 78 - call))).toEqual(failure);
    expect(rig.multus.failedDels).toEqual({ failing: 1, recorded: 0, "given-up": 0 });
    expect(await told(del(rig))).toEqual(both);
    expect(await told(del(rig))).toEqual(record);
    expect(cluster.events.at(-1)?.[2]).toContain("6 tries");
  });

  test("that works again before the third DEL is as if it had never failed", async () => {
    using rig = await failing();
    await del(rig);
    await del(rig);
    work(rig);
    expect(await told(del(rig))).toEqual(done);
    expect(notes(rig)).toEqual([]);
    cluster.addPod("default/web", annotations);
    await add(rig);
    fail(rig);
    expect(await told(del(rig))).toEqual(both);
  });

  test("is given up after the last try: an event, the log, and plan and result stay for GC and for a try by hand", async () => {
    using rig = await failing();
    const log = new RecordingLogger();
    for (let call = 0; call < 3; call++) await del(rig);
    expect(await told(replay(rig, 2, { log }))).toEqual(failure);
    expect(log.errors).toEqual([]);
    expect(await told(replay(rig, 1, { log }))).toEqual(failure);
    expect(log.errors).toEqual([expect.stringContaining("given up")]);
    expect(cluster.events.at(-1)).toEqual([
      "Warning",
      "NetworkDeleteGivenUp",
      expect.stringContaining("Link not found"),
    ]);
    expect(rig.multus.failedDels).toEqual({ failing: 0, recorded: 0, "given-up": 1 });
    expect(existsSync(join(rig.cniDir, containerId))).toBe(true);
    // By hand, as docs/operations.md says.
    work(rig);
    expect(await told(replay(rig, 79))).toEqual(done);
    expect(rig.multus.failedDels).toEqual({ failing: 0, recorded: 0, "given-up": 0 });
  });

  test("does not disturb the pod's next container: its plan, its result, its status", async () => {
    using rig = await failing();
    for (let call = 0; call < 3; call++) await del(rig);
    cluster.addPod("default/web", annotations);
    const next = { containerId: "next", netns: "/run/netns/next" };
    await add(rig, next);
    expect(await told(replay(rig, 70))).toEqual(failure);
    work(rig);
    rig.plugins.calls.length = 0;
    expect(await told(replay(rig, 69))).toEqual(done);
    expect(rig.plugins.calls.map(({ env }) => env.CNI_CONTAINERID)).toEqual([containerId, containerId]);
    expect(existsSync(join(rig.cniDir, "next"))).toBe(true);
    expect(readdirSync(join(rig.cniDir, "results")).sort()).toEqual(["a-next-net1", "cluster-next-eth0"]);
    // Go multus's DEL of the next one finds all of it.
    rig.plugins.calls.length = 0;
    expect(await told(del(rig, { request: next }))).toEqual(done);
    expect(rig.plugins.trace).toEqual(["DEL macvlan net1", "DEL bridge eth0"]);
  });

  test("is collected by GC like any other; the record that comes afterwards succeeds", async () => {
    using rig = await failing();
    for (let call = 0; call < 3; call++) await del(rig);
    const netconf = { cniVersion: "1.1.0", "cni.dev/valid-attachments": [] };
    expect((await rig.run("GC", { netconf })).exitCode).toBe(1);
    expect(existsSync(join(rig.cniDir, containerId))).toBe(true);
    work(rig);
    expect((await rig.run("GC", { netconf })).exitCode).toBe(0);
    expect(existsSync(join(rig.cniDir, containerId))).toBe(false);
    fail(rig);
    expect(await told(replay(rig, 70))).toEqual(done);
    expect(rig.multus.failedDels).toEqual({ failing: 0, recorded: 0, "given-up": 0 });
  });

  test("whose shim goes away counts no try: nobody was answered", async () => {
    using rig = await failing();
    const runPlugin = rig.plugins.runPlugin;
    rig.plugins.runPlugin = () => Promise.reject(new ExecutorError("gone", "the shim is gone"));
    for (let call = 0; call < 4; call++) expect(await told(del(rig))).toEqual(failure);
    rig.plugins.runPlugin = runPlugin;
    expect(notes(rig)).toEqual([]);
    expect(await told(del(rig))).toEqual(both);
  });

  test("in a request that cannot be recorded (Go multus's shim over HTTP) is an error each time, and the plan goes", async () => {
    using rig = await failing();
    for (let call = 0; call < 4; call++) {
      expect(await told(rig.run("DEL"))).toEqual(failure);
      expect(existsSync(join(rig.cniDir, containerId))).toBe(false);
    }
    expect(notes(rig)).toEqual([]);
  });

  test("is not installed, and its ADD has failed on that: the next DEL succeeds, and nothing is recorded", async () => {
    using rig = new Rig(kernels);
    rig.addNad("default/a", macvlan);
    const runPlugin = rig.plugins.runPlugin.bind(rig.plugins);
    rig.plugins.runPlugin = (run) =>
      run.plugin === "macvlan"
        ? Promise.reject(new ExecutorError("not-found", "no plugin macvlan"))
        : runPlugin(run);
    expect((await rig.run("ADD", { annotations })).exitCode).toBe(1);
    expect(await told(del(rig, { annotations }))).toEqual(failure);
    expect(await told(del(rig, { annotations }))).toEqual(done);
    expect(notes(rig)).toEqual([]);
  });

  /** Every command of macvlan fails, as its IPAM plugin is not there. */
  function missingIpam(rig: Rig): void {
    const msg = 'failed to find plugin "whereabouts" in path [/opt/cni/bin]';
    rig.plugins.behaviour = ({ plugin }) =>
      plugin === "macvlan" ? { exitCode: 1, stdout: { code: 999, msg } } : undefined;
  }

  test("whose IPAM plugin is not installed, on which its ADD has failed: the next DEL succeeds, and nothing is recorded", async () => {
    using rig = new Rig(kernels);
    rig.addNad("default/a", { ...macvlan, ipam: { type: "whereabouts" } });
    missingIpam(rig);
    expect((await rig.run("ADD", { annotations })).exitCode).toBe(1);
    expect(await told(del(rig, { annotations }))).toEqual(failure);
    expect(await told(del(rig, { annotations }))).toEqual(done);
    expect(notes(rig)).toEqual([]);
  });

  test.each([
    ["whose IPAM plugin has gone since its ADD, so that an address is still taken", "whereabouts", 0],
    ["that misses another plugin than that of its configuration", "host-local", 1],
  ])("%s, is tried again", async (_, ipamType, ended) => {
    using rig = new Rig(kernels);
    rig.addNad("default/a", { ...macvlan, ipam: { type: ipamType } });
    if (ended === 1) missingIpam(rig);
    expect((await rig.run("ADD", { annotations })).exitCode).toBe(ended);
    missingIpam(rig);
    await del(rig, { annotations });
    expect(notes(rig)).toHaveLength(1);
  });
});

describe("delOnFailure", () => {
  test("fail: the runtime is told each time, and nothing is counted", async () => {
    using rig = await failing();
    const netconf = { delOnFailure: "fail" };
    for (let call = 0; call < 5; call++) expect(await told(del(rig, { netconf }))).toEqual(failure);
    expect(notes(rig)).toEqual([]);
  });

  test.each([
    [true, true],
    [false, false],
  ])("fail with retryDeleteOnError %j keeps the plan: %j", async (retryDeleteOnError, keeps) => {
    using rig = await failing();
    await del(rig, { netconf: { delOnFailure: "fail", retryDeleteOnError } });
    expect(existsSync(join(rig.cniDir, containerId))).toBe(keeps);
  });

  test("retry keeps the plan whatever retryDeleteOnError says", async () => {
    using rig = await failing();
    await del(rig, { netconf: { retryDeleteOnError: false } });
    expect(existsSync(join(rig.cniDir, containerId))).toBe(true);
  });

  test("ignore: success at once, forgotten as by Go multus's shim, and the log says what failed", async () => {
    using rig = await failing();
    const log = new RecordingLogger();
    expect(await told(del(rig, { netconf: { delOnFailure: "ignore" }, log }))).toEqual(done);
    expect(log.errors).toEqual([expect.stringContaining("ignored as delOnFailure says")]);
    expect(log.causes).toEqual([expect.stringContaining("Link not found")]);
    expect(existsSync(join(rig.cniDir, containerId))).toBe(false);
    expect(notes(rig)).toEqual([]);
  });

  test("of the daemon's configuration counts before the netconf's", async () => {
    const { netconfOverrides, parseNetconf } = await import("../../../src/multus/input/netconf.ts");
    const overrides = netconfOverrides(Buffer.from('{"DelOnFailure":"ignore"}'), "daemon");
    const netconf = Buffer.from('{"name":"n","clusterNetwork":"c","delOnFailure":"fail"}');
    expect(parseNetconf(netconf, overrides).delOnFailure).toBe("ignore");
  });
});

describe("a DEL that is only guessed", () => {
  const guess = async (rig: Rig, log: RecordingLogger) => {
    rig.plugins.behaviour = ({ command }) =>
      command === "DEL" ? { exitCode: 1, stdout: { code: 7, msg: "specify either device" } } : undefined;
    return told(del(rig, { annotations, log }));
  };

  test("is an attempt: with neither plan nor result its failure is logged, and the answer is success", async () => {
    using rig = new Rig(kernels);
    rig.addNad("default/a", macvlan);
    await add(rig);
    rmSync(rig.cniDir, { recursive: true });
    const log = new RecordingLogger();
    rig.plugins.calls.length = 0;
    expect(await guess(rig, log)).toEqual(done);
    expect(rig.plugins.trace).toEqual(["DEL macvlan net1", "DEL bridge eth0"]);
    expect(log.causes).toEqual(Array(2).fill(expect.stringContaining("specify either device")));
    expect(notes(rig)).toEqual([]);
  });

  test("of delegates that the netconf gives, too", async () => {
    using rig = new Rig(kernels);
    const log = new RecordingLogger();
    rig.plugins.behaviour = () => ({ exitCode: 1, stdout: { code: 7, msg: "no device" } });
    expect(await told(del(rig, { annotations: {}, log }))).toEqual(done);
    expect(rig.plugins.trace).toEqual(["DEL bridge eth0"]);
    expect(log.causes).toEqual([expect.stringContaining("no device")]);
  });

  test("beside one whose result is there: that one's failure counts", async () => {
    using rig = new Rig(kernels);
    rig.addNad("default/a", macvlan);
    await add(rig);
    rmSync(join(rig.cniDir, containerId));
    rmSync(join(rig.cniDir, "results", `a-${containerId}-net1`));
    const log = new RecordingLogger();
    expect(await guess(rig, log)).toEqual(both);
    expect(answerOf(await del(rig, { annotations })).msg).not.toContain("default/a");
    expect(log.errors).toEqual([expect.stringContaining("may never have had")]);
  });

  test("is none where a torn plan says that the container had networks", async () => {
    using rig = new Rig(kernels);
    rig.addNad("default/a", macvlan);
    await add(rig);
    rmSync(join(rig.cniDir, "results"), { recursive: true });
    writeFileSync(join(rig.cniDir, containerId), "torn");
    expect(await guess(rig, new RecordingLogger())).toEqual(both);
    expect(existsSync(join(rig.cniDir, containerId))).toBe(true);
  });
});

describe("of a container none of whose networks was ever attached", () => {
  /** A network whose ADD and DEL fail, as its master is misspelt. */
  async function neverAttached(): Promise<Rig> {
    const rig = new Rig(kernels, { clusters: cluster, wallClock: () => now });
    cluster.addNad("default/a", macvlan);
    rig.plugins.behaviour = ({ plugin }) =>
      plugin === "macvlan" ? { exitCode: 1, stdout: { code: 100, msg: "Link not found" } } : undefined;
    expect((await rig.run("ADD", { annotations })).exitCode).toBe(1);
    expect(await told(del(rig))).toEqual(both);
    return rig;
  }

  test("is forgotten after eight tries in the background, with its plan", async () => {
    using rig = await neverAttached();
    const log = new RecordingLogger();
    // Before its time, as of an ADD of the container: it does not count.
    expect(await told(replay(rig, mostTries, { log }))).toEqual(failure);
    for (let tries = 1; tries < 8; tries++) {
      expect(await told(replay(rig, mostTries - tries, { log }))).toEqual(failure);
    }
    expect(existsSync(join(rig.cniDir, containerId))).toBe(true);
    expect(log.errors.filter((message) => message.includes("not tried again"))).toEqual([]);
    expect(await told(replay(rig, mostTries - 8, { log }))).toEqual(done);
    expect(log.errors).toContain(
      "a recorded DEL is not tried again: no network of its container was ever attached",
    );
    expect(existsSync(join(rig.cniDir, containerId))).toBe(false);
    expect(notes(rig)).toEqual([]);
  });

  test("but not where one was: an address may be kept for it", async () => {
    using rig = await failing();
    expect(await told(del(rig))).toEqual(both);
    expect(await told(replay(rig, mostTries - 8))).toEqual(failure);
    expect(await told(replay(rig, 2))).toEqual(failure);
    expect(existsSync(join(rig.cniDir, containerId))).toBe(true);
  });
});

describe("room for failed DELs", () => {
  /** A container whose DEL has failed three times, without the ADD that a result needs. */
  async function recorded(rig: Rig, namespace: string, id: string): Promise<Told> {
    mkdirSync(rig.cniDir, { recursive: true });
    writeFileSync(join(rig.cniDir, id), "torn");
    const options = { netconf: { logLevel: "panic" }, request: of(namespace, id) };
    for (let call = 0; call < 2; call++) await del(rig, options);
    return told(del(rig, options));
  }

  const readNote = (rig: Rig, id: string): { readonly count: number; readonly bytes: number } | undefined => {
    const file = join(rig.cniDir, ".failed-dels", id);
    return existsSync(file) ? JSON.parse(readFileSync(file, "utf8")) : undefined;
  };

  test("10,000 DELs that a pod author has fail take half of the room, and leave a place for every other namespace; a given-up one makes room", async () => {
    using rig = new Rig(kernels, { wallClock: () => now });
    rig.plugins.behaviour = () => ({ exitCode: 1, stdout: { code: 100, msg: "on purpose" } });
    const half = mostFailedDelsKept / 2;
    for (let index = 0; index < half; index++) {
      expect(await recorded(rig, "evil", idOf(index))).toEqual(record);
    }
    // The pod of the next one stays Terminating, where its author's quota counts it.
    const refused = "refused";
    expect(await recorded(rig, "evil", refused)).toEqual(failure);
    const netconf = { logLevel: "panic" };
    const { msg } = answerOf(await del(rig, { netconf, request: of("evil", refused) }));
    expect(msg).toContain("on purpose");
    expect(msg).toContain("failed DELs of namespace evil take all the room that they may");
    expect(await recorded(rig, "good", "good")).toEqual(record);
    // The daemon that comes next knows as much.
    for (let index = 0; index < half; index++) {
      mkdirSync(join(rig.cniDir, ".spool"), { recursive: true });
      writeFileSync(join(rig.cniDir, ".spool", `${String(index).padStart(16, "0")}-01-${idOf(index)}`), "");
    }
    rig.restart();
    expect(await told(del(rig, { netconf, request: of("evil", refused) }))).toEqual(failure);
    expect(rig.multus.failedDels).toMatchObject({ recorded: half });
    // One that is given up goes for it, with all that was kept of it.
    expect(await told(replay(rig, 1, { netconf, request: of("evil", idOf(7)) }))).toEqual(failure);
    expect(existsSync(join(rig.cniDir, idOf(7)))).toBe(true);
    const aside = join(rig.cniDir, ".spool", `failed-0000000000000007-79-${idOf(7)}`);
    renameSync(join(rig.cniDir, ".spool", `0000000000000007-01-${idOf(7)}`), aside);
    expect(await told(del(rig, { netconf, request: of("evil", refused) }))).toEqual(record);
    expect(existsSync(join(rig.cniDir, idOf(7)))).toBe(false);
    expect(existsSync(aside)).toBe(false);
    expect(readNote(rig, idOf(7))).toBeUndefined();
  }, 120_000);

  test("bytes count too: of record, plan and results, which a pod author can make long", async () => {
    using rig = await failing();
    const long = { ...annotations, note: "x".repeat(100_000) };
    for (let call = 0; call < 3; call++) await del(rig, { annotations: long });
    const { bytes } = readNote(rig, containerId) ?? { bytes: 0 };
    const own = readdirSync(join(rig.cniDir, "results")).map((name) => join("results", name));
    const sizes = [containerId, ...own].map((name) => statSync(join(rig.cniDir, name)).size);
    const files = sizes.reduce((sum, size) => sum + size, 0);
    expect(bytes).toBeGreaterThan(100_000);
    expect(bytes).toBeLessThan(100_000 + files + 2_000);

    const options = { cniDir: rig.path("many"), log: silentLogger, now: () => now };
    const failedDels = await FailedDels.open(options);
    const keep = async (namespace: string, id: string, size: number) => {
      failedDels.note(id, { namespace, name: "p", uid: "", sandboxId: "" }, false);
      return failedDels.keep(id, size, async () => {});
    };
    const outcomes: boolean[] = [];
    for (let index = 0; index < 6; index++) outcomes.push(await keep("evil", idOf(index), 4_200_000));
    expect(outcomes).toEqual([true, true, true, true, false, false]);
    expect(await keep("good", "good", 4_200_000)).toBe(true);
    // More than any namespace may have: alone on its node it is kept all the same.
    const alone = await FailedDels.open({ ...options, cniDir: rig.path("alone") });
    alone.note("huge", { namespace: "n", name: "p", uid: "", sandboxId: "" }, false);
    expect(await alone.keep("huge", 40 << 20, async () => {})).toBe(true);
  });

  test("notes of the daemons before: torn ones, foreign ones and those that mean nothing any more go", async () => {
    using rig = await failing();
    await del(rig);
    const directory = join(rig.cniDir, ".failed-dels");
    const note = readFileSync(join(directory, containerId), "utf8");
    const old = { ...JSON.parse(note), since: now - 25 * 60 * minute };
    const files: Readonly<Record<string, string>> = {
      torn: note.slice(0, -2),
      other: "[]",
      ".half": note,
      "no container": note,
      negative: JSON.stringify({ ...JSON.parse(note), count: -1 }),
      long: JSON.stringify({ ...JSON.parse(note), name: "x".repeat(5_000) }),
      // Nobody has asked for it in a day.
      old: JSON.stringify(old),
      // Its record is done.
      replayed: JSON.stringify({ ...old, state: "recorded", bytes: 100 }),
      waiting: JSON.stringify({ ...old, state: "recorded", bytes: 100 }),
      aside: JSON.stringify({ ...old, state: "recorded", bytes: 100 }),
    };
    for (const [name, content] of Object.entries(files)) writeFileSync(join(directory, name), content);
    mkdirSync(join(directory, "directory"));
    mkdirSync(join(rig.cniDir, ".spool"));
    writeFileSync(join(rig.cniDir, ".spool", "0000000000000001-03-waiting"), "");
    writeFileSync(join(rig.cniDir, ".spool", "failed-0000000000000002-79-aside"), "");
    rig.restart();
    expect(await told(del(rig))).toEqual(both);
    expect(notes(rig).sort()).toEqual(["aside", containerId, "directory", "waiting"]);
    expect(rig.multus.failedDels).toEqual({ failing: 1, recorded: 1, "given-up": 1 });
  });
});
