import { execFileSync } from "node:child_process";
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import type { Kernels } from "../../../src/kernels/index.ts";
import { loadKernels } from "../../../src/kernels/load.ts";
import type { Clusters } from "../../../src/multus/cluster/cluster.ts";
import { BusyContainers } from "../../../src/multus/request/busy.ts";
import type { Json } from "../../support/pretended-plugins.ts";
import { RecordingLogger } from "../../support/recording-logger.ts";
import { answerOf, Rig, selecting } from "./rig.ts";

let kernels: Kernels;

beforeAll(() => {
  kernels = loadKernels();
});

const cluster: Json = { cniVersion: "1.1.0", name: "cluster", type: "bridge" };
const delegates = [cluster];
const gcRequest = { containerId: "", netns: "", ifName: "", args: "" };

/** The runtime's netconf for GC, with the eth0 of these containers as valid attachments. */
function valid(...containers: readonly string[]): Json {
  return {
    cniVersion: "1.1.0",
    delegates,
    "cni.dev/valid-attachments": containers.map((containerID) => ({ containerID, ifname: "eth0" })),
  };
}

/** Two pods, each on the cluster network and one more. */
async function twoPods(extra: Json): Promise<Rig> {
  const rig = new Rig(kernels);
  rig.addNad("default/extra", extra);
  for (const containerId of ["stays", "gone"]) {
    const annotations = selecting("extra");
    await rig.run("ADD", { netconf: { delegates }, annotations, request: { containerId } });
  }
  rig.plugins.calls.length = 0;
  return rig;
}

test("attachments that the runtime no longer counts valid are undone, and plugins get those that are left", async () => {
  using rig = await twoPods({ cniVersion: "1.1.0", type: "macvlan" });
  const { exitCode } = await rig.run("GC", { netconf: valid("stays"), request: gcRequest });
  expect(exitCode).toBe(0);
  expect(rig.plugins.trace).toEqual(["DEL macvlan net1", "DEL bridge eth0", "GC bridge ", "GC macvlan "]);
  const [, , ofCluster, ofExtra] = rig.plugins.calls;
  const left = (ifname: string) => [{ containerID: "stays", ifname }];
  expect(ofCluster?.stdin).toMatchObject({
    "cni.dev/valid-attachments": left("eth0"),
    "cni.dev/attachments": left("eth0"),
  });
  expect(ofExtra?.stdin).toMatchObject({ "cni.dev/valid-attachments": left("net1") });
  expect(readdirSync(rig.cniDir).sort()).toEqual(["results", "stays"]);
  expect(readdirSync(join(rig.cniDir, "results")).sort()).toEqual(["cluster-stays-eth0", "extra-stays-net1"]);
});

test("the older key for what is valid counts too", async () => {
  using rig = await twoPods({ cniVersion: "1.1.0", type: "macvlan" });
  const { "cni.dev/valid-attachments": attachments, ...netconf } = valid("stays", "gone");
  const older = { ...netconf, "cni.dev/attachments": attachments };
  expect((await rig.run("GC", { netconf: older, request: gcRequest })).exitCode).toBe(0);
  expect(rig.plugins.trace).toEqual(["GC bridge ", "GC macvlan "]);
});

test("stale attachments are not told to plugins as valid, even if they cannot be undone now", async () => {
  using rig = await twoPods({ cniVersion: "1.1.0", type: "macvlan" });
  rig.plugins.behaviour = ({ command }) =>
    command === "DEL" ? { exitCode: 1, stdout: { code: 100, msg: "stuck" } } : undefined;
  expect((await rig.run("GC", { netconf: valid("stays"), request: gcRequest })).exitCode).toBe(1);
  const collections = rig.plugins.calls.filter(({ command }) => command === "GC");
  expect(collections.map(({ stdin }) => stdin["cni.dev/valid-attachments"])).toEqual([
    [{ containerID: "stays", ifname: "eth0" }],
    [{ containerID: "stays", ifname: "net1" }],
  ]);
});

test("a stale container's DEL has its own namespace and arguments", async () => {
  using rig = await twoPods({ cniVersion: "1.1.0", type: "macvlan" });
  await rig.run("GC", { netconf: valid("stays"), request: gcRequest });
  expect(rig.plugins.calls[0]?.env).toMatchObject({
    CNI_CONTAINERID: "gone",
    CNI_NETNS: "/run/netns/pod",
    CNI_ARGS: expect.stringContaining("K8S_POD_NAME=web"),
  });
});

test("networks with disableGC are left alone", async () => {
  using rig = await twoPods({
    cniVersion: "1.1.0",
    name: "extra",
    disableGC: true,
    plugins: [{ type: "macvlan" }],
  });
  await rig.run("GC", { netconf: valid("stays"), request: gcRequest });
  expect(rig.plugins.trace).toEqual(["DEL bridge eth0", "GC bridge "]);
  expect(existsSync(join(rig.cniDir, "gone"))).toBe(true);
});

test("networks below 1.1.0 have no GC, but their stale attachments go", async () => {
  using rig = await twoPods({ cniVersion: "0.4.0", type: "macvlan" });
  await rig.run("GC", { netconf: valid("stays"), request: gcRequest });
  expect(rig.plugins.trace).toEqual(["DEL macvlan net1", "DEL bridge eth0", "GC bridge "]);
});

test("a failed deletion is reported, and does not stop the rest", async () => {
  using rig = await twoPods({ cniVersion: "1.1.0", type: "macvlan" });
  rig.plugins.behaviour = ({ plugin, command }) =>
    plugin === "macvlan" && command === "GC"
      ? { exitCode: 1, stdout: { code: 120, msg: "stuck" } }
      : undefined;
  const handled = await rig.run("GC", { netconf: valid(), request: gcRequest });
  expect(answerOf(handled)).toMatchObject({ code: 120, msg: expect.stringContaining("stuck") });
  expect(rig.plugins.trace).toHaveLength(6);
});

test("a stale result that nothing can be made of is dropped", async () => {
  using rig = await twoPods({ cniVersion: "1.1.0", type: "macvlan" });
  const useless = {
    kind: "cniCacheV1",
    containerId: "gone",
    ifName: "net7",
    networkName: "lost",
    config: "e30=",
  };
  rig.writeFile("cni/results/lost-gone-net7", useless);
  expect((await rig.run("GC", { netconf: valid("stays"), request: gcRequest })).exitCode).toBe(0);
  expect(existsSync(join(rig.cniDir, "results", "lost-gone-net7"))).toBe(false);
});

describe("an ADD that is being worked on", () => {
  test("is not taken for stale", async () => {
    using rig = await twoPods({ cniVersion: "1.1.0", type: "macvlan" });
    let collecting: Promise<unknown> | undefined;
    rig.plugins.behaviour = ({ command, plugin }) => {
      if (command === "ADD" && plugin === "macvlan") {
        collecting ??= rig.run("GC", { netconf: valid("stays", "gone"), request: gcRequest });
      }
      return undefined;
    };
    const annotations = selecting("extra");
    await rig.run("ADD", { netconf: { delegates }, annotations, request: { containerId: "comes" } });
    await collecting;
    expect(rig.plugins.trace.filter((call) => call.startsWith("DEL"))).toEqual([]);
    expect(existsSync(join(rig.cniDir, "comes"))).toBe(true);
  });
});

test("files that are no cache entries are left alone, and hold nothing up: a FIFO, a directory, a link to nowhere, a huge file", async () => {
  using rig = await twoPods({ cniVersion: "1.1.0", type: "macvlan" });
  const results = join(rig.cniDir, "results");
  execFileSync("mkfifo", [join(results, "fifo-gone-net1")]);
  mkdirSync(join(results, "directory-gone-net2"));
  symlinkSync("nowhere", join(results, "link-gone-net3"));
  writeFileSync(join(results, "huge-gone-net4"), "");
  truncateSync(join(results, "huge-gone-net4"), 1024 ** 4);
  expect((await rig.run("GC", { netconf: valid("stays"), request: gcRequest })).exitCode).toBe(0);
  expect(rig.plugins.trace).toEqual(["DEL macvlan net1", "DEL bridge eth0", "GC bridge ", "GC macvlan "]);
  expect(readdirSync(results).sort()).toEqual([
    "cluster-stays-eth0",
    "directory-gone-net2",
    "extra-stays-net1",
    "fifo-gone-net1",
    "huge-gone-net4",
    "link-gone-net3",
  ]);
});

test("a container is undone once, though copies of its file are there under other names", async () => {
  using rig = await twoPods({ cniVersion: "1.1.0", type: "macvlan" });
  const results = join(rig.cniDir, "results");
  for (const copy of ["cluster-gone-eth0.bak", "a-copy", "extra-stays-net9"]) {
    copyFileSync(join(results, "cluster-gone-eth0"), join(results, copy));
  }
  expect((await rig.run("GC", { netconf: valid("stays"), request: gcRequest })).exitCode).toBe(0);
  expect(rig.plugins.trace).toEqual(["DEL macvlan net1", "DEL bridge eth0", "GC bridge ", "GC macvlan "]);
});

test("a file that says it is of a container with a path for an id touches nothing else", async () => {
  using rig = await twoPods({ cniVersion: "1.1.0", type: "macvlan" });
  rig.writeFile("precious", "[]");
  const entry = {
    kind: "cniCacheV1",
    containerId: "../precious",
    ifName: "eth0",
    networkName: "n",
    config: "e30=",
  };
  rig.writeFile("cni/results/n-x-eth0", entry);
  expect((await rig.run("GC", { netconf: valid("stays", "gone"), request: gcRequest })).exitCode).toBe(0);
  expect(existsSync(rig.path("precious"))).toBe(true);
});

test("an attachment that was added while GC waited for the cluster is not stale", async () => {
  const { promise: opened, resolve: open } = Promise.withResolvers<undefined>();
  const kubeconfig = "/slow";
  const clusters: Clusters = { of: async (path) => (path === kubeconfig ? opened : undefined) };
  using rig = new Rig(kernels, { clusters });
  const collected = rig.run("GC", { netconf: { ...valid(), kubeconfig }, request: gcRequest });
  await rig.run("ADD", { netconf: { delegates }, request: { containerId: "new" } });
  open(undefined);
  expect((await collected).exitCode).toBe(0);
  expect(rig.plugins.trace).toEqual(["ADD bridge eth0", "GC bridge "]);
  expect(readdirSync(rig.cniDir).sort()).toEqual(["new", "results"]);
});

test("nor is what was added before its turn came", async () => {
  using rig = new Rig(kernels);
  const arrived = performance.now();
  await rig.run("ADD", { netconf: { delegates }, request: { containerId: "new" } });
  const late = await rig.run("GC", { netconf: valid(), request: gcRequest, arrived });
  expect(late.exitCode).toBe(0);
  expect(rig.plugins.trace).toEqual(["ADD bridge eth0", "GC bridge "]);
  const next = await rig.run("GC", { netconf: valid(), request: gcRequest });
  expect(next.exitCode).toBe(0);
  expect(rig.plugins.trace.slice(2)).toEqual(["DEL bridge eth0", "GC bridge "]);
});

test("a GC that waited while thousands of containers had requests is to be tried again", () => {
  const containers = new BusyContainers();
  const arrived = performance.now();
  const have = (count: number) => {
    for (let index = 0; index < count; index++) {
      containers.begin(`c${index}`);
      containers.end(`c${index}`);
    }
  };
  have(8192);
  expect(Array.from(containers.touched(arrived))).toHaveLength(8192);
  have(8193);
  expect(() => containers.touched(arrived)).toThrow("more than 8192 containers had requests");
  expect(Array.from(containers.touched(performance.now()))).toEqual([]);
});

test("plugins are told of a pod that was added while others were collected", async () => {
  using rig = await twoPods({ cniVersion: "1.1.0", type: "macvlan" });
  let adding: Promise<unknown> | undefined;
  rig.plugins.behaviour = ({ command }) => {
    if (command === "GC") {
      adding ??= rig.run("ADD", { netconf: { delegates }, request: { containerId: "comes" } });
    }
    return undefined;
  };
  await rig.run("GC", { netconf: valid("stays"), request: gcRequest });
  await adding;
  const [, ofExtra] = rig.plugins.calls.filter(({ command }) => command === "GC");
  expect(ofExtra?.stdin["cni.dev/valid-attachments"]).toEqual([{ containerID: "stays", ifname: "net1" }]);
  rig.plugins.calls.length = 0;
  rig.plugins.behaviour = ({ command }) => {
    if (command === "DEL") {
      adding = rig.run("ADD", { netconf: { delegates }, request: { containerId: "late" } });
    }
    return undefined;
  };
  await rig.run("GC", { netconf: valid("comes"), request: gcRequest });
  await adding;
  const [ofCluster] = rig.plugins.calls.filter(({ command }) => command === "GC");
  expect(ofCluster?.stdin["cni.dev/valid-attachments"]).toContainEqual({
    containerID: "late",
    ifname: "eth0",
  });
  expect(existsSync(join(rig.cniDir, "late"))).toBe(true);
});

test("of very many failures the first are told, and the others counted", async () => {
  using rig = new Rig(kernels);
  const config = Buffer.from(JSON.stringify(cluster)).toString("base64");
  for (let index = 0; index < 50; index++) {
    const entry = {
      kind: "cniCacheV1",
      containerId: `c${index}`,
      ifName: "eth0",
      networkName: "cluster",
      config,
    };
    rig.writeFile(`cni/results/cluster-c${index}-eth0`, entry);
  }
  rig.plugins.behaviour = ({ command }) =>
    command === "DEL" ? { exitCode: 1, stdout: { code: 100, msg: "stuck" } } : undefined;
  const { msg } = answerOf(await rig.run("GC", { netconf: valid(), request: gcRequest }));
  expect(String(msg).match(/stuck/g)).toHaveLength(20);
  expect(msg).toContain("30 further failures");
  expect(rig.plugins.calls.filter(({ command }) => command === "DEL")).toHaveLength(50);
});

test.each<{ sent: Json }>([
  { sent: { "cni.dev/valid-attachments": null, "cni.dev/attachments": null } },
  { sent: { "cni.dev/valid-attachments": [], "cni.dev/attachments": [] } },
  { sent: { "cni.dev/attachments": null } },
])("no attachment is valid where the runtime says $sent", async ({ sent }) => {
  using rig = await twoPods({ cniVersion: "1.1.0", type: "macvlan" });
  const netconf = { cniVersion: "1.1.0", delegates, ...sent };
  expect((await rig.run("GC", { netconf, request: gcRequest })).exitCode).toBe(0);
  expect(rig.plugins.calls.filter(({ command }) => command === "DEL")).toHaveLength(4);
  const collections = rig.plugins.calls.filter(({ command }) => command === "GC");
  expect(collections.map(({ stdin }) => stdin["cni.dev/valid-attachments"])).toEqual([[], []]);
  expect(readdirSync(rig.cniDir)).toEqual(["results"]);
});

test("without a list of valid attachments nothing is collected, and the log says so", async () => {
  using rig = await twoPods({ cniVersion: "1.1.0", type: "macvlan" });
  const log = new RecordingLogger();
  const netconf = { cniVersion: "1.1.0", delegates };
  expect((await rig.run("GC", { netconf, request: gcRequest, log })).exitCode).toBe(0);
  expect(rig.plugins.calls).toEqual([]);
  expect(readdirSync(rig.cniDir).sort()).toEqual(["gone", "results", "stays"]);
  expect(log.errors).toContainEqual(expect.stringContaining("GC without cni.dev/valid-attachments"));
});

test.each(["valid", {}, 1, true])("a list of valid attachments that is %j: code 7", async (list) => {
  using rig = await twoPods({ cniVersion: "1.1.0", type: "macvlan" });
  const netconf = { cniVersion: "1.1.0", delegates, "cni.dev/valid-attachments": list };
  expect(answerOf(await rig.run("GC", { netconf, request: gcRequest }))).toMatchObject({
    code: 7,
    msg: expect.stringContaining("cni.dev/valid-attachments"),
  });
  expect(rig.plugins.calls).toEqual([]);
});
