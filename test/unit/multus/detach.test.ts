import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { ExecutorError } from "../../../src/agent/executor.ts";
import type { Kernels } from "../../../src/kernels/index.ts";
import { loadKernels } from "../../../src/kernels/load.ts";
import type { Json } from "../../support/pretended-plugins.ts";
import { answerOf, containerId, Rig, selecting } from "./rig.ts";

let kernels: Kernels;

beforeAll(() => {
  kernels = loadKernels();
});

const macvlan: Json = { cniVersion: "1.0.0", type: "macvlan" };
const annotations = selecting("a,b");
const allDeletions = ["DEL sriov net2", "DEL macvlan net1", "DEL bridge eth0"];

/** A rig whose pod has the cluster network and two more. */
async function attached(options: { readonly netconf?: Json } = {}): Promise<Rig> {
  const rig = new Rig(kernels);
  rig.addNad("default/a", macvlan);
  rig.addNad("default/b", { ...macvlan, type: "sriov" });
  await rig.run("ADD", { annotations, ...options });
  rig.plugins.calls.length = 0;
  return rig;
}

function stateOf(rig: Rig): string[] {
  return readdirSync(rig.cniDir, { recursive: true, encoding: "utf8" }).filter((name) => name !== "results");
}

test("DEL needs nothing but what is on disk: no annotation, no NAD, no namespace", async () => {
  using rig = await attached();
  rig.removeNad("default/a");
  rig.removeNad("default/b");
  expect((await rig.run("DEL", { request: { netns: "" } })).exitCode).toBe(0);
  expect(rig.plugins.trace).toEqual(allDeletions);
  expect(stateOf(rig)).toEqual([]);
});

test("removes half-written files of a daemon that was killed", async () => {
  using rig = await attached();
  rmSync(join(rig.cniDir, containerId));
  writeFileSync(join(rig.cniDir, `.${containerId}`), "[");
  expect((await rig.run("DEL", { annotations })).exitCode).toBe(0);
  expect(stateOf(rig)).toEqual([]);
});

describe("a DEL that comes again", () => {
  test("succeeds and calls nothing where the pod is not known", async () => {
    using rig = await attached();
    await rig.run("DEL");
    expect((await rig.run("DEL")).exitCode).toBe(0);
    expect(rig.plugins.trace).toEqual(allDeletions);
  });

  test("asks the delegates of a known pod again, as plugins must stand it", async () => {
    using rig = await attached();
    await rig.run("DEL", { annotations });
    expect((await rig.run("DEL", { annotations })).exitCode).toBe(0);
    expect(rig.plugins.trace).toEqual([...allDeletions, ...allDeletions]);
  });
});

describe("when delegates fail", () => {
  const failing = ({ plugin, command }: { readonly plugin: string; readonly command: string }) =>
    command === "DEL" && plugin !== "bridge"
      ? { exitCode: 1, stdout: { code: plugin === "sriov" ? 101 : 102, msg: `${plugin} is stuck` } }
      : undefined;

  test("every one is tried, and the error has all of them", async () => {
    using rig = await attached();
    rig.plugins.behaviour = failing;
    const { code, msg } = answerOf(await rig.run("DEL"));
    expect(rig.plugins.trace).toEqual(allDeletions);
    expect(code).toBe(999);
    expect(msg).toContain("[default/web/u-1:default/b]");
    expect(msg).toContain("sriov is stuck");
    expect(msg).toContain("[default/web/u-1:default/a]");
    expect(msg).toContain("macvlan is stuck");
  });

  test("the plan goes all the same, but the result cache keeps what failed: the next DEL tries it again", async () => {
    using rig = await attached();
    rig.plugins.behaviour = failing;
    await rig.run("DEL");
    expect(existsSync(join(rig.cniDir, containerId))).toBe(false);
    rig.plugins.calls.length = 0;
    rig.plugins.behaviour = () => undefined;
    expect((await rig.run("DEL")).exitCode).toBe(0);
    expect(rig.plugins.trace).toEqual(expect.arrayContaining(["DEL sriov net2", "DEL macvlan net1"]));
    expect(stateOf(rig)).toEqual([]);
  });

  test("one whose shim goes away keeps the plan: it comes again, and is all that says what an ADD without result has begun", async () => {
    using rig = await attached();
    rmSync(join(rig.cniDir, "results"), { recursive: true });
    const runPlugin = rig.plugins.runPlugin.bind(rig.plugins);
    rig.plugins.runPlugin = () => Promise.reject(new ExecutorError("gone", "the shim is gone"));
    expect(answerOf(await rig.run("DEL"))).toMatchObject({ code: 11 });
    rig.plugins.runPlugin = runPlugin;
    expect((await rig.run("DEL")).exitCode).toBe(0);
    expect(rig.plugins.trace).toEqual(allDeletions);
    expect(stateOf(rig)).toEqual([]);
  });

  test("retryDeleteOnError keeps the plan until all has succeeded", async () => {
    using rig = await attached();
    const netconf = { retryDeleteOnError: true };
    rig.plugins.behaviour = failing;
    await rig.run("DEL", { netconf });
    expect(existsSync(join(rig.cniDir, containerId))).toBe(true);
    rig.plugins.behaviour = () => undefined;
    rig.plugins.calls.length = 0;
    await rig.run("DEL", { netconf });
    expect(rig.plugins.trace).toEqual(allDeletions);
    expect(stateOf(rig)).toEqual([]);
  });
});

describe("without a plan", () => {
  test("the result cache is enough, in an order that ends with the cluster network", async () => {
    using rig = await attached();
    rmSync(join(rig.cniDir, containerId));
    rig.removeNad("default/b");
    expect((await rig.run("DEL", { netconf: { delegates: [macvlan] } })).exitCode).toBe(0);
    expect(rig.plugins.trace).toEqual(expect.arrayContaining(allDeletions));
    expect(rig.plugins.calls.at(-1)?.ifName).toBe("eth0");
    expect(stateOf(rig)).toEqual([]);
  });

  test("a network that has changed since ADD is undone as it was then", async () => {
    using rig = await attached();
    rmSync(join(rig.cniDir, containerId));
    rig.addNad("default/a", { ...macvlan, type: "macvlan", master: "eth9" });
    await rig.run("DEL", { annotations });
    expect(rig.plugins.trace).toEqual(allDeletions);
    expect(rig.plugins.calls[1]?.stdin).not.toHaveProperty("master");
  });

  test("plugins of a subdirectory, which are in no cache of Go multus, are undone too", async () => {
    using rig = new Rig(kernels);
    const list = { cniVersion: "1.0.0", name: "cluster", plugins: [{ type: "bridge", own: 1 }] };
    const netconf = { delegates: undefined, clusterNetwork: rig.writeFile("d/10-cluster.conflist", list) };
    await rig.run("ADD", { netconf });
    rig.writeFile("d/cluster/10-more.conf", { type: "sbr" });
    rmSync(join(rig.cniDir, containerId));
    rig.plugins.calls.length = 0;
    await rig.run("DEL", { netconf });
    expect(rig.plugins.trace).toEqual(["DEL sbr eth0", "DEL bridge eth0"]);
  });

  test("and without annotations, networks are undone in the order of their interfaces, net2 after net10", async () => {
    using rig = new Rig(kernels);
    rig.addNad("default/a", macvlan);
    await rig.run("ADD", { annotations: selecting("a@net10,a@net2") });
    rmSync(join(rig.cniDir, containerId));
    rig.plugins.calls.length = 0;
    await rig.run("DEL");
    expect(rig.plugins.trace).toEqual(["DEL macvlan net10", "DEL macvlan net2", "DEL bridge eth0"]);
  });

  test("networks of the pod that are in no cache are undone too", async () => {
    using rig = await attached();
    rmSync(join(rig.cniDir, containerId));
    rmSync(join(rig.cniDir, "results", `b-${containerId}-net2`));
    await rig.run("DEL", { annotations });
    expect(rig.plugins.trace).toEqual(allDeletions);
  });
});

describe("with a plan of somebody else", () => {
  test.each([
    ["empty", ""],
    ["no JSON", "\u0000\u0001garbage"],
    ["no list", '{"delegates":[]}'],
    ["null", "null"],
    ["a list of nothing", "[]"],
    ["a list of other things", '["a", 1]'],
    ["entries without configurations", '[{"Name":"cluster"}]'],
  ])("%s, DEL undoes everything and removes it", async (_what, content) => {
    using rig = await attached();
    writeFileSync(join(rig.cniDir, containerId), content);
    expect((await rig.run("DEL")).exitCode).toBe(0);
    expect(rig.plugins.trace).toEqual(expect.arrayContaining(allDeletions));
    expect(rig.plugins.trace).toHaveLength(allDeletions.length);
    expect(stateOf(rig)).toEqual([]);
  });

  test.each([
    ["one plugin", { Conf: { cniVersion: "1.0.0", name: "cluster", type: "bridge", ipam: {} } }],
    [
      "a list",
      { ConfList: { cniVersion: "1.0.0", name: "cluster", plugins: [{ type: "bridge", ipam: {} }] } },
    ],
  ])("that has lost the bytes of %s, DEL has what the result cache knows of it", async (_what, kept) => {
    const own = { type: "bridge", bridge: "cni7", ipam: { type: "host-local", subnet: "10.0.0.0/24" } };
    const network = { cniVersion: "1.0.0", name: "cluster" };
    const cluster = "Conf" in kept ? { ...network, ...own } : { ...network, plugins: [own] };
    using rig = new Rig(kernels);
    await rig.run("ADD", { netconf: { delegates: [cluster] } });
    for (const Bytes of [undefined, "", "bm90IEpTT04="]) {
      writeFileSync(join(rig.cniDir, containerId), JSON.stringify([{ Name: "cluster", ...kept, Bytes }]));
      rig.plugins.calls.length = 0;
      rig.plugins.behaviour = () => ({ exitCode: 1, stdout: { code: 100, msg: "not yet" } });
      expect((await rig.run("DEL")).exitCode).toBe(1);
      expect(rig.plugins.calls[0]?.stdin).toMatchObject(own);
    }
  });

  test("and nothing else left, DEL undoes the cluster network and removes it", async () => {
    using rig = await attached();
    rmSync(join(rig.cniDir, "results"), { recursive: true });
    writeFileSync(join(rig.cniDir, containerId), "torn");
    expect((await rig.run("DEL")).exitCode).toBe(0);
    expect(rig.plugins.trace).toEqual(["DEL bridge eth0"]);
    expect(stateOf(rig)).toEqual([]);
  });
});

test("DEL after an ADD that never started a delegate calls none, even if it could start one now", async () => {
  using rig = new Rig(kernels);
  expect((await rig.run("ADD", { annotations })).exitCode).toBe(1);
  rig.addNad("default/a", macvlan);
  rig.addNad("default/b", macvlan);
  expect((await rig.run("DEL", { annotations })).exitCode).toBe(0);
  expect(rig.plugins.calls).toEqual([]);
});

test("a selection's cni-args may be nested as deep as anything that ADD takes", async () => {
  const nested = (depth: number) => ({
    "k8s.v1.cni.cncf.io/networks": `[{"name":"a","cni-args":{"x":${"[".repeat(depth)}${"]".repeat(depth)}}}]`,
  });
  using rig = new Rig(kernels);
  rig.addNad("default/a", macvlan);
  expect((await rig.run("ADD", { annotations: nested(9_990) })).exitCode).toBe(0);
  rig.plugins.calls.length = 0;
  expect((await rig.run("DEL")).exitCode).toBe(0);
  expect(rig.plugins.trace).toEqual(["DEL macvlan net1", "DEL bridge eth0"]);
  expect(stateOf(rig)).toEqual([]);
  expect(answerOf(await rig.run("ADD", { annotations: nested(20_000) }))).toMatchObject({
    code: 7,
    msg: expect.stringMatching(/default\/a.*cniArgs: more than 10000/),
  });
});

test.each(["averyveryverylonginterface", "a/b", "..", "a b", "a\u0000b"])(
  "a plan of Go multus with interface %j, which no ADD can have made, does not keep the pod",
  async (ifName) => {
    using rig = await attached();
    const plan = join(rig.cniDir, containerId);
    const [cluster, first, second] = JSON.parse(readFileSync(plan, "utf8"));
    const entry = { ...first, ifnameRequest: ifName };
    writeFileSync(plan, JSON.stringify([cluster, entry, second]));
    rmSync(join(rig.cniDir, "results", `a-${containerId}-net1`));
    const handled = await rig.run("DEL", { annotations });
    expect(handled.exitCode).toBe(0);
    expect(rig.plugins.trace).toEqual(["DEL sriov net2", "DEL bridge eth0"]);
    expect(stateOf(rig)).toEqual([]);
  },
);

test("plans are for the owner only", async () => {
  using rig = await attached();
  const { statSync } = await import("node:fs");
  expect(statSync(join(rig.cniDir, containerId)).mode & 0o777).toBe(0o600);
});

test("numbers beyond 2^53 reach DEL as they were written", async () => {
  using rig = new Rig(kernels);
  const cluster = rig.writeFile(
    "d/a.conflist",
    '{"cniVersion":"1.0.0","name":"c","plugins":[{"type":"bridge","id":18446744073709551615}]}',
  );
  const stdins: string[] = [];
  const runPlugin = rig.plugins.runPlugin.bind(rig.plugins);
  rig.plugins.runPlugin = (run) => {
    stdins.push(Buffer.from(run.stdin).toString("utf8"));
    return runPlugin(run);
  };
  const netconf = { delegates: undefined, clusterNetwork: cluster };
  await rig.run("ADD", { netconf });
  expect(readFileSync(join(rig.cniDir, containerId), "utf8")).toContain(
    Buffer.from(readFileSync(cluster)).toString("base64"),
  );
  await rig.run("DEL", { netconf });
  expect(stdins).toHaveLength(2);
  for (const stdin of stdins) {
    expect(stdin).toContain("18446744073709551615");
  }
});
