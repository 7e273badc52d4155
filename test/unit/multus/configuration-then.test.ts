/** With which configuration DEL and CHECK run: the one of ADD, wherever it is left. */

import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import type { Kernels } from "../../../src/kernels/index.ts";
import { loadKernels } from "../../../src/kernels/load.ts";
import type { Json } from "../../support/pretended-plugins.ts";
import { RecordingLogger } from "../../support/recording-logger.ts";
import { containerId, Rig, selecting } from "./rig.ts";

let kernels: Kernels;

beforeAll(() => {
  kernels = loadKernels();
});

/** A list whose plugins have few keys and no IPAM, so that its projection, with an `ipam` for each, is longer. */
const hostDevice = {
  cniVersion: "1.0.0",
  name: "hd",
  plugins: [{ type: "host-device", device: "nbhd0" }, { type: "tuning", mtu: 9000 }, { type: "sbr" }],
};

async function attached(): Promise<Rig> {
  const rig = new Rig(kernels);
  rig.addNad("default/hd", hostDevice);
  await rig.run("ADD", { annotations: selecting("hd") });
  rig.plugins.calls.length = 0;
  return rig;
}

/** CHECK runs the plugins of further networks too. */
const all = { checkDelegates: "all" };

const planOf = (rig: Rig) => join(rig.cniDir, containerId);
const cacheOf = (rig: Rig) => join(rig.cniDir, "results", `hd-${containerId}-net1`);

function edit(path: string, change: (value: Record<string, unknown>) => object): void {
  writeFileSync(path, JSON.stringify(change(JSON.parse(readFileSync(path, "utf8")))));
}

/** Changes the entry of the list in the plan. */
function editEntry(rig: Rig, change: (entry: Record<string, unknown>) => object): void {
  const [cluster, entry] = JSON.parse(readFileSync(planOf(rig), "utf8"));
  writeFileSync(planOf(rig), JSON.stringify([cluster, change(entry)]));
}

/** Configurations of the plugins at net1, in the order of ADD, without the keys of the network. */
function given(rig: Rig): Json[] {
  const stdins = rig.plugins.calls
    .filter(({ ifName }) => ifName === "net1")
    .map(({ stdin: { name: _name, cniVersion: _version, prevResult: _result, ...own } }) => own);
  return rig.plugins.calls[0]?.command === "DEL" ? stdins.reverse() : stdins;
}

const base64 = (value: unknown) => Buffer.from(JSON.stringify(value)).toString("base64");

/** With one character of base64's other alphabet, which Node.js reads as well: the text says another device then. */
function withOtherCharacter(text: string): string {
  const at = Buffer.from(text, "base64").indexOf("nbhd0");
  // The third byte of a group is the end of its fourth character alone.
  const third = at + 2 - (at % 3);
  const place = Math.floor(third / 3) * 4 + 3;
  return `${text.slice(0, place)}_${text.slice(place + 1)}`;
}

const damages: readonly (readonly [string, (text: string) => unknown])[] = [
  ["absent", () => undefined],
  ["empty", () => ""],
  ["cut", (text) => text.slice(0, text.length / 2)],
  ["of another alphabet", withOtherCharacter],
  ["no JSON", () => Buffer.from("not JSON").toString("base64")],
  ["another JSON", () => base64([])],
];

describe.each(["DEL", "CHECK"])("%s", (command) => {
  test("of plugins with few keys and without IPAM has all of them", async () => {
    using rig = await attached();
    expect((await rig.run(command, { netconf: all })).exitCode).toBe(0);
    expect(given(rig)).toEqual(hostDevice.plugins);
  });

  test("goes by Bytes of the plan, however long the configuration in the result cache is", async () => {
    using rig = await attached();
    const other = { ...hostDevice, plugins: [...hostDevice.plugins, { type: "sbr", note: "x".repeat(99) }] };
    edit(cacheOf(rig), (cached) => ({ ...cached, config: base64(other) }));
    await rig.run(command, { netconf: all });
    expect(given(rig)).toEqual(hostDevice.plugins);
  });

  test.each(damages)("goes by the result cache where Bytes of the plan are %s", async (_what, damage) => {
    using rig = await attached();
    editEntry(rig, (entry) => ({ ...entry, Bytes: damage(String(entry.Bytes)) }));
    await rig.run(command, { netconf: all });
    expect(given(rig)).toEqual(hostDevice.plugins);
  });

  test("goes by the result cache where Bytes have lost the name, which the definition does not have either", async () => {
    using rig = new Rig(kernels);
    rig.addNad("default/other", hostDevice);
    await rig.run("ADD", { annotations: selecting("other") });
    rig.plugins.calls.length = 0;
    editEntry(rig, (entry) => ({ ...entry, Bytes: base64({}) }));
    await rig.run(command, { netconf: all });
    expect(given(rig)).toEqual(hostDevice.plugins);
  });

  test("has of plugins that only the plan knows, as those of a list's subdirectory, what is left of them", async () => {
    using rig = await attached();
    const log = new RecordingLogger();
    const [first, ...further] = hostDevice.plugins;
    editEntry(rig, (entry) => ({ ...entry, Bytes: "" }));
    edit(cacheOf(rig), (cached) => ({ ...cached, config: base64({ ...hostDevice, plugins: [first] }) }));
    await rig.run(command, { netconf: all, log });
    expect(log.errors).toContainEqual(expect.stringContaining("is lost in the plan and in the result cache"));
    expect(given(rig)).toEqual([first, ...further.map(({ type }) => ({ type, ipam: {} }))]);
  });

  test.each(damages)(
    "goes by the projection where both are %s, and the log says so",
    async (_what, damage) => {
      using rig = await attached();
      const log = new RecordingLogger();
      editEntry(rig, (entry) => ({ ...entry, Bytes: damage(String(entry.Bytes)) }));
      edit(cacheOf(rig), (cached) => ({ ...cached, config: damage(String(cached.config)) }));
      await rig.run(command, { netconf: all, log });
      expect(given(rig)).toEqual(hostDevice.plugins.map(({ type }) => ({ type, ipam: {} })));
      expect(log.errors).toContainEqual(
        expect.stringContaining("is lost in the plan and in the result cache"),
      );
    },
  );

  test("says once that a configuration of the result cache cannot be used, where a torn plan has it", async () => {
    using rig = await attached();
    const log = new RecordingLogger();
    writeFileSync(planOf(rig), `${readFileSync(planOf(rig), "utf8").slice(0, -1)},`);
    edit(cacheOf(rig), (cached) => ({ ...cached, config: base64([]) }));
    await rig.run(command, { netconf: all, annotations: selecting("hd"), log });
    expect(given(rig)).toEqual(hostDevice.plugins);
    expect(log.causes).toEqual([expect.stringContaining("network hd of the result cache")]);
  });

  test("says nothing of the kind where the configuration is there", async () => {
    using rig = await attached();
    const log = new RecordingLogger();
    await rig.run(command, { netconf: all, log });
    expect(log.errors).toEqual([]);
  });
});

describe("a chain file in a plan of release 4.3.0, whose Bytes are a projection", () => {
  const projection = { ...hostDevice, plugins: hostDevice.plugins.map(({ type }) => ({ type, ipam: {} })) };
  const [first] = hostDevice.plugins;
  const read = { ...hostDevice, plugins: [first] };
  const Plugins = hostDevice.plugins.map((plugin) => ({ Bytes: base64(plugin) }));

  async function attachedBy430(list: object): Promise<Rig> {
    const rig = await attached();
    editEntry(rig, (entry) => ({
      ...entry,
      Conf: { ipam: {} },
      CNINetworkConfigList: list,
      Bytes: base64(projection),
    }));
    edit(cacheOf(rig), (cached) => ({ ...cached, config: base64(read) }));
    return rig;
  }

  test.each(["DEL", "CHECK"])("has its own keys at %s", async (command) => {
    using rig = await attachedBy430({ Name: "hd", Plugins, Bytes: base64(read) });
    await rig.run(command, { netconf: all });
    expect(given(rig)).toEqual(hostDevice.plugins);
  });

  test.each([
    ["a plugin", { Name: "hd", Plugins: [Plugins[0], { Bytes: "eyJ" }, Plugins[2]], Bytes: base64(read) }],
    ["libcni's list", { Name: "hd", Plugins, Bytes: "eyJ" }],
  ])("has those that are left of it where %s is torn", async (_what, list) => {
    using rig = await attachedBy430(list);
    await rig.run("DEL");
    expect(given(rig)).toEqual([first, { type: "tuning", ipam: {} }, { type: "sbr", ipam: {} }]);
  });
});

describe("without a plan", () => {
  test("a network whose definition has changed is undone as it was", async () => {
    using rig = await attached();
    rmSync(planOf(rig));
    const changed = hostDevice.plugins.map(({ type }) => ({ type, changed: "since then" }));
    rig.addNad("default/hd", { ...hostDevice, plugins: [...changed, { type: "bandwidth" }] });
    await rig.run("DEL", { annotations: selecting("hd") });
    expect(given(rig).slice(0, hostDevice.plugins.length)).toEqual(hostDevice.plugins);
  });
});

describe("a network that is plugged into the pod", () => {
  const plugged = { cniVersion: "1.0.0", name: "hd", plugins: hostDevice.plugins };
  const other = { ...plugged, plugins: [{ type: "host-device", device: "other" }] };

  test.each(["DEL", "CHECK"])(
    "has the plan's configuration at %s where the result cache has lost it",
    async (command) => {
      using rig = new Rig(kernels);
      await rig.run("ADD");
      await rig.delegate("ADD", "net1", plugged);
      edit(cacheOf(rig), (cached) => ({ ...cached, config: "" }));
      rig.plugins.calls.length = 0;
      expect((await rig.delegate(command, "net1", other)).exitCode).toBe(0);
      expect(given(rig)).toEqual(hostDevice.plugins);
    },
  );

  test("has its own version at the pod's DEL, also where a list says none", async () => {
    using rig = new Rig(kernels);
    await rig.run("ADD");
    const { cniVersion: _none, ...unversioned } = plugged;
    await rig.delegate("ADD", "net1", unversioned);
    await rig.run("DEL");
    const versions = rig.plugins.calls
      .filter(({ ifName }) => ifName === "net1")
      .map(({ stdin }) => stdin.cniVersion);
    expect(versions).toHaveLength(2 * hostDevice.plugins.length);
    expect(new Set(versions).size).toBe(1);
  });
});
