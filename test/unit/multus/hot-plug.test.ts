import {
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import type { Kernels } from "../../../src/kernels/index.ts";
import { loadKernels } from "../../../src/kernels/load.ts";
import { readCase } from "../../golden/cases.ts";
import { PretendedCluster } from "../../support/pretended-cluster.ts";
import type { Json } from "../../support/pretended-plugins.ts";
import { answerOf, containerId, Rig, selecting } from "./rig.ts";

let kernels: Kernels;

beforeAll(() => {
  kernels = loadKernels();
});

const video: Json = { cniVersion: "1.0.0", name: "video", type: "macvlan", master: "eth1" };
const annotations = selecting("a,b");

/** Of a pod with the networks of `attached` and one that was plugged in. */
const allDeletions = ["DEL macvlan net7", "DEL type-b net2", "DEL type-a net1", "DEL bridge eth0"];

const planOf = (rig: Rig) => join(rig.cniDir, containerId);
const readPlan = (rig: Rig) => readFileSync(planOf(rig), "utf8");
const entriesOf = (rig: Rig): Json[] => JSON.parse(readPlan(rig));

/** A rig whose pod has the cluster network and two more. */
async function attached(): Promise<Rig> {
  const rig = new Rig(kernels);
  for (const name of ["a", "b"]) rig.addNad(`default/${name}`, { cniVersion: "1.0.0", type: `type-${name}` });
  await rig.run("ADD", { annotations });
  rig.plugins.calls.length = 0;
  return rig;
}

describe("a network that is plugged in", () => {
  test("gets what was asked for it, in Go multus's forms, and the configuration's own name", async () => {
    using rig = await attached();
    const network = { ...video, capabilities: { ips: true, mac: true }, args: { cni: { kept: 1 } } };
    const attributes = { ips: ["10.1.1.1/24"], mac: "02:00:00:00:00:07", "cni-args": { big: 1 } };
    const handled = await rig.delegate("ADD", "net7", network, attributes);
    expect([handled.exitCode, answerOf(handled).cniVersion]).toEqual([0, "1.0.0"]);
    const [call] = rig.plugins.calls;
    expect(call).toMatchObject({
      plugin: "macvlan",
      ifName: "net7",
      path: "/opt/cni/bin",
      stdin: {
        name: "video",
        args: { cni: { kept: 1, big: 1 } },
        runtimeConfig: { ips: ["10.1.1.1/24"], mac: "02:00:00:00:00:07" },
      },
    });
    expect(call?.env.CNI_ARGS).toMatch(/;MAC=02:00:00:00:00:07;IP=10\.1\.1\.1\/24$/);
    expect(entriesOf(rig).at(-1)).toMatchObject({
      Name: "video",
      ifnameRequest: "net7",
      macRequest: "02:00:00:00:00:07",
      ipRequest: ["10.1.1.1/24"],
    });
  });

  test("is in the plan before its plugin runs", async () => {
    using rig = await attached();
    let planned: unknown;
    rig.plugins.behaviour = () => {
      planned = entriesOf(rig).map(({ Name }) => Name);
      return undefined;
    };
    await rig.delegate("ADD", "net7", video);
    expect(planned).toEqual(["cluster", "default/a", "default/b", "video"]);
  });

  test("goes first when the pod goes", async () => {
    using rig = await attached();
    await rig.delegate("ADD", "net7", video);
    rig.plugins.calls.length = 0;
    expect((await rig.run("DEL")).exitCode).toBe(0);
    expect(rig.plugins.trace).toEqual(allDeletions);
    expect(rig.plugins.calls[0]?.stdin).toMatchObject({ prevResult: { ips: [{ address: "10.1.0.5/16" }] } });
    expect(existsSync(planOf(rig))).toBe(false);
  });

  test("goes alone, with the configuration and the arguments that it had", async () => {
    using rig = await attached();
    const before = readPlan(rig);
    const network = { ...video, capabilities: { mac: true } };
    await rig.delegate("ADD", "net7", network, { mac: "02:00:00:00:00:07" });
    rig.plugins.calls.length = 0;
    expect((await rig.delegate("DEL", "net7", { ...network, master: "changed" })).exitCode).toBe(0);
    expect(rig.plugins.calls).toHaveLength(1);
    expect(rig.plugins.calls[0]).toMatchObject({
      command: "DEL",
      ifName: "net7",
      stdin: { master: "eth1", runtimeConfig: { mac: "02:00:00:00:00:07" }, prevResult: {} },
    });
    expect(readPlan(rig)).toBe(before);
  });

  test("goes whatever the attributes are by then: Go multus looks at them for ADD alone", async () => {
    using rig = await attached();
    await rig.delegate("ADD", "net7", video);
    const attributes = { mac: "any", ips: ["10.1.1.300"], "cni-args": [] };
    expect((await rig.delegate("CHECK", "net7", video, attributes)).exitCode).toBe(0);
    expect((await rig.delegate("DEL", "net7", video, attributes)).exitCode).toBe(0);
    expect(entriesOf(rig)).toHaveLength(3);
  });

  test("stays in the plan where its DEL fails", async () => {
    using rig = await attached();
    await rig.delegate("ADD", "net7", video);
    rig.plugins.behaviour = () => ({ exitCode: 1, stdout: { code: 101, msg: "stuck" } });
    expect(answerOf(await rig.delegate("DEL", "net7", video))).toMatchObject({ code: 101 });
    expect(entriesOf(rig)).toHaveLength(4);
  });
});

describe("plans and results of Go multus", () => {
  test.each(["three-nads", "three-nads-4.3.0"])("stays as it is written: %s", async (name) => {
    using rig = new Rig(kernels);
    const files = readCase(name).steps[0]?.files ?? {};
    const [plan] = Object.entries(files).flatMap(([path, content]) =>
      path.startsWith("results/") ? [] : [content],
    );
    const text = JSON.stringify(plan, undefined, 1);
    const elements = JSON.parse(text).map((_: unknown, index: number) =>
      JSON.stringify(JSON.parse(text)[index], undefined, 1),
    );
    mkdirSync(rig.cniDir);
    writeFileSync(planOf(rig), text);
    await rig.delegate("ADD", "net9", video);
    const plugged = readPlan(rig);
    expect(JSON.parse(plugged).slice(0, -1)).toEqual(plan);
    // Byte for byte: not only the same values.
    const squeezed = (value: string) => value.replaceAll(/\n +/g, "\n");
    for (const element of elements) expect(squeezed(plugged)).toContain(squeezed(element));
    await rig.delegate("DEL", "net9", video);
    expect(JSON.parse(readPlan(rig))).toEqual(plan);
  });
});

describe("networks that Go multus's daemon has plugged in, which only its result cache has", () => {
  async function pluggedByGo(): Promise<Rig> {
    const rig = await attached();
    const plan = readPlan(rig);
    await rig.delegate("ADD", "net7", video);
    writeFileSync(planOf(rig), plan);
    rig.plugins.calls.length = 0;
    return rig;
  }

  test("goes with the pod", async () => {
    using rig = await pluggedByGo();
    expect((await rig.run("DEL")).exitCode).toBe(0);
    expect(rig.plugins.trace).toEqual(allDeletions);
  });

  test("goes with a pod that the runtime has forgotten", async () => {
    using rig = await pluggedByGo();
    const netconf = { cniVersion: "1.1.0", "cni.dev/valid-attachments": [] };
    const request = { containerId: "", netns: "", ifName: "", args: "" };
    expect((await rig.run("GC", { netconf, request })).exitCode).toBe(0);
    expect(rig.plugins.trace.slice(0, 4)).toEqual(allDeletions);
  });

  test("is taken out alone", async () => {
    using rig = await pluggedByGo();
    expect((await rig.delegate("DEL", "net7", video)).exitCode).toBe(0);
    expect(rig.plugins.trace).toEqual(["DEL macvlan net7"]);
    expect(entriesOf(rig)).toHaveLength(3);
  });
});

describe("a network of the pod's own", () => {
  test("is taken out of the plan, and those behind it keep their interfaces", async () => {
    using rig = await attached();
    const network = { cniVersion: "1.0.0", name: "a", type: "type-a" };
    expect((await rig.delegate("DEL", "net1", network)).exitCode).toBe(0);
    expect(entriesOf(rig).map(({ Name, ifnameRequest }) => [Name, ifnameRequest])).toEqual([
      ["cluster", undefined],
      ["default/b", "net2"],
    ]);
    rig.plugins.calls.length = 0;
    await rig.run("DEL");
    expect(rig.plugins.trace).toEqual(["DEL type-b net2", "DEL bridge eth0"]);
  });

  test("is not mistaken for another, nor is the cluster network taken away", async () => {
    using rig = await attached();
    const before = readPlan(rig);
    expect(answerOf(await rig.delegate("DEL", "net1", video))).toMatchObject({
      code: 7,
      msg: expect.stringContaining(`net1 of container ${containerId} belongs to network a, not to video`),
    });
    expect(answerOf(await rig.delegate("DEL", "eth0", { ...video, name: "cluster" })).msg).toContain(
      "cluster network",
    );
    expect([rig.plugins.calls, readPlan(rig)]).toEqual([[], before]);
  });
});

test("a network that makes too much of the pod's plan, of its plugins or of a result is refused, and leaves the plan as it was", async () => {
  using rig = await attached();
  const before = readPlan(rig);
  const large = { ...video, note: "x".repeat(3_200_000) };
  expect(answerOf(await rig.delegate("ADD", "net7", large))).toMatchObject({
    code: 7,
    msg: expect.stringMatching(
      /network video: the pod's plan has 42\d{5} bytes with it, and at most 4194304/,
    ),
  });
  const many = { cniVersion: "1.0.0", name: "video", plugins: Array(100).fill({ type: "macvlan" }) };
  const args = { "cni-args": { a: "x".repeat(50_000) } };
  expect(answerOf(await rig.delegate("ADD", "net7", many, args))).toMatchObject({
    code: 7,
    msg: expect.stringContaining("cni-args go into each of its 100 plugins"),
  });
  expect(rig.plugins.calls).toEqual([]);
  rig.plugins.behaviour = ({ command }) =>
    command === "ADD" ? { stdout: { note: "x".repeat(1_100_000) } } : undefined;
  expect(answerOf(await rig.delegate("ADD", "net7", video))).toMatchObject({
    code: 6,
    msg: expect.stringContaining("at most 1048576 are allowed"),
  });
  expect(rig.plugins.trace).toEqual(["ADD macvlan net7", "DEL macvlan net7"]);
  expect(readPlan(rig)).toBe(before);
});

describe("an ADD that fails", () => {
  const failing = ({ command }: { readonly command: string }) =>
    command === "ADD" ? { exitCode: 1, stdout: { code: 101, msg: "no" } } : undefined;

  test("is undone, and leaves the plan as it was", async () => {
    using rig = await attached();
    const before = readPlan(rig);
    rig.plugins.behaviour = failing;
    expect(answerOf(await rig.delegate("ADD", "net7", video))).toMatchObject({
      code: 101,
      msg: expect.stringMatching(/^\[default\/web\/u-1:video\]: /),
    });
    expect(rig.plugins.trace).toEqual(["ADD macvlan net7", "DEL macvlan net7"]);
    expect(readPlan(rig)).toBe(before);
  });

  test("and cannot be undone stays in the plan, for the pod's DEL", async () => {
    using rig = await attached();
    rig.plugins.behaviour = () => ({ exitCode: 1, stdout: { code: 101, msg: "no" } });
    await rig.delegate("ADD", "net7", video);
    expect(entriesOf(rig)).toHaveLength(4);
    rig.plugins.behaviour = () => undefined;
    rig.plugins.calls.length = 0;
    await rig.run("DEL");
    expect(rig.plugins.trace[0]).toBe("DEL macvlan net7");
  });

  test("because its link is there leaves both alone, whoever's it is", async () => {
    using rig = await attached();
    const before = readPlan(rig);
    rig.plugins.links.add("net1");
    expect(answerOf(await rig.delegate("ADD", "net1", video))).toMatchObject({ code: 4 });
    expect([rig.plugins.calls, readPlan(rig)]).toEqual([[], before]);
    await rig.delegate("ADD", "net7", video);
    rig.plugins.links.add("net7");
    const plugged = readPlan(rig);
    await rig.delegate("ADD", "net7", video);
    expect(readPlan(rig)).toBe(plugged);
  });
});

describe("a pod without a whole plan", () => {
  test.each([undefined, "[", "[{}]"])("is taken apart by its result cache: %s", async (plan) => {
    using rig = new Rig(kernels);
    mkdirSync(rig.cniDir);
    if (plan !== undefined) writeFileSync(planOf(rig), plan);
    expect((await rig.delegate("ADD", "net7", video)).exitCode).toBe(0);
    expect(existsSync(planOf(rig)) ? readPlan(rig) : undefined).toBe(plan);
    rig.plugins.calls.length = 0;
    expect((await rig.run("DEL")).exitCode).toBe(0);
    expect(rig.plugins.trace).toContain("DEL macvlan net7");
  });

  const network = { ...video, capabilities: { mac: true } };
  const attributes = { mac: "02:00:00:00:00:07" };
  const results = (rig: Rig) => join(rig.cniDir, "results");

  /** A rig whose daemon was killed while the plugin of its ADD ran: what was on disk then. */
  async function killedInAdd(): Promise<Rig> {
    const rig = new Rig(kernels);
    const then = rig.path("then");
    rig.plugins.behaviour = () => void cpSync(rig.cniDir, then, { recursive: true });
    await rig.delegate("ADD", "net7", network, attributes);
    rig.plugins.behaviour = () => undefined;
    rmSync(rig.cniDir, { recursive: true });
    renameSync(then, rig.cniDir);
    rig.plugins.calls.length = 0;
    return rig;
  }

  test("loses nothing by a kill in the middle of the ADD: the pod's DEL takes it away as it was asked for", async () => {
    using rig = await killedInAdd();
    expect((await rig.run("DEL")).exitCode).toBe(0);
    expect(rig.plugins.trace).toEqual(["DEL macvlan net7", "DEL bridge eth0"]);
    const { stdin } = rig.plugins.calls[0] ?? {};
    expect(stdin).toMatchObject({ master: "eth1", runtimeConfig: attributes });
    expect(stdin).not.toHaveProperty("prevResult");
    expect(readdirSync(results(rig))).toEqual([]);
  });

  test("after such a kill CHECK knows of no result, DEL takes it out, ADD plugs it in", async () => {
    using rig = await killedInAdd();
    expect(answerOf(await rig.delegate("CHECK", "net7", network))).toMatchObject({
      code: 3,
      msg: expect.stringContaining("there is no result of network video at net7"),
    });
    expect((await rig.delegate("ADD", "net7", network, attributes)).exitCode).toBe(0);
    expect((await rig.delegate("CHECK", "net7", network)).exitCode).toBe(0);
    expect((await rig.delegate("DEL", "net7", network)).exitCode).toBe(0);
    expect(rig.plugins.trace).toEqual(["ADD macvlan net7", "CHECK macvlan net7", "DEL macvlan net7"]);
    expect(readdirSync(results(rig))).toEqual([]);
  });

  test("has no word left of an ADD that failed, unless it cannot be undone", async () => {
    using rig = new Rig(kernels);
    rig.plugins.behaviour = ({ command }) =>
      command === "ADD" ? { exitCode: 1, stdout: { code: 101, msg: "no" } } : undefined;
    expect(answerOf(await rig.delegate("ADD", "net7", video))).toMatchObject({ code: 101 });
    expect(readdirSync(results(rig))).toEqual([]);
    rig.plugins.behaviour = () => ({ exitCode: 1, stdout: { code: 101, msg: "no" } });
    await rig.delegate("ADD", "net7", video);
    rig.plugins.behaviour = () => undefined;
    rig.plugins.calls.length = 0;
    await rig.run("DEL");
    expect(rig.plugins.trace[0]).toBe("DEL macvlan net7");
  });

  test("where a link of that name is there: no word of what did not run, and what is known of the network stays", async () => {
    using rig = new Rig(kernels);
    rig.plugins.links.add("net7");
    expect(answerOf(await rig.delegate("ADD", "net7", video))).toMatchObject({ code: 4 });
    expect(readdirSync(results(rig))).toEqual([]);
    rig.plugins.links.clear();
    await rig.delegate("ADD", "net7", video);
    const [name = ""] = readdirSync(results(rig));
    const before = readFileSync(join(results(rig), name));
    rig.plugins.links.add("net7");
    expect(answerOf(await rig.delegate("ADD", "net7", video))).toMatchObject({ code: 4 });
    expect(readFileSync(join(results(rig), name))).toEqual(before);
  });
});

test("a plan that is torn behind a network stays as it is when that is taken out", async () => {
  using rig = await attached();
  const torn = readPlan(rig).slice(0, -2);
  writeFileSync(planOf(rig), torn);
  const network = { cniVersion: "1.0.0", name: "a", type: "type-a" };
  expect((await rig.delegate("DEL", "net1", network)).exitCode).toBe(0);
  expect(readPlan(rig)).toBe(torn);
  await rig.run("DEL", { annotations });
  expect(rig.plugins.trace).toContain("DEL bridge eth0");
});

describe("CHECK", () => {
  test("has the result and the arguments of the ADD", async () => {
    using rig = await attached();
    await rig.delegate("ADD", "net7", { ...video, capabilities: { ips: true } }, { ips: ["10.1.1.1/24"] });
    rig.plugins.calls.length = 0;
    expect((await rig.delegate("CHECK", "net7", { ...video, capabilities: { ips: true } })).exitCode).toBe(0);
    expect(rig.plugins.calls[0]?.stdin).toMatchObject({
      runtimeConfig: { ips: ["10.1.1.1/24"] },
      prevResult: { ips: [{ address: "10.1.0.5/16" }] },
    });
  });

  test("of what is not there is an error", async () => {
    using rig = await attached();
    expect(answerOf(await rig.delegate("CHECK", "net7", video))).toMatchObject({ code: 3 });
  });
});

describe("in a cluster", () => {
  function inCluster(): { rig: Rig; cluster: PretendedCluster } {
    const cluster = new PretendedCluster();
    return { rig: new Rig(kernels, { clusters: { of: async () => cluster } }), cluster };
  }

  test("the pod gets an event, and its network-status stays the controller's", async () => {
    const { rig, cluster } = inCluster();
    using _rig = rig;
    cluster.addPod("default/web", {}, "u-1");
    await rig.delegate("ADD", "net7", video);
    expect(cluster.events).toEqual([["Normal", "AddedInterface", "Add net7 [10.1.0.5/16] from video"]]);
    expect(cluster.status).toBeUndefined();
  });

  test("a pod that is not there, or another of its name, gets nothing", async () => {
    const { rig, cluster } = inCluster();
    using _rig = rig;
    expect(answerOf(await rig.delegate("ADD", "net7", video))).toMatchObject({
      code: 4,
      msg: expect.stringContaining("there is no pod default/web"),
    });
    cluster.addPod("default/web", {}, "u-2");
    expect(answerOf(await rig.delegate("ADD", "net7", video)).code).toBe(4);
    expect(rig.plugins.calls).toEqual([]);
    // Taking away asks nobody.
    expect((await rig.delegate("DEL", "net7", video)).exitCode).toBe(0);
  });
});

test.each([
  [{ ...video, name: "" }, undefined, /has no name/],
  [{ name: "video" }, undefined, /config of the request: .*type/],
  [video, { mac: "x" }, /interfaceAttributes: mac/],
])("%j with %j is refused", async (network, attributes, says) => {
  using rig = await attached();
  expect(answerOf(await rig.delegate("ADD", "net7", network, attributes)).msg).toMatch(says);
  expect(rig.plugins.calls).toEqual([]);
});
