import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { parseNetworkConfig } from "../../../src/cni/config.ts";
import type { Kernels } from "../../../src/kernels/index.ts";
import { loadKernels } from "../../../src/kernels/load.ts";
import type { Delegate } from "../../../src/multus/plan/delegate.ts";
import { encodePlan } from "../../../src/multus/plan/plan-encoding.ts";
import { decodePlan } from "../../../src/multus/state/plan-decoding.ts";
import { readPlan, removePlan, writePlan } from "../../../src/multus/state/plan-file.ts";
import { cniRefusal } from "../../support/refusal.ts";
import { ScratchDirectory } from "../../support/scratch-directory.ts";

let kernels: Kernels;

beforeAll(() => {
  kernels = loadKernels();
});

function delegateOf(config: unknown, more: Partial<Delegate> = {}): Delegate {
  const network = parseNetworkConfig(Buffer.from(JSON.stringify(config)), "test", kernels);
  return { name: network.name, network, request: {}, isChainFile: false, ...more };
}

const single = { cniVersion: "1.0.0", name: "a", type: "macvlan", master: "eth1", ipam: { type: "static" } };
const list = {
  cniVersion: "1.0.0",
  name: "l",
  disableCheck: true,
  plugins: [
    { type: "bridge", ipam: { type: "host-local", subnet: "10.0.0.0/8" }, dns: { domain: "x" } },
    { type: "tuning", capabilities: { mac: true, ips: false }, sysctl: {} },
  ],
};

describe("a plan in Go multus's form", () => {
  test("has what Go's types know of a single plugin, and the whole configuration in Bytes", () => {
    const [entry] = JSON.parse(encodePlan([delegateOf(single, { name: "default/a" })]));
    expect(entry).toEqual({
      Conf: { cniVersion: "1.0.0", name: "a", type: "macvlan", ipam: { type: "static" } },
      ConfList: {},
      Name: "default/a",
      IsFilterV4Gateway: false,
      IsFilterV6Gateway: false,
      Bytes: Buffer.from(JSON.stringify(single)).toString("base64"),
    });
  });

  test("has a list's own keys and its plugins", () => {
    const [entry] = JSON.parse(encodePlan([delegateOf(list, { isChainFile: true })]));
    expect(entry).toMatchObject({
      Conf: { ipam: {} },
      ConfList: {
        cniVersion: "1.0.0",
        name: "l",
        disableCheck: true,
        plugins: [
          { type: "bridge", ipam: { type: "host-local" }, dns: { domain: "x" } },
          { type: "tuning", ipam: {}, capabilities: { mac: true, ips: false } },
        ],
      },
    });
  });

  test("has what was asked for, and comes back with it", () => {
    const request = {
      ifName: "data0",
      mac: "02:00:00:00:00:01",
      infinibandGUID: "24:8a:07:03:00:8d:ae:2e",
      ips: ["10.0.0.9/8"],
      deviceID: "0000:03:02.3",
      defaultRoute: ["10.0.0.1"],
    };
    const text = encodePlan([delegateOf(single, { request, resourceName: "intel.com/sriov" })]);
    expect(JSON.parse(text)[0]).toMatchObject({
      ifnameRequest: "data0",
      macRequest: "02:00:00:00:00:01",
      infinibandGUIDRequest: "24:8a:07:03:00:8d:ae:2e",
      ipRequest: ["10.0.0.9/8"],
      deviceID: "0000:03:02.3",
      resourceName: "intel.com/sriov",
      "default-route": ["10.0.0.1"],
      IsFilterV4Gateway: false,
      IsFilterV6Gateway: true,
    });
    expect(decodePlan(Buffer.from(text))).toMatchObject({
      problem: "",
      entries: [{ name: "a", request, resourceName: "intel.com/sriov" }],
    });
  });
});

describe("the configurations of an entry", () => {
  const bytes = (value: unknown) => Buffer.from(JSON.stringify(value)).toString("base64");

  /** Kind and value of each, in order. */
  function configurationsOf(entry: object): [string, unknown][] {
    const plan = decodePlan(Buffer.from(JSON.stringify([entry])));
    return (plan.entries[0]?.configurations ?? []).map(({ kind, text }) => [
      kind,
      JSON.parse(Buffer.from(text).toString("utf8")),
    ]);
  }

  test("are Bytes, then what Go's types kept of them", () => {
    const [entry] = JSON.parse(encodePlan([delegateOf(list)]));
    expect(configurationsOf(entry)).toEqual([
      ["whole", list],
      ["projection", entry.ConfList],
    ]);
  });

  test.each([
    ["with another character", (text: string) => text.replace(/^./u, "-")],
    ["with a line end", (text: string) => `${text.slice(0, 4)}\n${text.slice(4)}`],
    ["cut", (text: string) => text.slice(0, -1)],
    ["empty", () => ""],
    ["no text", (text: string) => [text]],
  ])("are not Bytes that are %s", (_what, damage) => {
    const [entry] = JSON.parse(encodePlan([delegateOf(list)]));
    expect(configurationsOf({ ...entry, Bytes: damage(entry.Bytes) })).toEqual([
      ["projection", entry.ConfList],
    ]);
  });

  const plugins = [{ type: "bridge", isGateway: true }, { type: "firewall" }];
  const projection = {
    name: "l",
    plugins: [
      { type: "bridge", ipam: {} },
      { type: "firewall", ipam: {} },
    ],
  };
  const read = { name: "l", extra: 1, plugins: [plugins[0]] };
  const chainFileOf430 = {
    Name: "l",
    Conf: { ipam: {} },
    ConfList: projection,
    Bytes: bytes(projection),
    CNINetworkConfigList: {
      Bytes: bytes(read),
      Plugins: plugins.map((plugin) => ({ Bytes: bytes(plugin) })),
    },
  };

  test("of a chain file by release 4.3.0 are libcni's list with the plugins of its subdirectory; Bytes are a projection", () => {
    expect(configurationsOf(chainFileOf430)).toEqual([
      ["whole", { ...read, plugins }],
      ["as-read", read],
      ["projection", projection],
      ["projection", projection],
    ]);
  });

  test("of a chain file by release 4.3.0 with a damaged plugin are the list as it was read, and the projection", () => {
    const Plugins = [{ Bytes: bytes(plugins[0]) }, { Bytes: "eyJ" }];
    const entry = { ...chainFileOf430, CNINetworkConfigList: { Bytes: bytes(read), Plugins } };
    expect(configurationsOf(entry)).toEqual([
      ["as-read", read],
      ["projection", projection],
      ["projection", projection],
    ]);
  });

  test("of a chain file by release 4.3.0 with a torn list are projections", () => {
    const CNINetworkConfigList = { Bytes: "eyJ", Plugins: [{ Bytes: "e30=" }] };
    expect(configurationsOf({ ...chainFileOf430, CNINetworkConfigList })).toEqual([
      ["projection", projection],
      ["projection", projection],
    ]);
  });

  test.each([
    ["null", null],
    ["empty, as of all that are no chain files", { Name: "", CNIVersion: "", Plugins: null, Bytes: null }],
  ])("with a list of release 4.3.0 that is %s begin with Bytes", (_what, CNINetworkConfigList) => {
    expect(configurationsOf({ Name: "a", Bytes: bytes(single), CNINetworkConfigList })).toEqual([
      ["whole", single],
    ]);
  });
});

describe("on disk", () => {
  test("a plan is written for the owner only, in a directory that is made for it, without leftovers", () => {
    using scratch = new ScratchDirectory("plan");
    const cniDir = join(scratch.path, "a", "b");
    writePlan(cniDir, "c1", [delegateOf(single)]);
    writePlan(cniDir, "c1", [delegateOf(single), delegateOf(list)]);
    expect(readdirSync(cniDir)).toEqual(["c1"]);
    expect(statSync(join(cniDir, "c1")).mode & 0o777).toBe(0o600);
    expect(readPlan(cniDir, "c1")?.entries).toHaveLength(2);
  });

  test("no plan is undefined, one that cannot be read is a plan with a problem", () => {
    using scratch = new ScratchDirectory("plan");
    expect(readPlan(scratch.path, "c1")).toBeUndefined();
    mkdirSync(join(scratch.path, "c1"));
    expect(readPlan(scratch.path, "c1")).toMatchObject({
      entries: [],
      problem: expect.stringMatching(/\S/u),
    });
  });

  test("nesting that a plan has no stack for is error 7 that names the network; elsewhere in a configuration it is no matter", () => {
    using directory = new ScratchDirectory("plan");
    const nested = (key: string) => {
      const text = `{"cniVersion":"1.0.0","name":"deep","type":"macvlan","${key}":${"[".repeat(9000)}${"]".repeat(9000)}}`;
      const network = parseNetworkConfig(Buffer.from(text), "test", kernels);
      return delegateOf(single, { name: network.name, network });
    };
    expect(cniRefusal(() => writePlan(directory.path, "c", [nested("dns")]))).toMatchObject({
      code: 7,
      message: expect.stringContaining("network deep: "),
    });
    expect(existsSync(join(directory.path, "c"))).toBe(false);
    writePlan(directory.path, "c", [nested("unknown")]);
    expect(readPlan(directory.path, "c")).toMatchObject({ problem: "" });
  });

  test("a plan that cannot be written is a file error that names the file", () => {
    using scratch = new ScratchDirectory("plan");
    const file = join(scratch.path, "file");
    writeFileSync(file, "");
    expect(cniRefusal(() => writePlan(file, "c1", [delegateOf(single)]))).toMatchObject({
      code: 5,
      message: expect.stringContaining(join(file, "c1")),
    });
    expect(readFileSync(file, "utf8")).toBe("");
  });

  test("removing is the same with and without a plan; a directory in its place is a file error", () => {
    using scratch = new ScratchDirectory("plan");
    writePlan(scratch.path, "c1", []);
    removePlan(scratch.path, "c1");
    expect(existsSync(join(scratch.path, "c1"))).toBe(false);
    removePlan(scratch.path, "c1");
    mkdirSync(join(scratch.path, "c2"));
    expect(() => removePlan(scratch.path, "c2")).toThrow(expect.objectContaining({ kind: "file" }));
  });
});
