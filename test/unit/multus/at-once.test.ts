/** Networks whose plugins run at once: what begins and ends when, and that everything else is as in order. */

import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, beforeEach, describe, expect, test } from "vitest";
import { ExecutorError } from "../../../src/agent/executor.ts";
import type { Kernels } from "../../../src/kernels/index.ts";
import { loadKernels } from "../../../src/kernels/load.ts";
import type { AttachConcurrency } from "../../../src/multus/plan/schedule.ts";
import { PretendedCluster } from "../../support/pretended-cluster.ts";
import type { Behaviour, Json, PluginCall } from "../../support/pretended-plugins.ts";
import { RecordingLogger } from "../../support/recording-logger.ts";
import { answerOf, macvlanNetwork, type RequestOptions, Rig, selecting } from "./rig.ts";

let kernels: Kernels;
let cluster: PretendedCluster;

beforeAll(() => {
  kernels = loadKernels();
});

beforeEach(() => {
  cluster = new PretendedCluster();
});

/** A rig whose pod selects networks a, b and c, with an address for each. */
function rigOfThree(): Rig {
  cluster.addPod("default/web", selecting("a,b,c"));
  for (const [index, name] of ["a", "b", "c"].entries()) {
    cluster.addNad(`default/${name}`, macvlanNetwork(index + 2));
  }
  return new Rig(kernels, { clusters: cluster });
}

const settings = (attachConcurrency: AttachConcurrency, further: Json = {}): RequestOptions => ({
  netconf: { attachConcurrency, ...further },
});

const subnetOf: Readonly<Record<string, number>> = { eth0: 1, net1: 2, net2: 3, net3: 4 };

/** Plugins that end when the test says so: each run is held until then. */
class Held {
  readonly trace: string[] = [];
  readonly #runs = new Map<string, () => void>();
  readonly #waiting = new Map<string, () => void>();

  /** @param behaviour of a run that may end */
  behaviour(behaviour: Behaviour = () => undefined): Behaviour {
    return async (call) => {
      const name = `${call.command} ${call.ifName}`;
      this.trace.push(`begin ${name}`);
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#runs.set(name, resolve);
      this.#waiting.get(name)?.();
      await promise;
      this.trace.push(`end ${name}`);
      return (await behaviour(call)) ?? usual(call);
    };
  }

  /** Resolves when all of these have begun: `ADD net1`. */
  async begun(...names: readonly string[]): Promise<void> {
    for (const name of names) {
      if (this.#runs.has(name)) continue;
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#waiting.set(name, resolve);
      await promise;
    }
  }

  async end(...names: readonly string[]): Promise<void> {
    for (const name of names) {
      await this.begun(name);
      this.#runs.get(name)?.();
    }
  }
}

/** A result with an address of the interface's own. */
function usual({ command, ifName, stdin }: PluginCall) {
  if (command !== "ADD") return undefined;
  const ips = [{ address: `10.${subnetOf[ifName]}.0.5/24`, interface: 0 }];
  return {
    stdout: { cniVersion: stdin.cniVersion, interfaces: [{ name: ifName, sandbox: "/run/netns/pod" }], ips },
  };
}

const failing = (...names: readonly string[]): Behaviour => {
  return ({ command, ifName }) =>
    names.includes(`${command} ${ifName}`)
      ? { exitCode: 1, stdout: { code: 100, msg: `${command} ${ifName} failed` } }
      : undefined;
};

/** All that stays of a pod: answer, events, network-status, files. */
async function outcome(attachConcurrency: AttachConcurrency) {
  using rig = rigOfThree();
  rig.plugins.behaviour = usual;
  const handled = await rig.run("ADD", settings(attachConcurrency));
  const files = readdirSync(rig.cniDir, { recursive: true, encoding: "utf8" }).sort();
  return {
    answer: answerOf(handled),
    reasons: [...cluster.reasons],
    status: cluster.status,
    networks: handled.report.networks.map(({ name, ifName }) => `${name}@${ifName}`),
    begun: rig.plugins.trace,
    files: files.map((file) => [
      file,
      file.includes("-c0ffee") ? readFileSync(join(rig.cniDir, file), "utf8") : "",
    ]),
  };
}

describe("ADD", () => {
  test("runs the cluster network's plugin first, then those of the others", async () => {
    using rig = rigOfThree();
    const held = new Held();
    rig.plugins.behaviour = held.behaviour();
    const handled = rig.run("ADD", settings("auto"));
    await held.begun("ADD eth0");
    expect(held.trace).toEqual(["begin ADD eth0"]);
    await held.end("ADD eth0");
    await held.begun("ADD net1", "ADD net2", "ADD net3");
    expect(held.trace.slice(1)).toEqual([
      "end ADD eth0",
      "begin ADD net1",
      "begin ADD net2",
      "begin ADD net3",
    ]);
    await held.end("ADD net3", "ADD net2", "ADD net1");
    expect((await handled).error).toBeUndefined();
  });

  test("has the same answer, events, network-status, plan and results as in order", async () => {
    const inOrder = await outcome(1);
    cluster = new PretendedCluster();
    expect(await outcome("auto")).toEqual(inOrder);
    expect(inOrder.networks).toEqual(["cluster@eth0", "default/a@net1", "default/b@net2", "default/c@net3"]);
  });

  test("tells of each network in the plan's order, whichever is there first", async () => {
    using rig = rigOfThree();
    const held = new Held();
    rig.plugins.behaviour = held.behaviour();
    const handled = rig.run("ADD", settings("auto"));
    await held.end("ADD eth0", "ADD net3", "ADD net2", "ADD net1");
    const { report } = await handled;
    expect(held.trace.slice(-3)).toEqual(["end ADD net3", "end ADD net2", "end ADD net1"]);
    expect(cluster.reasons).toEqual([
      "AddedInterface Add eth0 [10.1.0.5/24] from cluster",
      "AddedInterface Add net1 [10.2.0.5/24] from default/a",
      "AddedInterface Add net2 [10.3.0.5/24] from default/b",
      "AddedInterface Add net3 [10.4.0.5/24] from default/c",
    ]);
    expect(cluster.status).toMatchObject(
      ["eth0", "net1", "net2", "net3"].map((name) => ({ interface: name })),
    );
    expect(report.networks.map(({ ifName }) => ifName)).toEqual(["eth0", "net1", "net2", "net3"]);
    for (const { milliseconds } of report.networks) expect(milliseconds).toBeGreaterThan(0);
  });

  test("with a number runs so many at once; the next begins when one has ended", async () => {
    using rig = rigOfThree();
    const held = new Held();
    rig.plugins.behaviour = held.behaviour();
    const handled = rig.run("ADD", settings(2));
    await held.end("ADD eth0");
    await held.begun("ADD net1", "ADD net2");
    await held.end("ADD net2");
    await held.begun("ADD net3");
    await held.end("ADD net3", "ADD net1");
    expect((await handled).error).toBeUndefined();
    expect(held.trace.slice(2)).toEqual([
      "begin ADD net1",
      "begin ADD net2",
      "end ADD net2",
      "begin ADD net3",
      "end ADD net3",
      "end ADD net1",
    ]);
  });

  test("without the key, with 1, and where networks depend on each other runs one after the other", async () => {
    const inOrder = ["eth0", "net1", "net2", "net3"].flatMap((name) => [
      `begin ADD ${name}`,
      `end ADD ${name}`,
    ]);
    for (const [options, further] of [
      [{}, {}],
      [settings(1), {}],
      [settings("auto"), { ipam: { type: "host-local", subnet: "10.0.0.0/8" } }],
    ] as const) {
      cluster = new PretendedCluster();
      using rig = rigOfThree();
      for (const [index, name] of ["a", "b", "c"].entries()) {
        cluster.addNad(`default/${name}`, macvlanNetwork(index + 2, further));
      }
      const held = new Held();
      rig.plugins.behaviour = held.behaviour();
      const handled = rig.run("ADD", options);
      await held.end("ADD eth0", "ADD net1", "ADD net2", "ADD net3");
      expect((await handled).error).toBeUndefined();
      expect(held.trace).toEqual(inOrder);
    }
  });

  test("sets default routes of one network before the next one begins", async () => {
    cluster.addPod("default/web", selecting([{ name: "a", "default-route": ["10.2.0.1"] }, { name: "b" }]));
    for (const [index, name] of ["a", "b"].entries())
      cluster.addNad(`default/${name}`, macvlanNetwork(index + 2));
    using rig = new Rig(kernels, { clusters: cluster });
    const trace: string[] = [];
    rig.plugins.behaviour = (call) => {
      trace.push(`ADD ${call.ifName}`);
      return usual(call);
    };
    rig.plugins.setDefaultRoutes = async (_netns, ifName) => {
      trace.push(`routes of ${ifName}`);
    };
    expect((await rig.run("ADD", settings("auto"))).error).toBeUndefined();
    expect(trace).toEqual(["eth0", "net1", "net2"].flatMap((name) => [`ADD ${name}`, `routes of ${name}`]));
  });

  test("does not take away a link that was there before, and undoes the others that have begun", async () => {
    using rig = rigOfThree();
    rig.plugins.links.add("net2");
    rig.plugins.behaviour = usual;
    const handled = await rig.run("ADD", settings("auto"));
    expect(answerOf(handled)).toMatchObject({ code: 4, msg: expect.stringContaining("net2") });
    expect(rig.plugins.trace).toEqual([
      "ADD bridge eth0",
      "ADD macvlan net1",
      "ADD macvlan net3",
      "DEL macvlan net3",
      "DEL macvlan net1",
      "DEL bridge eth0",
    ]);
  });

  test.each([
    [["net1"], "net1"],
    [["net2"], "net2"],
    [["net3"], "net3"],
    [["net3", "net2"], "net2"],
    [["net3", "net1"], "net1"],
  ])(
    "where %j fail tells of %s, after the others have ended, and undoes all as a DEL does",
    async (names, first) => {
      using rig = rigOfThree();
      const held = new Held();
      const fails = failing(...names.map((name) => `ADD ${name}`));
      rig.plugins.behaviour = held.behaviour(fails);
      const handled = rig.run("ADD", settings("auto"));
      await held.end("ADD eth0");
      await held.begun("ADD net1", "ADD net2", "ADD net3");
      // Those that fail end first.
      const others = ["net1", "net2", "net3"].filter((name) => !names.includes(name));
      await held.end(...[...names, ...others].map((name) => `ADD ${name}`));
      const ended = held.trace.length;
      await held.begun("DEL net3", "DEL net2", "DEL net1");
      await held.end("DEL net1", "DEL net3", "DEL net2", "DEL eth0");
      expect(answerOf(await handled)).toMatchObject({
        code: 100,
        msg: expect.stringContaining(`ADD ${first} failed`),
      });
      expect(answerOf(await handled).msg).toContain(
        `[default/web/u-1:default/${"abc"[Number(first.slice(3)) - 1]}]`,
      );
      expect(held.trace.slice(0, ended).filter((line) => line.startsWith("end ADD"))).toHaveLength(4);
      expect(held.trace.slice(8)).toEqual([
        ...["begin DEL net3", "begin DEL net2", "begin DEL net1"],
        ...["end DEL net1", "end DEL net3", "end DEL net2"],
        ...["begin DEL eth0", "end DEL eth0"],
      ]);
      // Nothing stays that an event could tell of, and each that has failed has one.
      const networkOf = (name: string) => `default/${"abc"[Number(name.slice(3)) - 1]}`;
      expect(cluster.reasons).toEqual(
        names.toSorted().map((name) => {
          const problem = `plugin "macvlan" (ADD) failed: ADD ${name} failed`;
          return `NetworkNotAttached network ${networkOf(name)} is not attached as ${name}: ${problem}`;
        }),
      );
      expect(cluster.status).toBeUndefined();
    },
  );

  test("begins none after one has failed, and does not undo what has not begun", async () => {
    using rig = rigOfThree();
    const held = new Held();
    rig.plugins.behaviour = held.behaviour(failing("ADD net1"));
    const handled = rig.run("ADD", settings(2));
    await held.end("ADD eth0");
    await held.begun("ADD net1", "ADD net2");
    await held.end("ADD net1", "ADD net2", "DEL net2", "DEL net1", "DEL eth0");
    expect(answerOf(await handled)).toMatchObject({ msg: expect.stringContaining("ADD net1 failed") });
    expect(held.trace.filter((line) => line.includes("net3"))).toEqual([]);
  });

  test("stops when nobody is left to run plugins, and leaves the plan for DEL", async () => {
    using rig = rigOfThree();
    let isGone = false;
    const runPlugin = rig.plugins.runPlugin.bind(rig.plugins);
    rig.plugins.behaviour = usual;
    rig.plugins.runPlugin = (run) => {
      isGone ||= run.env.CNI_IFNAME === "net2";
      return isGone ? Promise.reject(new ExecutorError("gone", "the shim is gone")) : runPlugin(run);
    };
    expect(answerOf(await rig.run("ADD", settings("auto")))).toMatchObject({
      code: 11,
      msg: expect.stringContaining("default/b"),
    });
    expect(rig.plugins.trace).toEqual(["ADD bridge eth0", "ADD macvlan net1"]);
    isGone = false;
    rig.plugins.runPlugin = runPlugin;
    expect((await rig.run("DEL", settings("auto"))).error).toBeUndefined();
    expect(rig.plugins.trace.slice(2).sort()).toEqual([
      "DEL bridge eth0",
      "DEL macvlan net1",
      "DEL macvlan net2",
      "DEL macvlan net3",
    ]);
    expect(rig.plugins.trace.at(-1)).toBe("DEL bridge eth0");
  });

  test("results that are too large together are those of the first network above the bound", async () => {
    using rig = rigOfThree();
    const large = (call: PluginCall) => ({
      ...usual(call),
      stdout: { ...usual(call)?.stdout, filler: " ".repeat(400_000) },
    });
    rig.plugins.behaviour = (call) => (call.command === "ADD" ? large(call) : undefined);
    const handled = await rig.run("ADD", settings("auto"));
    const { msg } = answerOf(await handled);
    expect(msg).toMatch(/default\/b\]: the results of the pod's networks have/);
    cluster = new PretendedCluster();
    using other = rigOfThree();
    other.plugins.behaviour = rig.plugins.behaviour;
    expect(msg).toBe(answerOf(await other.run("ADD", settings(1))).msg);
  });
});

describe("DEL", () => {
  /** A rig with an attached pod. */
  async function attached(): Promise<Rig> {
    const rig = rigOfThree();
    rig.plugins.behaviour = usual;
    expect((await rig.run("ADD", settings("auto"))).error).toBeUndefined();
    rig.plugins.calls.length = 0;
    return rig;
  }

  test("runs the plugins of the others at once, and the cluster network's when they have ended", async () => {
    using rig = await attached();
    const held = new Held();
    rig.plugins.behaviour = held.behaviour();
    const handled = rig.run("DEL", settings("auto"));
    await held.begun("DEL net3", "DEL net2", "DEL net1");
    expect(held.trace).toEqual(["begin DEL net3", "begin DEL net2", "begin DEL net1"]);
    await held.end("DEL net1", "DEL net2");
    expect(held.trace).not.toContain("begin DEL eth0");
    await held.end("DEL net3", "DEL eth0");
    const { error, report } = await handled;
    expect(error).toBeUndefined();
    expect(held.trace.slice(-2)).toEqual(["begin DEL eth0", "end DEL eth0"]);
    expect(report.networks.map(({ ifName }) => ifName)).toEqual(["net3", "net2", "net1", "eth0"]);
    expect(readdirSync(rig.cniDir, { recursive: true })).toEqual(["results"]);
  });

  test("without the key runs one after the other", async () => {
    using rig = await attached();
    const held = new Held();
    rig.plugins.behaviour = held.behaviour();
    const handled = rig.run("DEL");
    await held.end("DEL net3", "DEL net2", "DEL net1", "DEL eth0");
    await handled;
    expect(held.trace).toEqual(
      ["net3", "net2", "net1", "eth0"].flatMap((name) => [`begin DEL ${name}`, `end DEL ${name}`]),
    );
  });

  test("tries every one, whatever fails, and tells of the errors as in order", async () => {
    const messages = new Set<unknown>();
    for (const mode of ["auto", 2, 1] as const) {
      cluster = new PretendedCluster();
      using rig = await attached();
      rig.plugins.behaviour = failing("DEL net1", "DEL net3", "DEL eth0");
      const { msg } = answerOf(await rig.run("DEL", settings(mode)));
      messages.add(msg);
      expect(rig.plugins.trace).toHaveLength(4);
      expect(String(msg).match(/DEL \w+ failed/g)).toEqual([
        "DEL net3 failed",
        "DEL net1 failed",
        "DEL eth0 failed",
      ]);
    }
    expect(messages.size).toBe(1);
  });

  test("stops when nobody is left to run plugins", async () => {
    using rig = await attached();
    rig.plugins.behaviour = ({ ifName }) => {
      if (ifName === "net2") throw new ExecutorError("gone", "the shim is gone");
      return undefined;
    };
    const log = new RecordingLogger();
    expect(answerOf(await rig.run("DEL", { ...settings("auto"), log }))).toMatchObject({
      code: 11,
      msg: expect.stringContaining("default/b"),
    });
    expect(rig.plugins.trace).not.toContain("DEL bridge eth0");
  });
});

test.each([0, 17, 1.5, "2", "all", true])("attachConcurrency cannot be %j", async (value) => {
  using rig = new Rig(kernels);
  expect(answerOf(await rig.run("ADD", { netconf: { attachConcurrency: value } }))).toMatchObject({
    code: 7,
    msg: expect.stringContaining("attachConcurrency must "),
  });
  expect(rig.plugins.trace).toEqual([]);
});
