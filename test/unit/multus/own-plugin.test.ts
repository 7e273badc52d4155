/** Multus is never a plugin of a network, whichever way a network comes: it would take the network's configuration for its own, and run what that says. */

import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { parseNetworkConfig } from "../../../src/cni/config.ts";
import type { Kernels } from "../../../src/kernels/index.ts";
import { loadKernels } from "../../../src/kernels/load.ts";
import { refusedPlugin, refusedPluginOf } from "../../../src/multus/input/own-plugin.ts";
import type { Clock } from "../../../src/multus/request/readiness.ts";
import { PretendedCluster } from "../../support/pretended-cluster.ts";
import type { Json } from "../../support/pretended-plugins.ts";
import { RecordingLogger } from "../../support/recording-logger.ts";
import { answerOf, containerId, type RequestOptions, Rig, selecting } from "./rig.ts";

let kernels: Kernels;

beforeAll(() => {
  kernels = loadKernels();
});

/** The netconf of an attacker: a program that the nested Multus would run as root. */
const attack: Json = {
  cniVersion: "1.0.0",
  type: "multus",
  daemonCommand: ["/bin/sh", "-c", "touch /tmp/owned"],
  daemonSocketDir: "/nosuch",
};
const macvlan: Json = { cniVersion: "1.0.0", type: "macvlan" };

/** The plugin of a configuration as the daemon takes it apart. */
function problemOf(text: string, ownType?: string): string | undefined {
  const [plugin] = kernels.splitConfig(Buffer.from(text)).plugins;
  if (plugin === undefined) throw new Error(`${text} has no plugin`);
  return refusedPlugin(plugin, ownType);
}

describe("a plugin is refused", () => {
  test.each([
    "multus",
    "multus-shim",
    "multusd",
    "multusctl",
    "multus-daemon",
    "_multus",
    "multus.old",
    "multus~",
    ".multus",
    ".multus.before-multus-wasm",
    ".bridge",
    "...",
    ".",
    "..",
    "/opt/cni/bin/bridge",
    "a/b",
    "a\0",
    "p".repeat(256),
  ])("with the name %j", (type) => {
    expect(problemOf(JSON.stringify({ type }))).toMatch(
      /Multus itself|begins with a dot|must be the file name/,
    );
  });

  test.each(["bridge", "multi", "multus2", "my-multus-like", "p".repeat(255), "a.b", "passthru"])(
    "not with the name %j",
    (type) => expect(problemOf(JSON.stringify({ type }))).toBeUndefined(),
  );

  test("with the name that the netconf gives Multus", () => {
    expect(problemOf('{"type":"mine"}', "mine")).toMatch(/type "mine" is Multus itself/);
    expect(problemOf('{"type":"mine"}', "multus")).toBeUndefined();
  });

  test.each([
    ['{"type":"a","ipam":{"type":"multus"}}', /ipam\.type "multus" is Multus/],
    ['{"type":"a","IPAM":{"TYPE":"multus"}}', /ipam\.type "multus" is Multus/],
    ['{"type":"a","ipam":{"type":"multus"},"ipam":{"type":"host-local"}}', /ipam\.type "multus"/],
    ['{"type":"a","ipam":{"type":"multus"},"ipam":{}}', /ipam\.type "multus"/],
    ['{"type":"a","ipam":{"type":"host-local"},"Ipam":{"type":"multus-shim"}}', /ipam\.type "multus-shim"/],
    ['{"type":"a","ipam":{"type":"host-local","Type":"multus"}}', /ipam\.type "multus"/],
    [String.raw`{"type":"a","ipam":{"type":"mult\u0075s"}}`, /ipam\.type "multus"/],
    [String.raw`{"type":"a","\u0069pam":{"t\u0079pe" : "multus"}}`, /ipam\.type "multus"/],
    ['{"type":"a","ipam":{"type":".x"}}', /ipam\.type "\.x" begins with a dot/],
    ['{"type":"flannel","delegate":{"type":"multus"}}', /delegate\.type "multus"/],
    ['{"type":"flannel","delegate":{"type":".multus.new"}}', /delegate\.type "\.multus\.new" begins/],
    ['{"type":"flannel","delegate":{"type":"bridge","ipam":{"type":"multus"}}}', /ipam\.type "multus"/],
    ['{"type":"meta","delegates":[{"type":"bridge"},{"type":"multus"}]}', /delegates\.type "multus"/],
    ['{"type":"meta","a":[[{"b":{"Type":"multusd"}}]]}', /b\.type "multusd"/],
    ['{"type":"bridge","TYPE":"multus"}', /a type within it, "multus"/],
  ])("that would run it: %s", (text, says) => {
    expect(problemOf(text)).toMatch(says);
  });

  test.each([
    '{"type":"a","ipam":{"type":"host-local"}}',
    '{"type":"a","ipam":{}}',
    '{"type":"a","ipam":{"type":"static","addresses":[{"address":"10.0.0.1/8"}]},"note":"multus"}',
    '{"type":"a","name":"multus","bridge":"multus","path":".hidden"}',
    String.raw`{"type":"a","comment":"\"type\":\"multus\""}`,
    '{"type":"a","log":{"type":".file"}}',
    '{"type":"a","sysctl":{"type":["multus"]},"x":"multus"}',
    '{"type":"flannel","delegate":{"type":"bridge","isDefaultGateway":true}}',
    '{"type":"a","deep":{"type":5},"multus":"type"}',
  ])("not one that only has the word in it: %s", (text) => {
    expect(problemOf(text)).toBeUndefined();
  });

  test("also from a configuration as deep and as long as it may be", () => {
    const depth = 9_000;
    const deep = `{"type":"a","x":${"[".repeat(depth)}{"type":"multus"}${"]".repeat(depth)}}`;
    expect(problemOf(deep)).toMatch(/"multus" is Multus/);
    const long = `{"type":"a","x":"${String.raw`\"`.repeat(400_000)}","ipam":{"type":"multus"}}`;
    expect(problemOf(long)).toMatch(/ipam\.type "multus"/);
  });

  test("with its place in the list", () => {
    const text = '{"cniVersion":"1.0.0","name":"n","plugins":[{"type":"a"},{"type":"multus"}]}';
    expect(refusedPluginOf(parseNetworkConfig(Buffer.from(text), "x", kernels))).toMatch(
      /^plugins\[1\]: type/,
    );
  });
});

interface Way {
  readonly about: string;
  readonly says: RegExp;
  prepare(rig: Rig): RequestOptions;
}

const asLaterPlugin = { cniVersion: "1.0.0", plugins: [macvlan, attack] };
const fromFile = (rig: Rig, clusterNetwork: string): Json => ({
  delegates: undefined,
  clusterNetwork: rig.path(clusterNetwork),
});

const ways: readonly Way[] = [
  {
    about: "a NetworkAttachmentDefinition",
    says: /default\/evil.*NAD default\/evil: network "evil": type "multus" is Multus itself/,
    prepare: (rig) => {
      rig.addNad("default/evil", attack);
      return { annotations: selecting("evil") };
    },
  },
  {
    about: "a later plugin of one",
    says: /NAD default\/evil: network "evil": plugins\[1\]: type "multus"/,
    prepare: (rig) => {
      rig.addNad("default/evil", asLaterPlugin);
      return { annotations: selecting("evil") };
    },
  },
  {
    about: "one behind a good network",
    says: /default\/evil/,
    prepare: (rig) => {
      rig.addNad("default/good", macvlan);
      rig.addNad("default/evil", attack);
      return { annotations: selecting("good,evil") };
    },
  },
  {
    about: "one with what a pod asks for it",
    says: /default\/evil/,
    prepare: (rig) => {
      rig.addNad("default/evil", attack);
      return { annotations: selecting([{ name: "evil", "cni-args": { a: 1 } }]) };
    },
  },
  {
    about: "one as the pod's default network",
    says: /kube-system\/evil/,
    prepare: (rig) => {
      rig.addNad("kube-system/evil", attack);
      return { annotations: { "v1.multus-cni.io/default-network": "evil" } };
    },
  },
  {
    about: "one that gives addresses",
    says: /ipam\.type "multus"/,
    prepare: (rig) => {
      rig.addNad("default/evil", { ...macvlan, ipam: attack });
      return { annotations: selecting("evil") };
    },
  },
  {
    about: "a file for an empty definition",
    says: /default\/evil/,
    prepare: (rig) => {
      rig.addNad("default/evil", undefined);
      rig.writeFile("net.d/evil.conf", { ...attack, name: "evil" });
      return { annotations: selecting("evil") };
    },
  },
  {
    about: "a default network's file",
    says: /defaultNetworks\[0\] evil: network "evil": type "multus"/,
    prepare: (rig) => {
      rig.writeFile("net.d/evil.conf", { ...attack, name: "evil" });
      rig.writeFile("cluster.conf", { ...macvlan, name: "cluster" });
      return { netconf: { ...fromFile(rig, "cluster.conf"), defaultNetworks: ["evil"] } };
    },
  },
  {
    about: "the cluster network's file",
    says: /clusterNetwork \/.*cluster\.conf: network "n": type "multus"/,
    prepare: (rig) => {
      rig.writeFile("cluster.conf", { ...attack, name: "n" });
      return { netconf: fromFile(rig, "cluster.conf") };
    },
  },
  {
    about: "the cluster network's directory, whose first file is Multus's",
    says: /clusterNetwork .*etc: network "multus-cni-network": type "multus-shim"/,
    prepare: (rig) => {
      rig.writeFile("etc/00-multus.conf", { ...attack, type: "multus-shim", name: "multus-cni-network" });
      rig.writeFile("etc/10-cluster.conf", { ...macvlan, name: "cluster" });
      return { netconf: fromFile(rig, "etc") };
    },
  },
  {
    about: "a plugin of the list's subdirectory",
    says: /network "n": plugins\[1\]: type "multus"/,
    prepare: (rig) => {
      rig.writeFile("c/10.conflist", { cniVersion: "1.0.0", name: "n", plugins: [macvlan] });
      rig.writeFile("c/n/10.conf", attack);
      return { netconf: fromFile(rig, "c/10.conflist") };
    },
  },
  {
    about: "a plugin of the auxiliary chain",
    says: /auxiliary chain aux: network "aux": plugins\[1\]: type "multus"/,
    prepare: (rig) => {
      rig.writeFile("c/10.conf", { ...macvlan, name: "n" });
      rig.writeFile("c/aux/10.conf", attack);
      return { netconf: { ...fromFile(rig, "c/10.conf"), auxiliaryCNIChainName: "aux" } };
    },
  },
  {
    about: "an inline delegate",
    says: /delegates\[1\] of the netconf: network "evil": type "multus"/,
    prepare: () => ({
      netconf: {
        delegates: [
          { ...macvlan, name: "cluster" },
          { ...attack, name: "evil" },
        ],
      },
    }),
  },
];

describe("an ADD is refused, and nothing is run or written, for Multus as", () => {
  test.each(ways)("$about", async ({ says, prepare }) => {
    using rig = new Rig(kernels);
    const handled = await rig.run("ADD", prepare(rig));
    expect(answerOf(handled)).toMatchObject({ code: 7, msg: expect.stringMatching(says) });
    expect(rig.plugins.calls).toEqual([]);
    expect(existsSync(join(rig.cniDir, containerId))).toBe(false);
  });

  test("a network that is plugged into a running pod; its DEL succeeds", async () => {
    using rig = new Rig(kernels);
    for (const network of [
      { ...attack, name: "evil" },
      { ...asLaterPlugin, name: "evil" },
    ]) {
      for (const command of ["ADD", "CHECK", "STATUS"]) {
        const handled = await rig.delegate(command, "net5", network);
        expect(answerOf(handled)).toMatchObject({
          code: 7,
          msg: expect.stringMatching(/network "evil": .*type "multus" is Multus/),
        });
      }
    }
    expect(rig.plugins.calls).toEqual([]);
    expect((await rig.delegate("DEL", "net5", { ...attack, name: "evil" })).exitCode).toBe(0);
    expect((await rig.delegate("DEL", "net5", { ...asLaterPlugin, name: "evil" })).exitCode).toBe(0);
    expect(rig.plugins.trace).toEqual(["DEL macvlan net5"]);
  });

  test("the cluster network before it waits for its readiness", async () => {
    let slept = 0;
    const clock: Clock = {
      now: () => slept,
      sleep: async (milliseconds) => {
        slept += milliseconds;
      },
    };
    for (const netconf of [
      { delegates: [{ ...attack, name: "evil" }] },
      { delegates: undefined, clusterNetwork: "FILE" },
    ]) {
      using rig = new Rig(kernels, { clock });
      const file = rig.writeFile("c/00-multus.conf", { ...attack, name: "evil" });
      const clusterNetwork = netconf.clusterNetwork && file;
      const readinessindicatorfile = rig.path("ready");
      const handled = await rig.run("ADD", {
        netconf: { ...netconf, clusterNetwork, readinessindicatorfile },
      });
      expect(answerOf(handled)).toMatchObject({ code: 7, msg: expect.stringContaining("is Multus itself") });
    }
    expect(slept).toBe(0);
  });

  test("a definition of a cluster, and the pod's events say so", async () => {
    const cluster = new PretendedCluster();
    cluster.addPod("default/web", selecting("evil"));
    cluster.addNad("default/evil", attack);
    using rig = new Rig(kernels, { clusters: cluster });
    expect((await rig.run("ADD")).exitCode).toBe(1);
    expect(cluster.reasons).toEqual([
      expect.stringMatching(/^InvalidNetwork NetworkAttachmentDefinition default\/evil: .*is Multus itself/),
    ]);
  });
});

/** A plan's entry as Go multus 4.3 writes it. */
function entryOf(name: string, config: Json): Json {
  const isList = "plugins" in config;
  const { cniVersion } = config;
  return {
    Conf: isList ? { cniVersion, name, ipam: {} } : { cniVersion, name, type: config.type, ipam: {} },
    ConfList: isList ? { cniVersion, name, plugins: config.plugins } : {},
    Name: `default/${name}`,
    IsFilterV4Gateway: false,
    IsFilterV6Gateway: false,
    Bytes: Buffer.from(JSON.stringify({ ...config, name })).toString("base64"),
  };
}

const cluster: Json = { cniVersion: "1.0.0", type: "bridge" };

function writeGoPlan(rig: Rig, ...entries: readonly Json[]): void {
  mkdirSync(rig.cniDir, { recursive: true });
  writeFileSync(join(rig.cniDir, containerId), JSON.stringify(entries));
}

describe("DEL passes over Multus, runs the others and succeeds", () => {
  test("by a plan that Go multus left", async () => {
    using rig = new Rig(kernels);
    writeGoPlan(rig, entryOf("cluster", cluster), entryOf("evil", attack), entryOf("good", macvlan));
    const log = new RecordingLogger();
    expect(await rig.run("DEL", { log })).toMatchObject({ exitCode: 0, error: undefined });
    expect(rig.plugins.trace).toEqual(["DEL macvlan net2", "DEL bridge eth0"]);
    expect(existsSync(join(rig.cniDir, containerId))).toBe(false);
    expect(log.errors).toEqual(["DEL skips a plugin"]);
  });

  test.each<readonly [string, Json]>([
    ["a later plugin", asLaterPlugin],
    ["a program in a directory", { cniVersion: "1.0.0", plugins: [macvlan, { type: "../../bin/sh" }] }],
    ["one that is being installed", { cniVersion: "1.0.0", plugins: [{ type: ".multus.x" }, macvlan] }],
    ["no name at all", { cniVersion: "1.0.0", plugins: [{ type: "" }, macvlan] }],
  ])("where it is %s of a list", async (_about, config) => {
    using rig = new Rig(kernels);
    writeGoPlan(rig, entryOf("cluster", cluster), entryOf("evil", config));
    expect((await rig.run("DEL")).exitCode).toBe(0);
    expect(rig.plugins.trace).toEqual(["DEL macvlan net1", "DEL bridge eth0"]);
    expect(existsSync(join(rig.cniDir, containerId))).toBe(false);
  });

  test("where it is the cluster network", async () => {
    using rig = new Rig(kernels);
    writeGoPlan(rig, entryOf("evil", attack), entryOf("good", macvlan));
    const file = rig.writeFile("etc/00-multus.conf", { ...attack, name: "evil" });
    const netconf = { delegates: undefined, clusterNetwork: file };
    expect((await rig.run("DEL", { netconf })).exitCode).toBe(0);
    expect(rig.plugins.trace).toEqual(["DEL macvlan net1"]);
    // Once more, with nothing left but the netconf, and with the pod's annotations.
    rig.addNad("default/good", macvlan);
    rig.plugins.calls.length = 0;
    expect((await rig.run("DEL", { netconf, annotations: selecting("good") })).exitCode).toBe(0);
    expect(rig.plugins.trace).toEqual(["DEL macvlan net1"]);
  });

  test("by the result cache, and by what the pod would get today", async () => {
    using rig = new Rig(kernels);
    rig.addNad("default/a", macvlan);
    const annotations = selecting("a");
    expect((await rig.run("ADD", { annotations })).exitCode).toBe(0);
    // The plan is torn, and the definition has got Multus as a plugin since.
    writeFileSync(join(rig.cniDir, containerId), "[");
    rig.addNad("default/a", asLaterPlugin);
    rig.plugins.calls.length = 0;
    expect((await rig.run("DEL", { annotations })).exitCode).toBe(0);
    expect(rig.plugins.trace).toEqual(["DEL macvlan net1", "DEL bridge eth0"]);
    rig.plugins.calls.length = 0;
    // Nothing is left: only guesses.
    expect((await rig.run("DEL", { annotations })).exitCode).toBe(0);
    expect(rig.plugins.trace).toEqual(["DEL macvlan net1", "DEL bridge eth0"]);
  });

  test("after an ADD that was refused, at once", async () => {
    using rig = new Rig(kernels);
    rig.addNad("default/evil", attack);
    const annotations = selecting("evil");
    expect((await rig.run("ADD", { annotations })).exitCode).toBe(1);
    expect((await rig.run("DEL", { annotations })).exitCode).toBe(0);
    expect(rig.plugins.calls).toEqual([]);
  });
});

describe("the other commands", () => {
  const version = { cniVersion: "1.1.0" };

  test("CHECK passes over it: Go multus may have left such a pod running", async () => {
    using rig = new Rig(kernels);
    expect(
      (await rig.run("ADD", { netconf: { delegates: [{ ...cluster, name: "cluster" }] } })).exitCode,
    ).toBe(0);
    writeGoPlan(rig, entryOf("cluster", cluster), entryOf("evil", asLaterPlugin));
    rig.plugins.calls.length = 0;
    expect((await rig.run("CHECK", { netconf: { checkDelegates: "all" } })).exitCode).toBe(0);
    expect(rig.plugins.trace).toEqual(["CHECK bridge eth0", "CHECK macvlan net1"]);
  });

  test("STATUS fails where it is the cluster network", async () => {
    using rig = new Rig(kernels);
    for (const cniVersion of ["1.0.0", "1.1.0"]) {
      const netconf = { ...version, delegates: [{ ...attack, cniVersion, name: "evil" }] };
      const handled = await rig.run("STATUS", { netconf });
      expect(answerOf(handled)).toMatchObject({
        code: 50,
        msg: expect.stringMatching(/network evil: plugins\[0\]: type "multus" is Multus itself/),
      });
    }
    expect(rig.plugins.calls).toEqual([]);
  });

  test("GC passes over it", async () => {
    using rig = new Rig(kernels);
    writeGoPlan(rig, entryOf("cluster", cluster), entryOf("evil", asLaterPlugin));
    const list = { ...version, name: "own", plugins: [{ type: "bridge" }, attack] };
    const netconf = { ...version, delegates: [list], "cni.dev/valid-attachments": [] };
    const request = { containerId: "", netns: "", ifName: "", args: "" };
    expect((await rig.run("GC", { netconf, request })).exitCode).toBe(0);
    expect(rig.plugins.trace).toEqual(["DEL macvlan net1", "DEL bridge eth0", "GC bridge "]);
    expect(existsSync(join(rig.cniDir, containerId))).toBe(false);
  });
});
