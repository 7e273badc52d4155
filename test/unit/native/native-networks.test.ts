/** Native ADD and DEL: one order for all attachments, or nothing, and the plugins. */

import { readdirSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import {
  ExecutorError,
  type ExecutorErrorCode,
  type MadeLink,
  type NativeLink,
} from "../../../src/agent/executor.ts";
import { largeTurnsOf } from "../../../src/base/large-work.ts";
import { ResultCache } from "../../../src/cni/cache.ts";
import { addNetworkList, type ChainContext } from "../../../src/cni/chain.ts";
import { PluginVersions } from "../../../src/cni/plugin-versions.ts";
import { supportedVersions } from "../../../src/cni/versions.ts";
import { loadKernels } from "../../../src/kernels/load.ts";
import type { LogFields, Logger } from "../../../src/log/logger.ts";
import { silentLogger } from "../../../src/log/logger.ts";
import { addNatively, deleteNatively, type WantedAttachment } from "../../../src/native/native-networks.ts";
import { madeOf } from "../../support/native-link.ts";
import { PretendedPlugins } from "../../support/pretended-plugins.ts";
import { ScratchDirectory } from "../../support/scratch-directory.ts";
import { attachment, bridge, hostLocal, type Json, macvlan, network, ptp, staticIpam } from "./networks.ts";

const kernels = loadKernels();

const mac = Uint8Array.of(2, 0, 0, 0, 0, 1);
const made = async (links: readonly NativeLink[]): Promise<readonly MadeLink[]> => links.map(madeOf);

class Setup implements Disposable {
  readonly directory = new ScratchDirectory();
  readonly cache = new ResultCache(this.directory.path, silentLogger);
  readonly plugins = new PretendedPlugins();
  readonly reasons: unknown[] = [];
  readonly context: ChainContext;

  constructor() {
    for (const plugin of ["bridge", "macvlan", "ptp", "tuning", "host-local", "static"])
      this.plugins.fileStates.set(plugin, "1");
    this.plugins.attach = made;
    this.plugins.detach = async () => {};
    const verbose = (_message: string, { reason }: LogFields = {}) => void this.reasons.push(reason);
    const log: Logger = { ...silentLogger, verbose };
    this.context = {
      executor: this.plugins,
      kernels,
      path: "/opt/cni/bin",
      cache: this.cache,
      timeoutOf: () => 5000,
      refusal: ({ type, bytes }) =>
        type === "refused" || Buffer.from(bytes).includes("mtu") ? "it is never run" : undefined,
      versions: new PluginVersions(),
      largeWork: largeTurnsOf("ADD", ""),
      log,
    };
  }

  get cached(): string[] {
    return readdirSync(join(this.directory.path, "results"));
  }

  [Symbol.dispose](): void {
    this.directory[Symbol.dispose]();
  }
}

let networks = 0;
/** An attachment of a network that no other test has: reasons are logged once for each network. */
function wanted(config: Json, ifName = "net1"): WantedAttachment {
  networks += 1;
  return { list: network({ name: `n${networks}`, ...config }), runtime: { ...attachment, ifName } };
}
const both = () => [wanted(bridge(hostLocal()), "eth0"), wanted(macvlan(staticIpam()), "net1")];
const said = (results: readonly Uint8Array[] | undefined) =>
  results?.map((bytes) => JSON.parse(Buffer.from(bytes).toString()));

describe("a native ADD", () => {
  it("is one order for all attachments, which names the plugins' files", async () => {
    using setup = new Setup();
    const results = await addNatively(setup.context, both());
    expect(said(results)).toMatchObject([
      {
        interfaces: [{ name: "cni0" }, { name: "veth0" }, { name: "eth0", mac: "02:00:00:00:00:01" }],
        ips: [{ address: "10.1.255.254/16", gateway: "10.1.0.1", interface: 2 }],
      },
      { interfaces: [{ name: "net1", sandbox: "/run/netns/web" }], ips: [{ address: "10.1.0.5/16" }] },
    ]);
    expect(setup.plugins.attached).toMatchObject([
      {
        netns: "/run/netns/web",
        plugins: ["bridge", "host-local", "macvlan", "static"].map((plugin) => ({
          plugin,
          path: "/opt/cni/bin",
          fileState: "1",
        })),
        links: [{ ifName: "eth0" }, { ifName: "net1" }],
      },
    ]);
    expect(setup.plugins.calls).toEqual([]);
    expect(setup.reasons).toEqual([]);
  });

  it("names tuning's file as well, and prints its MAC address as it is written", async () => {
    using setup = new Setup();
    const tuned = { type: "tuning", mac: "02:00:00:00:00:0A" };
    const both = [
      wanted({ plugins: [ptp(), { type: "tuning" }] }, "eth0"),
      wanted({ plugins: [bridge({ bridge: "net1" }), tuned] }),
    ];
    const results = said(await addNatively(setup.context, both));
    expect(setup.reasons).toEqual([]);
    expect(results).toMatchObject([
      {
        interfaces: [{ name: "veth0" }, { name: "eth0", mac: "02:00:00:00:00:01" }],
        ips: [{ address: "10.1.255.254/16", gateway: "10.1.0.1", interface: 1 }],
      },
      { interfaces: [{ name: "net1", mac: tuned.mac }, { name: "veth0" }, { name: "net1", mac: tuned.mac }] },
    ]);
    const [{ plugins = [], links = [] } = {}] = setup.plugins.attached;
    expect(plugins).toMatchObject(["ptp", "host-local", "tuning", "bridge"].map((plugin) => ({ plugin })));
    expect(links).toMatchObject([{ kind: "ptp" }, { kind: "bridge", backups: "/run/cni/tuning" }]);
    expect(await deleteNatively(setup.context, both)).toBe(true);
    expect(setup.plugins.detached[0]?.links).toMatchObject([
      { ifName: "eth0", kind: "ptp", backups: undefined },
      { ifName: "net1", kind: "bridge", backups: "/run/cni/tuning", mac: Uint8Array.of(2, 0, 0, 0, 0, 10) },
    ]);
  });

  it("caches what addNetworkList caches", async () => {
    using setup = new Setup();
    const one = wanted(bridge());
    const [result] = (await addNatively(setup.context, [one])) ?? [];
    const key = { networkName: one.list.name, containerId: "c0ffee", ifName: "net1" };
    const native = setup.cache.read(key);
    setup.plugins.behaviour = () => ({ stdout: Buffer.from(result ?? []).toString() });
    await addNetworkList(setup.context, one.list, one.runtime);
    expect(setup.plugins.trace).toEqual(["ADD bridge net1"]);
    expect(native).toEqual(setup.cache.read(key));
    expect(native?.result).toBeDefined();
  });

  it("asks each plugin once for the versions that it knows, and then no more", async () => {
    using setup = new Setup();
    await addNatively(setup.context, both());
    await addNatively(setup.context, both());
    expect(setup.plugins.asked).toEqual(["bridge", "host-local", "macvlan", "static"]);
    expect(setup.plugins.attached).toHaveLength(2);
  });

  it("of nothing is nothing", async () => {
    using setup = new Setup();
    expect(await addNatively(setup.context, [])).toEqual([]);
    expect(setup.plugins.attached).toEqual([]);
  });

  it.each<[string, () => readonly WantedAttachment[], string]>([
    [
      "a configuration that is not understood",
      () => [...both(), wanted({ type: "host-device" }, "net2")],
      'type "host-device" is not one of bridge, macvlan, ptp',
    ],
    ["a plugin that is refused", () => [wanted(bridge({ mtu: 5 }))], "it is never run"],
    [
      "two of one interface name",
      () => [wanted(bridge()), wanted(bridge())],
      "two attachments have the same interface name",
    ],
    [
      "two namespaces",
      () => {
        const other = wanted(bridge(), "net2");
        return [wanted(bridge()), { ...other, runtime: { ...other.runtime, netns: "/run/netns/other" } }];
      },
      "the container has attachments in more than one network namespace",
    ],
    [
      "more than an order has room for",
      () => Array.from({ length: 65 }, (_, index) => wanted(bridge(), `net${index}`)),
      "the container has more than 64 attachments",
    ],
    [
      "an interface name that is none",
      () => [wanted(bridge(), "a/b")],
      "has a slash, a colon, a percent sign, white space or a control character",
    ],
  ])("leaves %s to the plugins, without an order", async (_what, attachments, reason) => {
    using setup = new Setup();
    expect(await addNatively(setup.context, attachments())).toBeUndefined();
    expect(setup.reasons).toEqual([reason]);
    expect(setup.plugins.attached).toEqual([]);
    expect(setup.plugins.asked).toEqual([]);
  });

  it("logs a reason once for each network", async () => {
    using setup = new Setup();
    const chain = wanted({ type: "host-device" });
    for (const ifName of ["net1", "net2"]) {
      await addNatively(setup.context, [{ ...chain, runtime: { ...chain.runtime, ifName } }]);
    }
    expect(setup.reasons).toHaveLength(1);
  });

  it.each<[string, (setup: Setup) => void, string]>([
    [
      "knows a version less",
      ({ plugins }) => plugins.versions.set("static", supportedVersions.slice(0, -1)),
      "plugin static does not answer VERSION as the plugins do that are known",
    ],
    [
      "knows a version more",
      ({ plugins }) => plugins.versions.set("static", [...supportedVersions, "1.2.0"]),
      "plugin static does not answer VERSION as the plugins do that are known",
    ],
    [
      "changes at this moment",
      ({ plugins }) => plugins.fileStates.delete("macvlan"),
      "plugin macvlan does not answer VERSION as the plugins do that are known",
    ],
    [
      "is not there",
      ({ plugins }) => plugins.versions.set("bridge", new ExecutorError("not-found", "nowhere")),
      "plugin bridge: not-found: nowhere",
    ],
  ])("leaves all to the plugins where one %s", async (_what, arrange, reason) => {
    using setup = new Setup();
    arrange(setup);
    expect(await addNatively(setup.context, both())).toBeUndefined();
    expect(setup.reasons).toEqual([reason]);
    expect(setup.plugins.attached).toEqual([]);
  });

  it.each<ExecutorErrorCode>(["unsuited", "link-exists", "netns", "refused", "failed"])(
    "leaves all to the plugins after the error %s, and looks at their files the next time",
    async (code) => {
      using setup = new Setup();
      setup.plugins.attach = () => Promise.reject(new ExecutorError(code, "bridge cni0: no such link"));
      expect(await addNatively(setup.context, both())).toBeUndefined();
      expect(setup.reasons).toEqual([`${code}: bridge cni0: no such link`]);
      setup.plugins.fileStates.set("macvlan", "2");
      setup.plugins.attach = made;
      expect(await addNatively(setup.context, both())).toHaveLength(2);
      // Only the file that has changed is asked again.
      expect(setup.plugins.asked.slice(4)).toEqual(["macvlan"]);
      expect(setup.plugins.attached.at(-1)?.plugins).toContainEqual(
        expect.objectContaining({ plugin: "macvlan", fileState: "2" }),
      );
    },
  );

  it.each([
    ["gone", 11],
    ["timeout", 999],
  ] as const)("fails where it is not known what was done: %s", async (code, cniCode) => {
    using setup = new Setup();
    setup.plugins.attach = () => Promise.reject(new ExecutorError(code, "the shim"));
    await expect(addNatively(setup.context, both())).rejects.toMatchObject({ code: cniCode });
  });

  it("fails where the other end goes while a plugin is asked, and not where the plugin does not answer", async () => {
    using setup = new Setup();
    setup.plugins.versions.set("static", new ExecutorError("gone", "the shim"));
    await expect(addNatively(setup.context, both())).rejects.toMatchObject({ code: 11 });
    setup.plugins.versions.set("static", new ExecutorError("timeout", "no end"));
    expect(await addNatively(setup.context, both())).toBeUndefined();
    expect(setup.reasons).toEqual(["plugin static: timeout: no end"]);
  });

  it("fails where the answer is about other addresses", async () => {
    using setup = new Setup();
    setup.plugins.attach = async (links) => (await made(links)).map((link) => ({ ...link, addresses: [] }));
    await expect(addNatively(setup.context, both())).rejects.toMatchObject({ code: 999 });
  });

  it("throws what is no answer of an executor", async () => {
    using setup = new Setup();
    setup.plugins.attach = () => Promise.reject(new Error("defect"));
    await expect(addNatively(setup.context, both())).rejects.toThrow("defect");
  });
});

describe("a native DEL", () => {
  it("is one order for all attachments, with the MAC addresses of their results, and their cache entries go", async () => {
    using setup = new Setup();
    const attachments = both();
    await addNatively(setup.context, attachments);
    expect(setup.cached).toHaveLength(2);
    expect(await deleteNatively(setup.context, attachments)).toBe(true);
    const [first] = attachments;
    expect(setup.plugins.detached).toEqual([
      {
        netns: "/run/netns/web",
        links: [
          {
            ifName: "eth0",
            kind: "bridge",
            mac: mac,
            directory: `/var/lib/cni/networks/${first?.list.name}`,
          },
          { ifName: "net1", kind: "macvlan", mac: mac, directory: undefined },
        ],
      },
    ]);
    expect(setup.cached).toEqual([]);
    expect(setup.plugins.calls).toEqual([]);
  });

  it.each([
    ["no JSON", "{"],
    ["no object", "[]"],
    ["an interface of another container", '{"interfaces":[{"name":"net1","mac":"02:00:00:00:00:01"}]}'],
    ["no such address", '{"interfaces":[{"name":"net1","sandbox":"/x","mac":"02:00"}]}'],
    [
      "too much",
      `{"interfaces":[{"name":"net1","sandbox":"/x","mac":"02:00:00:00:00:01"}]${" ".repeat(65_536)}}`,
    ],
  ])("goes without a MAC address where the cached result has %s", async (_what, result) => {
    using setup = new Setup();
    const one = wanted(macvlan());
    const cached = {
      ...one.runtime,
      networkName: one.list.name,
      config: one.list.bytes,
      result: Buffer.from(result),
    };
    expect(await deleteNatively(setup.context, [{ ...one, cached }])).toBe(true);
    expect(setup.plugins.detached[0]?.links).toEqual([
      { ifName: "net1", kind: "macvlan", mac: undefined, directory: undefined },
    ]);
  });

  it("without a namespace is an order too", async () => {
    using setup = new Setup();
    const one = wanted(bridge(hostLocal()));
    const runtime = { ...one.runtime, netns: "" };
    expect(await deleteNatively(setup.context, [{ ...one, runtime }])).toBe(true);
    expect(setup.plugins.detached).toMatchObject([{ netns: "", links: [{ ifName: "net1" }] }]);
  });

  it("leaves all to the plugins after an error, and keeps the cache entries", async () => {
    using setup = new Setup();
    const attachments = both();
    await addNatively(setup.context, attachments);
    setup.plugins.detach = () => Promise.reject(new ExecutorError("unsuited", "net1 is a dummy"));
    expect(await deleteNatively(setup.context, attachments)).toBe(false);
    expect(setup.reasons).toEqual(["unsuited: net1 is a dummy"]);
    expect(setup.cached).toHaveLength(2);
  });

  it("leaves all to the plugins where one is not native, or another program", async () => {
    using setup = new Setup();
    expect(
      await deleteNatively(setup.context, [wanted(bridge()), wanted({ type: "host-device" }, "net2")]),
    ).toBe(false);
    setup.plugins.versions.set("bridge", ["1.0.0"]);
    expect(await deleteNatively(setup.context, [wanted(bridge())])).toBe(false);
    expect(setup.plugins.detached).toEqual([]);
  });

  it("fails where the other end is gone", async () => {
    using setup = new Setup();
    setup.plugins.detach = () => Promise.reject(new ExecutorError("gone", "the shim"));
    await expect(deleteNatively(setup.context, both())).rejects.toMatchObject({ code: 11 });
  });

  it("of nothing is done", async () => {
    using setup = new Setup();
    expect(await deleteNatively(setup.context, [])).toBe(true);
    expect(setup.plugins.detached).toEqual([]);
  });
});
