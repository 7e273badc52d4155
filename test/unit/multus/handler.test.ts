import { beforeAll, describe, expect, test } from "vitest";
import type { Kernels } from "../../../src/kernels/index.ts";
import { loadKernels } from "../../../src/kernels/load.ts";
import { type Logger, silentLogger } from "../../../src/log/logger.ts";
import type { Json } from "../../support/pretended-plugins.ts";
import { answerOf, Rig, selecting } from "./rig.ts";

let kernels: Kernels;

beforeAll(() => {
  kernels = loadKernels();
});

const macvlan: Json = { cniVersion: "1.0.0", type: "macvlan" };

describe("the environment", () => {
  test.each([
    ["ADD", { containerId: "" }, "CNI_CONTAINERID"],
    ["ADD", { netns: "" }, "CNI_NETNS"],
    ["ADD", { ifName: "" }, "CNI_IFNAME"],
    ["ADD", { path: "" }, "CNI_PATH"],
    ["ADD", { containerId: "../../etc" }, "CNI_CONTAINERID"],
    ["ADD", { containerId: "results" }, "CNI_CONTAINERID"],
    ["DEL", { containerId: "results" }, "CNI_CONTAINERID"],
    ["ADD", { containerId: "spool" }, "cniDir has a directory .spool"],
    ["ADD", { containerId: "failed-dels" }, "cniDir has a directory .failed-dels"],
    ["ADD", { ifName: "a/b" }, "CNI_IFNAME"],
    ["ADD", { ifName: "sixteen-bytes-x!" }, "CNI_IFNAME"],
    ["CHECK", { netns: "" }, "CNI_NETNS"],
    ["DEL", { containerId: "" }, "CNI_CONTAINERID"],
    ["STATUS", { path: "" }, "CNI_PATH"],
    ["VERSION", {}, "CNI_COMMAND"],
    ["add", {}, "CNI_COMMAND"],
    ["ADD", { args: "K8S_POD_NAME" }, "K8S_POD_NAME"],
  ])("%s with %o: code 4 that names %s", async (command, request, named) => {
    using rig = new Rig(kernels);
    const handled = await rig.run(command, { request });
    expect(handled.exitCode).toBe(1);
    expect(answerOf(handled)).toMatchObject({
      cniVersion: "1.0.0",
      code: 4,
      msg: expect.stringContaining(named),
    });
    expect(rig.plugins.calls).toEqual([]);
  });
});

describe("a netconf that cannot be used", () => {
  test("is an error object without a version where it is no JSON", async () => {
    using rig = new Rig(kernels);
    const handled = await rig.run("ADD", { request: { config: Buffer.from('{"name": oops}') } });
    expect(answerOf(handled)).toEqual({ code: 6, msg: expect.stringContaining("line 1, column 10") });
  });

  test("names the version that it asks for, and code 1 if there is no such", async () => {
    using rig = new Rig(kernels);
    expect(answerOf(await rig.run("ADD", { netconf: { cniVersion: "9.0.0" } }))).toMatchObject({
      code: 1,
      cniVersion: "9.0.0",
    });
  });

  test.each([
    ["CHECK", "0.1.0"],
    ["CHECK", "0.3.1"],
    ["STATUS", "0.4.0"],
    ["STATUS", "1.0.0"],
    ["GC", "1.0.0"],
  ])("is code 1 for %s at %s, which does not have it", async (command, cniVersion) => {
    using rig = new Rig(kernels);
    await rig.run("ADD");
    rig.plugins.calls.length = 0;
    const netconf = { cniVersion, "cni.dev/valid-attachments": [] };
    expect(answerOf(await rig.run(command, { netconf }))).toMatchObject({
      code: 1,
      cniVersion,
      msg: expect.stringContaining(`${command} came with`),
    });
    expect(rig.plugins.calls).toEqual([]);
  });
});

test("an ADD whose runtime sends no annotations says in the log what is missing", async () => {
  using rig = new Rig(kernels);
  const lines: string[] = [];
  const log: Logger = {
    ...silentLogger,
    verbose: (message, fields) => lines.push(`${message} ${JSON.stringify(fields)}`),
  };
  await rig.run("ADD", { log });
  expect(lines).toEqual([
    expect.stringMatching(/annotations are not known.*io\.kubernetes\.cri\.pod-annotations/),
  ]);
  await rig.run("DEL", { log });
  await rig.run("ADD", { log, annotations: {} });
  expect(lines).toHaveLength(1);
});

test("the report has the pod, its networks in order and the phases", async () => {
  using rig = new Rig(kernels);
  rig.addNad("default/a", macvlan);
  const { report, error } = await rig.run("ADD", { annotations: selecting("a") });
  expect(error).toBeUndefined();
  expect(report).toMatchObject({ podNamespace: "default", podName: "web", podUid: "u-1" });
  expect(report.networks.map(({ name, ifName }) => `${name}@${ifName}`)).toEqual([
    "cluster@eth0",
    "default/a@net1",
  ]);
  expect([...report.phases.keys()]).toEqual(["netconf", "plan", "plan-file", "delegates", "status"]);
});
