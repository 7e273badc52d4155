/** Configurations that name no cniVersion, and netconfs that name none: in which version they are run and answered, and that every later command has the same. */

import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, beforeEach, describe, expect, test } from "vitest";
import { ExecutorError } from "../../../src/agent/executor.ts";
import type { Kernels } from "../../../src/kernels/index.ts";
import { loadKernels } from "../../../src/kernels/load.ts";
import { PretendedCluster } from "../../support/pretended-cluster.ts";
import type { Json } from "../../support/pretended-plugins.ts";
import { answerOf, containerId, Rig, selecting } from "./rig.ts";

let kernels: Kernels;
let cluster: PretendedCluster;

beforeAll(() => {
  kernels = loadKernels();
});

beforeEach(() => {
  cluster = new PretendedCluster();
});

function rigWith(networks = ""): Rig {
  cluster.addPod("default/web", networks === "" ? {} : selecting(networks));
  return new Rig(kernels, { clusters: cluster });
}

/** cniVersion that each plugin was given, by command and plugin. */
function given(rig: Rig): Json {
  const calls = rig.plugins.calls.map(({ command, plugin, stdin }) => [
    `${command} ${plugin}`,
    stdin.cniVersion,
  ]);
  return Object.fromEntries(calls);
}

const old = ["0.1.0", "0.2.0", "0.3.0", "0.3.1", "0.4.0"];

describe("a configuration without cniVersion", () => {
  test.each([
    ["a plugin", { type: "macvlan" }, {}],
    ["a plugin with an empty one", { type: "macvlan", cniVersion: "" }, {}],
    ["a list", { plugins: [{ type: "macvlan" }] }, {}],
    ["a plugin of an older one", { type: "macvlan" }, { macvlan: old }],
    [
      "a list whose plugins agree on an older one",
      { plugins: [{ type: "macvlan" }, { type: "tuning" }] },
      { tuning: old },
    ],
    ["a plugin of newer ones only", { type: "macvlan" }, { macvlan: ["1.1.0"] }],
  ] as const)("is run in the highest that netconf and plugins know: %s", async (_what, config, known) => {
    using rig = rigWith("l2");
    for (const [plugin, versions] of Object.entries(known)) rig.plugins.versions.set(plugin, versions);
    cluster.addNad("default/l2", config);
    rig.plugins.behaviour = ({ ifName, command, stdin }) =>
      command === "ADD"
        ? { stdout: { cniVersion: stdin.cniVersion, interfaces: [{ name: ifName, sandbox: "/x" }] } }
        : undefined;
    expect((await rig.run("ADD")).error).toBeUndefined();
    const [said] = Object.values(known);
    const version = said === undefined ? "1.0.0" : String(said.at(-1));
    expect(given(rig)["ADD macvlan"]).toBe(version);
    expect(cluster.status).toMatchObject([{ name: "cluster" }, { name: "default/l2", interface: "net1" }]);

    // The version is that of the ADD, and the result is given, whatever plugins and netconf know by then.
    rig.plugins.versions.clear();
    rig.restart();
    rig.plugins.asked.length = 0;
    const netconf = { cniVersion: "1.1.0" };
    for (const command of ["CHECK", "DEL"]) {
      const handled = await rig.run(command, { netconf });
      if (command === "DEL") expect(handled.error).toBeUndefined();
    }
    const deletion = rig.plugins.calls.find(
      ({ command, plugin }) => command === "DEL" && plugin === "macvlan",
    );
    expect(deletion?.stdin).toMatchObject({ cniVersion: version, prevResult: { cniVersion: version } });
    expect(rig.plugins.asked).toEqual([]);
  });

  test("of the cluster network, in a file, is run so too, and at STATUS", async () => {
    using rig = rigWith();
    rig.plugins.versions.set("bridge", ["0.4.0", "1.0.0", "1.1.0"]);
    const clusterNetwork = rig.writeFile("net.d/10-flat.conf", { name: "flat", type: "bridge" });
    const netconf = { delegates: undefined, clusterNetwork, cniVersion: "1.1.0" };
    const handled = await rig.run("ADD", { netconf });
    expect(answerOf(handled).cniVersion).toBe("1.1.0");
    expect(
      (await rig.run("STATUS", { netconf, request: { containerId: "", netns: "", ifName: "" } })).error,
    ).toBeUndefined();
    expect(given(rig)).toEqual({ "ADD bridge": "1.1.0", "STATUS bridge": "1.1.0" });
  });

  test("keeps it for GC", async () => {
    using rig = rigWith("l2");
    cluster.addNad("default/l2", { type: "macvlan" });
    await rig.run("ADD", { netconf: { cniVersion: "1.1.0" } });
    rig.plugins.calls.length = 0;
    const netconf = {
      cniVersion: "1.1.0",
      "cni.dev/valid-attachments": [{ containerID: containerId, ifname: "eth0" }],
    };
    const request = { containerId: "", netns: "", ifName: "" };
    expect((await rig.run("GC", { netconf, request })).error).toBeUndefined();
    expect(given(rig)["GC macvlan"]).toBe("1.1.0");
  });

  test("that is plugged into a running pod is plugged out in the same", async () => {
    using rig = rigWith();
    await rig.run("ADD");
    rig.plugins.calls.length = 0;
    rig.plugins.versions.set("macvlan", old);
    const network = { name: "video", type: "macvlan" };
    expect((await rig.delegate("ADD", "net7", network)).error).toBeUndefined();
    rig.plugins.versions.clear();
    expect((await rig.delegate("DEL", "net7", network)).error).toBeUndefined();
    expect(given(rig)).toEqual({ "ADD macvlan": "0.4.0", "DEL macvlan": "0.4.0" });
  });

  test("is undone in it where nothing but today's networks is known", async () => {
    using rig = rigWith("l2");
    rig.plugins.versions.set("macvlan", old);
    cluster.addNad("default/l2", { type: "macvlan" });
    expect((await rig.run("DEL")).error).toBeUndefined();
    expect(given(rig)).toEqual({ "DEL macvlan": "0.4.0", "DEL bridge": "1.0.0" });
  });

  test("has no say where it names one", async () => {
    using rig = rigWith("l2");
    cluster.addNad("default/l2", { cniVersion: "0.3.1", type: "macvlan" });
    await rig.run("ADD");
    expect(rig.plugins.asked).toEqual([]);
    expect(given(rig)["ADD macvlan"]).toBe("0.3.1");
  });
});

describe("plugins are asked", () => {
  const answered = async (rig: Rig): Promise<unknown> => {
    const { error } = await rig.run("ADD");
    await rig.run("DEL");
    return error?.message;
  };

  test("once for each state of their file", async () => {
    using rig = rigWith("l2");
    cluster.addNad("default/l2", { plugins: [{ type: "macvlan" }, { type: "macvlan" }] });
    rig.plugins.fileStates.set("macvlan", "1 2 3");
    for (let time = 0; time < 3; time++) expect(await answered(rig)).toBeUndefined();
    expect(rig.plugins.asked).toEqual(["macvlan"]);
    rig.plugins.fileStates.set("macvlan", "4 5 6");
    rig.plugins.versions.set("macvlan", old);
    expect(await answered(rig)).toBeUndefined();
    expect(rig.plugins.asked).toEqual(["macvlan", "macvlan"]);
    expect(given(rig)["ADD macvlan"]).toBe("0.4.0");
  });

  test("once by all requests that come at the same time", async () => {
    using rig = rigWith("l2");
    cluster.addNad("default/l2", { type: "macvlan" });
    rig.plugins.fileStates.set("macvlan", "1 2 3");
    const ids = Array.from({ length: 20 }, (_, index) => `c0ffee${index}`);
    const handled = await Promise.all(ids.map((id) => rig.run("ADD", { request: { containerId: id } })));
    expect(handled.map(({ exitCode }) => exitCode)).toEqual(ids.map(() => 0));
    expect(rig.plugins.asked).toEqual(["macvlan"]);
  });

  test("each time where the file's state is not known", async () => {
    using rig = rigWith("l2");
    cluster.addNad("default/l2", { type: "macvlan" });
    for (let time = 0; time < 2; time++) await rig.run("ADD");
    expect(rig.plugins.asked).toEqual(["macvlan", "macvlan"]);
  });

  test.each([
    [
      "does not know the command",
      { exitCode: 1, stdout: Buffer.from('{"code":4,"msg":"unknown CNI_COMMAND: VERSION"}') },
      "0.1.0",
    ],
    ["fails otherwise", { exitCode: 1, stdout: Buffer.from("no") }, "0.1.0"],
    ["says nothing", { stdout: Buffer.alloc(0) }, "0.1.0"],
    [
      "says no versions",
      { stdout: Buffer.from('{"cniVersion":"1.0.0","supportedVersions":[1,"7.0.0"]}') },
      "0.1.0",
    ],
    ["says something endless", { stdout: Buffer.alloc(70_000, '"') }, "0.1.0"],
    ["is of 0.2.0, which has no list", { stdout: Buffer.from('{"cniVersion":"0.2.0"}') }, "0.2.0"],
    ["cannot be asked by an older shim", new ExecutorError("refused", "which does not belong"), "0.1.0"],
  ])("one that %s counts as one of the oldest", async (_what, answer, version) => {
    using rig = rigWith("l2");
    cluster.addNad("default/l2", { type: "macvlan" });
    rig.plugins.versions.set("macvlan", answer);
    expect((await rig.run("ADD")).error).toBeUndefined();
    expect(given(rig)["ADD macvlan"]).toBe(version);
  });

  test("and an ADD fails before it has made anything where one is not there", async () => {
    using rig = rigWith("l2");
    cluster.addNad("default/l2", { type: "macvlan" });
    rig.plugins.versions.set("macvlan", new ExecutorError("not-found", "no executable file"));
    const { error } = await rig.run("ADD");
    expect(error).toMatchObject({
      code: 7,
      message:
        '[default/web/u-1:default/l2]: plugin "macvlan" (VERSION): not found in /opt/cni/bin, /usr/lib/cni',
    });
    expect(rig.plugins.calls).toEqual([]);
    expect(existsSync(join(rig.cniDir, containerId))).toBe(false);
    expect((await rig.run("DEL")).error).toBeUndefined();
  });

  test("and an ADD fails where a list's plugins have no version in common", async () => {
    using rig = rigWith("l2");
    cluster.addNad("default/l2", { plugins: [{ type: "macvlan" }, { type: "tuning" }] });
    rig.plugins.versions.set("macvlan", ["0.3.1"]).set("tuning", ["1.0.0"]);
    expect((await rig.run("ADD")).error).toMatchObject({
      code: 1,
      message: expect.stringContaining("network l2: its configuration names no cniVersion"),
    });
  });
});

describe("a netconf without cniVersion", () => {
  test("is answered in the cluster network's, and further networks are run in that at most", async () => {
    using rig = rigWith("l2");
    cluster.addNad("default/l2", { type: "macvlan" });
    const netconf = {
      cniVersion: undefined,
      delegates: [{ cniVersion: "0.3.1", name: "cluster", type: "bridge" }],
    };
    const handled = await rig.run("ADD", { netconf });
    expect(answerOf(handled)).toMatchObject({ cniVersion: "0.3.1", interfaces: [{ name: "eth0" }] });
    expect(given(rig)).toEqual({ "ADD bridge": "0.3.1", "ADD macvlan": "0.3.1" });
  });

  test("over a cluster network without one: 1.0.0 at most, which every runtime reads", async () => {
    using rig = rigWith();
    const netconf = { cniVersion: undefined, delegates: [{ name: "cluster", type: "bridge" }] };
    expect(answerOf(await rig.run("ADD", { netconf })).cniVersion).toBe("1.0.0");
  });

  test("has no CHECK, as the spec has it for 0.1.0", async () => {
    using rig = rigWith();
    expect((await rig.run("CHECK", { netconf: { cniVersion: undefined } })).error).toMatchObject({ code: 1 });
  });
});

describe("a result's own version", () => {
  const l2 = { cniVersion: "1.0.0", interfaces: [{ name: "net1", sandbox: "/x" }] };

  test("counts, whatever its configuration says", async () => {
    using rig = rigWith("l2");
    cluster.addNad("default/l2", { cniVersion: "0.2.0", type: "macvlan" });
    const text = JSON.stringify(l2);
    rig.plugins.behaviour = ({ plugin, command }) =>
      plugin === "macvlan" && command === "ADD" ? { stdout: text } : undefined;
    expect((await rig.run("ADD")).error).toBeUndefined();
    expect(cluster.status).toMatchObject([{}, { name: "default/l2", interface: "net1" }]);
    const cached = readFileSync(join(rig.cniDir, "results", `l2-${containerId}-net1`), "utf8");
    expect(cached).toContain(`"result":${text}`);
  });

  test("goes on to the next plugin; DEL gets the result in the network's", async () => {
    using rig = rigWith("l2");
    cluster.addNad("default/l2", { cniVersion: "0.4.0", plugins: [{ type: "macvlan" }, { type: "tuning" }] });
    rig.plugins.behaviour = ({ plugin, command, stdin }) =>
      command === "ADD" && plugin === "macvlan"
        ? { stdout: l2 }
        : command === "ADD" && plugin === "tuning"
          ? { stdout: stdin.prevResult }
          : undefined;
    expect((await rig.run("ADD")).error).toBeUndefined();
    await rig.run("DEL");
    const given = rig.plugins.calls.filter(({ plugin }) => plugin === "tuning");
    expect(given.map(({ stdin }) => stdin.prevResult)).toEqual([l2, { ...l2, cniVersion: "0.4.0", dns: {} }]);
  });

  test("is the answer's where it has no form in the netconf's", async () => {
    using rig = rigWith();
    rig.plugins.behaviour = ({ command }) => (command === "ADD" ? { stdout: l2 } : undefined);
    const handled = await rig.run("ADD", { netconf: { cniVersion: "0.2.0" } });
    expect(answerOf(handled)).toEqual(l2);
  });
});
