/** Networks in order: the next one's plugin is ordered while the present one's runs, and everything else is as if it were not. */

import { beforeAll, beforeEach, describe, expect, test } from "vitest";
import { ExecutorError } from "../../../src/agent/executor.ts";
import { configError } from "../../../src/cni/errors.ts";
import type { Kernels } from "../../../src/kernels/index.ts";
import { loadKernels } from "../../../src/kernels/load.ts";
import type { MultusOptions } from "../../../src/multus/services.ts";
import { PretendedCluster } from "../../support/pretended-cluster.ts";
import type { Behaviour, Json, PluginAnswer } from "../../support/pretended-plugins.ts";
import { RecordingLogger } from "../../support/recording-logger.ts";
import { Rig, selecting } from "./rig.ts";

let kernels: Kernels;
let cluster: PretendedCluster;

beforeAll(() => {
  kernels = loadKernels();
});

beforeEach(() => {
  cluster = new PretendedCluster();
});

const network = (further: Json = {}): Json => ({ cniVersion: "1.0.0", type: "macvlan", ...further });

/** A rig whose pod has the networks a, b and c besides the cluster network. */
function rigOf(
  configs: Readonly<Record<string, Json>> = { a: network(), b: network(), c: network() },
  selection: Parameters<typeof selecting>[0] = Object.keys(configs).join(","),
  options: Partial<MultusOptions> = {},
): Rig {
  cluster.addPod("default/web", selecting(selection));
  for (const [name, config] of Object.entries(configs)) cluster.addNad(`default/${name}`, config);
  return new Rig(kernels, { clusters: cluster, ...options });
}

/** Lets all go on that waits for nothing but this process. */
async function settled(): Promise<void> {
  for (let turn = 0; turn < 20; turn++) await new Promise(setImmediate);
}

/** Plugins that end when the test says so, in order. */
class Gates {
  readonly #open: (() => void)[] = [];
  readonly #behaviour: Behaviour;

  constructor(behaviour: Behaviour = () => undefined) {
    this.#behaviour = behaviour;
  }

  readonly behaviour: Behaviour = async (call) => {
    await new Promise<void>((resolve) => this.#open.push(resolve));
    return this.#behaviour(call);
  };

  /** Ends the plugin that runs. */
  async end(): Promise<void> {
    while (this.#open.length === 0) await new Promise(setImmediate);
    this.#open.shift()?.();
    await settled();
  }

  get running(): number {
    return this.#open.length;
  }
}

const failed = (msg: string): PluginAnswer => ({ exitCode: 1, stdout: { code: 100, msg } });

/** A behaviour by command and interface: `ADD net1`. */
const only =
  (answers: Readonly<Record<string, PluginAnswer>>): Behaviour =>
  ({ command, ifName }) =>
    answers[`${command} ${ifName}`];

describe("an ADD of networks in order", () => {
  test("orders the next network's plugin while the present one's runs, and not the one after that", async () => {
    using rig = rigOf();
    const gates = new Gates();
    rig.plugins.behaviour = gates.behaviour;
    const handled = rig.run("ADD");
    const names = ["ADD bridge eth0", "ADD macvlan net1", "ADD macvlan net2", "ADD macvlan net3"];
    for (let place = 0; place < names.length; place++) {
      while (gates.running === 0) await new Promise(setImmediate);
      await settled();
      expect(rig.plugins.trace).toEqual(names.slice(0, place + 1));
      expect(rig.plugins.given).toEqual(names.slice(0, place + 2));
      // The attachments made so far may still be undone.
      expect(cluster.reasons).toEqual([]);
      await gates.end();
    }
    const { error, report } = await handled;
    expect(error).toBeUndefined();
    expect(report.networks.map(({ ifName }) => ifName)).toEqual(["eth0", "net1", "net2", "net3"]);
    expect(cluster.reasons).toHaveLength(names.length);
  });

  test("counts the time of each from the end of the one before it", async () => {
    using rig = rigOf();
    const { report } = await rig.run("ADD");
    expect(report.networks).toHaveLength(4);
    for (const [index, { start, milliseconds }] of report.networks.entries()) {
      const before = report.networks[index - 1];
      expect(milliseconds).toBeGreaterThanOrEqual(0);
      if (before !== undefined) expect(start).toBeGreaterThanOrEqual(before.start + before.milliseconds);
    }
  });

  test("orders the next network when the last plugin of a chain is ordered", async () => {
    const plugins = [{ type: "macvlan" }, { type: "tuning" }];
    using rig = rigOf({ a: { cniVersion: "1.0.0", name: "a", plugins }, b: network() });
    const gates = new Gates();
    rig.plugins.behaviour = gates.behaviour;
    const handled = rig.run("ADD");
    await gates.end();
    expect(rig.plugins.given).toEqual(["ADD bridge eth0", "ADD macvlan net1"]);
    await gates.end();
    expect(rig.plugins.given.slice(2)).toEqual(["ADD tuning net1", "ADD macvlan net2"]);
    expect(rig.plugins.trace.slice(2)).toEqual(["ADD tuning net1"]);
    await gates.end();
    await gates.end();
    expect((await handled).error).toBeUndefined();
  });

  test("a plugin that fails: the next one is not started, and is not undone; the error is its own", async () => {
    using rig = rigOf();
    rig.plugins.behaviour = only({ "ADD net1": failed("no such master") });
    const { error, report } = await rig.run("ADD");
    expect(error).toMatchObject({ code: 100, message: expect.stringContaining("default/a") });
    expect(error?.message).toContain("no such master");
    expect(rig.plugins.given).toContain("ADD macvlan net2");
    expect(rig.plugins.trace).toEqual([
      "ADD bridge eth0",
      "ADD macvlan net1",
      "DEL macvlan net1",
      "DEL bridge eth0",
    ]);
    expect(report.networks.map(({ ifName }) => ifName)).toEqual(["eth0", "net1"]);
    expect(cluster.reasons).toHaveLength(1);
  });

  test.each([
    ["prints no result", { stdout: "{" }, "answered with no valid result"],
    ["prints a result that is too large with those before", undefined, "at most"],
  ])(
    "a plugin that %s: the next one has begun, and both are undone; the error is its own",
    async (_, answer, says) => {
      using rig = rigOf();
      const large = {
        cniVersion: "1.0.0",
        ips: [{ address: "10.0.0.1/24" }],
        more: "x".repeat(600 * 1024),
      };
      const ofFirst = answer === undefined ? { "ADD eth0": { stdout: large } } : {};
      const gates = new Gates(only({ ...ofFirst, "ADD net1": answer ?? { stdout: large } }));
      rig.plugins.behaviour = gates.behaviour;
      const handled = rig.run("ADD");
      const names = ["ADD bridge eth0", "ADD macvlan net1", "ADD macvlan net2"];
      for (const _name of names) await gates.end();
      // The one after that was never ordered.
      expect(rig.plugins.given.slice(0, 4)).toEqual([...names, "DEL macvlan net2"]);
      for (let each = 0; each < 3; each++) await gates.end();
      const { error, report } = await handled;
      expect(error?.message).toContain("default/a");
      expect(error?.message).toContain(says);
      const undone = ["DEL macvlan net2", "DEL macvlan net1", "DEL bridge eth0"];
      expect(rig.plugins.trace).toEqual([...names, ...undone]);
      expect(report.networks.map(({ ifName }) => ifName)).toEqual(["eth0", "net1", "net2"]);
      expect(cluster.reasons).toHaveLength(1);
    },
  );

  test("what has begun is undone like a DEL: the next plugin is ordered while one runs, and one that is missing or fails stops nothing", async () => {
    using rig = rigOf();
    const answers = only({ "ADD net3": failed("no room"), "DEL net1": failed("stuck") });
    const gates = new Gates((call) => {
      if (call.command === "DEL" && call.ifName === "net2")
        throw new ExecutorError("not-found", "it was removed");
      return answers(call);
    });
    rig.plugins.behaviour = gates.behaviour;
    const log = new RecordingLogger();
    const handled = rig.run("ADD", { log });
    for (let each = 0; each < 4; each++) await gates.end();
    const undone = ["DEL macvlan net3", "DEL macvlan net2", "DEL macvlan net1", "DEL bridge eth0"];
    expect(rig.plugins.given.slice(4)).toEqual(undone.slice(0, 2));
    for (let place = 0; place < undone.length; place++) {
      expect(rig.plugins.trace.slice(4)).toEqual(undone.slice(0, place + 1));
      await gates.end();
    }
    const { error, report } = await handled;
    expect(error?.message).toContain("no room");
    expect(report.networks.map(({ ifName }) => ifName)).toEqual(["eth0", "net1", "net2", "net3"]);
    expect(log.errors.filter((message) => message === "cannot undo an attachment")).toHaveLength(1);
    expect(log.causes).toContainEqual(expect.stringContaining("stuck"));
  });

  test("the next one fails too, after one that has printed no result: it is undone, and the error is the first one's", async () => {
    using rig = rigOf();
    rig.plugins.behaviour = only({ "ADD net1": { stdout: "{" }, "ADD net2": failed("second") });
    const { error } = await rig.run("ADD");
    expect(error?.message).toContain("default/a");
    expect(error?.message).not.toContain("second");
    expect(rig.plugins.trace.slice(3)).toEqual(["DEL macvlan net2", "DEL macvlan net1", "DEL bridge eth0"]);
  });

  test("an interface that is there: its network is not undone, also where the one before has printed no result", async () => {
    for (const answers of [{}, { "ADD net1": { stdout: "{" } }]) {
      cluster = new PretendedCluster();
      using rig = rigOf();
      rig.plugins.links.add("net2");
      rig.plugins.behaviour = only(answers);
      const { error } = await rig.run("ADD");
      expect(error?.message).toContain(
        "stdout" in Object.assign({}, ...Object.values(answers)) ? "default/a" : "default/b",
      );
      const undone = ["DEL macvlan net1", "DEL bridge eth0"];
      expect(rig.plugins.trace).toEqual(["ADD bridge eth0", "ADD macvlan net1", ...undone]);
    }
  });

  test("a configuration that does not go together: undone like a plugin that has failed if its turn comes, else not", async () => {
    for (const [answers, named, undone] of [
      [{}, "default/b", ["DEL macvlan net2", "DEL macvlan net1", "DEL bridge eth0"]],
      [{ "ADD net1": failed("first") }, "default/a", ["DEL macvlan net1", "DEL bridge eth0"]],
    ] as const) {
      cluster = new PretendedCluster();
      let isFirst = true;
      const refusing: Kernels = {
        ...kernels,
        mergeConfig(input) {
          if (input.name !== "b" || !isFirst) return kernels.mergeConfig(input);
          isFirst = false;
          throw configError("does not go together");
        },
      };
      using rig = rigOf(undefined, "a,b", { kernels: refusing });
      rig.plugins.behaviour = only(answers);
      const { error, report } = await rig.run("ADD");
      expect(isFirst).toBe(false);
      expect(error?.message).toContain(named);
      expect(rig.plugins.trace).toEqual(["ADD bridge eth0", "ADD macvlan net1", ...undone]);
      const worked = named === "default/b" ? ["eth0", "net1", "net2"] : ["eth0", "net1"];
      expect(report.networks.map(({ ifName }) => ifName)).toEqual(worked);
    }
  });

  test("edits default routes before it orders the next network's plugin", async () => {
    const selection = [{ name: "a", "default-route": ["10.1.0.1"] }, { name: "b" }, { name: "c" }];
    using rig = rigOf(undefined, selection);
    const events: string[] = [];
    const { plugins } = rig;
    const setDefaultRoutes = plugins.setDefaultRoutes.bind(plugins);
    plugins.setDefaultRoutes = async (...order) => {
      await settled();
      events.push(`routes ${order[1]} after ${plugins.given.at(-1)}`);
      return setDefaultRoutes(...order);
    };
    expect((await rig.run("ADD")).error).toBeUndefined();
    expect(events).toEqual([
      "routes eth0 after ADD bridge eth0",
      "routes net1 after ADD macvlan net1",
      "routes net2 after ADD macvlan net2",
      "routes net3 after ADD macvlan net3",
    ]);
  });

  test("edits none where one is selected with an empty list, and orders ahead", async () => {
    using rig = rigOf(undefined, [{ name: "a", "default-route": [] }, { name: "b" }]);
    const gates = new Gates();
    rig.plugins.behaviour = gates.behaviour;
    const handled = rig.run("ADD");
    await gates.end();
    expect(rig.plugins.given).toEqual(["ADD bridge eth0", "ADD macvlan net1", "ADD macvlan net2"]);
    await gates.end();
    await gates.end();
    expect((await handled).error).toBeUndefined();
  });

  test("orders those that run at once with the one before them", async () => {
    const ipam = (index: number) => ({ type: "host-local", subnet: `10.${index}.0.0/24` });
    const configs = ["a", "b"].map((name, index) => [name, network({ master: "up0", ipam: ipam(index) })]);
    using rig = rigOf(Object.fromEntries(configs));
    const gates = new Gates();
    rig.plugins.behaviour = gates.behaviour;
    const handled = rig.run("ADD", { netconf: { attachConcurrency: "auto" } });
    while (gates.running === 0) await new Promise(setImmediate);
    await settled();
    expect(rig.plugins.given).toEqual(["ADD bridge eth0", "ADD macvlan net1", "ADD macvlan net2"]);
    expect(rig.plugins.trace).toEqual(["ADD bridge eth0"]);
    await gates.end();
    expect(gates.running).toBe(2);
    await gates.end();
    await gates.end();
    expect((await handled).error).toBeUndefined();
  });

  test("those that run at once are not started after one that has failed", async () => {
    const ipam = (index: number) => ({ type: "host-local", subnet: `10.${index}.0.0/24` });
    const configs = ["a", "b"].map((name, index) => [name, network({ master: "up0", ipam: ipam(index) })]);
    using rig = rigOf(Object.fromEntries(configs));
    rig.plugins.behaviour = only({ "ADD eth0": failed("no bridge") });
    const { error } = await rig.run("ADD", { netconf: { attachConcurrency: "auto" } });
    expect(error?.message).toContain("no bridge");
    expect(rig.plugins.trace).toEqual(["ADD bridge eth0", "DEL bridge eth0"]);
  });

  test("the executor's other end goes away: nothing is started after it", async () => {
    using rig = rigOf();
    rig.plugins.behaviour = () => {
      throw new ExecutorError("gone", "the shim is gone");
    };
    const { error } = await rig.run("ADD");
    expect(error).toMatchObject({ code: 11 });
    expect(rig.plugins.trace.filter((each) => each.startsWith("ADD"))).toEqual(["ADD bridge eth0"]);
  });

  test("the auxiliary chain's passthru has its turn like any plugin", async () => {
    using rig = rigOf();
    rig.writeFile("c/10.conf", { cniVersion: "1.0.0", name: "n", type: "bridge" });
    rig.writeFile("c/aux/10.conf", { type: "firewall" });
    const file = { delegates: [], clusterNetwork: rig.path("c/10.conf") };
    const aux = { auxiliaryCNIChainName: "aux", confDir: rig.path("c") };
    expect((await rig.run("ADD", { netconf: { ...file, ...aux } })).error).toBeUndefined();
    expect(rig.plugins.trace).toEqual([
      "ADD bridge eth0",
      "ADD macvlan net1",
      "ADD macvlan net2",
      "ADD macvlan net3",
      expect.stringMatching(/^ADD firewall /),
    ]);
  });
});

describe("a DEL of networks in order", () => {
  const reversed = ["DEL macvlan net3", "DEL macvlan net2", "DEL macvlan net1", "DEL bridge eth0"];

  /** A rig with an attached pod, of which nothing was asked yet. */
  async function attached(...of: Parameters<typeof rigOf>): Promise<Rig> {
    const rig = rigOf(...of);
    expect((await rig.run("ADD")).error).toBeUndefined();
    rig.plugins.calls.length = 0;
    rig.plugins.given.length = 0;
    return rig;
  }

  test("orders the next network's plugin while the present one's runs, and not the one after that", async () => {
    using rig = await attached();
    const gates = new Gates();
    rig.plugins.behaviour = gates.behaviour;
    const handled = rig.run("DEL");
    for (let place = 0; place < reversed.length; place++) {
      while (gates.running === 0) await new Promise(setImmediate);
      await settled();
      expect(rig.plugins.trace).toEqual(reversed.slice(0, place + 1));
      expect(rig.plugins.given).toEqual(reversed.slice(0, place + 2));
      await gates.end();
    }
    const { error, report } = await handled;
    expect(error).toBeUndefined();
    expect(report.networks.map(({ ifName }) => ifName)).toEqual(["net3", "net2", "net1", "eth0"]);
    for (const [index, { start, milliseconds }] of report.networks.entries()) {
      const before = report.networks[index - 1];
      expect(milliseconds).toBeGreaterThanOrEqual(0);
      if (before !== undefined) expect(start).toBeGreaterThanOrEqual(before.start + before.milliseconds);
    }
  });

  test("orders the next network when the last plugin of a chain is ordered", async () => {
    const plugins = [{ type: "macvlan" }, { type: "tuning" }];
    using rig = await attached({ a: network(), b: { cniVersion: "1.0.0", name: "b", plugins } });
    const gates = new Gates();
    rig.plugins.behaviour = gates.behaviour;
    const handled = rig.run("DEL");
    while (gates.running === 0) await new Promise(setImmediate);
    expect(rig.plugins.given).toEqual(["DEL tuning net2"]);
    await gates.end();
    expect(rig.plugins.given.slice(1)).toEqual(["DEL macvlan net2", "DEL macvlan net1"]);
    expect(rig.plugins.trace.slice(1)).toEqual(["DEL macvlan net2"]);
    for (let each = 0; each < 3; each++) await gates.end();
    expect((await handled).error).toBeUndefined();
  });

  test.each([["net3"], ["net2"], ["net3", "net2"], ["net3", "net1"], ["net3", "net2", "net1", "eth0"]])(
    "whatever fails (%s %s %s %s): each plugin runs once, in order, when the one before it has ended",
    async (...names) => {
      using rig = await attached();
      const answers = names.map((name) => [`DEL ${name}`, failed(`${name} is stuck`)]);
      const gates = new Gates(only(Object.fromEntries(answers)));
      rig.plugins.behaviour = gates.behaviour;
      const handled = rig.run("DEL");
      for (let place = 0; place < reversed.length; place++) {
        while (gates.running === 0) await new Promise(setImmediate);
        await settled();
        expect(gates.running).toBe(1);
        expect(rig.plugins.trace).toEqual(reversed.slice(0, place + 1));
        await gates.end();
      }
      const { error, report } = await handled;
      expect(error?.message.match(/\w+ is stuck/g)).toEqual(names.map((name) => `${name} is stuck`));
      expect(report.networks.map(({ ifName }) => ifName)).toEqual(["net3", "net2", "net1", "eth0"]);
    },
  );

  test("the executor's other end goes away: nothing is started after it", async () => {
    using rig = await attached();
    rig.plugins.behaviour = () => {
      throw new ExecutorError("gone", "the shim is gone");
    };
    const { error } = await rig.run("DEL");
    expect(error).toMatchObject({ code: 11, message: expect.stringContaining("default/c") });
    expect(error?.message).not.toContain("default/b");
    expect(rig.plugins.trace).toEqual(reversed.slice(0, 1));
  });

  test("orders those that run at once with the one before them", async () => {
    const ipam = (index: number) => ({ type: "host-local", subnet: `10.${index}.0.0/24` });
    const configs = ["a", "b"].map((name, index) => [name, network({ master: "up0", ipam: ipam(index) })]);
    using rig = await attached({ ...Object.fromEntries(configs), last: network({ type: "sriov" }) });
    const gates = new Gates(only({ "DEL net3": failed("stuck") }));
    rig.plugins.behaviour = gates.behaviour;
    const handled = rig.run("DEL", { netconf: { attachConcurrency: "auto" } });
    while (gates.running === 0) await new Promise(setImmediate);
    await settled();
    expect(rig.plugins.given).toEqual(["DEL sriov net3", "DEL macvlan net2", "DEL macvlan net1"]);
    await gates.end();
    expect(gates.running).toBe(2);
    for (let each = 0; each < 3; each++) await gates.end();
    expect((await handled).error?.message).toContain("stuck");
    expect(rig.plugins.trace).toEqual(["DEL sriov net3", ...reversed.slice(1)]);
  });
});
