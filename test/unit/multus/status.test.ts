import { beforeAll, expect, test } from "vitest";
import type { Kernels } from "../../../src/kernels/index.ts";
import { loadKernels } from "../../../src/kernels/load.ts";
import { PretendedCluster } from "../../support/pretended-cluster.ts";
import { answerOf, Rig } from "./rig.ts";

let kernels: Kernels;

beforeAll(() => {
  kernels = loadKernels();
});

const request = { containerId: "", netns: "", ifName: "", args: "" };
const netconf = {
  cniVersion: "1.1.0",
  delegates: [
    { cniVersion: "1.1.0", name: "cluster", plugins: [{ type: "bridge" }, { type: "portmap" }] },
    { cniVersion: "1.1.0", name: "second", type: "macvlan" },
  ],
};

test("STATUS asks the cluster network's plugins, and nobody else", async () => {
  using rig = new Rig(kernels);
  expect((await rig.run("STATUS", { netconf, request })).exitCode).toBe(0);
  expect(rig.plugins.trace).toEqual(["STATUS bridge ", "STATUS portmap "]);
});

test("asks none of a network below 1.1.0", async () => {
  using rig = new Rig(kernels);
  const old = { ...netconf, delegates: [{ cniVersion: "1.0.0", name: "cluster", type: "bridge" }] };
  expect((await rig.run("STATUS", { netconf: old, request })).exitCode).toBe(0);
  expect(rig.plugins.calls).toEqual([]);
});

test("passes on a plugin's 51", async () => {
  using rig = new Rig(kernels);
  rig.plugins.behaviour = () => ({ exitCode: 1, stdout: { code: 51, msg: "no address left" } });
  expect(answerOf(await rig.run("STATUS", { netconf, request }))).toMatchObject({
    code: 51,
    msg: expect.stringContaining("no address left"),
  });
});

test("is 50 where the cluster network cannot be used", async () => {
  using rig = new Rig(kernels);
  const missing = { cniVersion: "1.1.0", delegates: undefined, clusterNetwork: rig.path("nothere.conflist") };
  expect(answerOf(await rig.run("STATUS", { netconf: missing, request }))).toMatchObject({
    code: 50,
    msg: expect.stringContaining("nothere.conflist"),
  });
});

test("is 50, at once, where the readiness indicator is not there", async () => {
  using rig = new Rig(kernels);
  const waiting = { ...netconf, readinessindicatorfile: rig.path("ready") };
  expect(answerOf(await rig.run("STATUS", { netconf: waiting, request }))).toMatchObject({ code: 50 });
  rig.writeFile("ready", "");
  expect((await rig.run("STATUS", { netconf: waiting, request })).exitCode).toBe(0);
});

test("waits for the first list of a cluster that was just opened, and says then what is missing", async () => {
  const cluster = new PretendedCluster();
  const { promise, resolve } = Promise.withResolvers<void>();
  cluster.listed = promise;
  cluster.trouble = "the networks are not known yet";
  using rig = new Rig(kernels, { clusters: cluster });
  const good = rig.run("STATUS", { netconf, request });
  await new Promise(setImmediate);
  cluster.trouble = undefined;
  resolve();
  expect((await good).error).toBeUndefined();
  cluster.trouble = "the networks are not known yet";
  expect(answerOf(await rig.run("STATUS", { netconf, request }))).toMatchObject({
    code: 50,
    msg: expect.stringContaining("the networks are not known yet"),
  });
});
