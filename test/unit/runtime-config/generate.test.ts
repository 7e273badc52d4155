import { describe, expect, test } from "vitest";
import { parseNetworkConfig } from "../../../src/cni/config.ts";
import { supportedVersions } from "../../../src/cni/versions.ts";
import { loadKernels } from "../../../src/kernels/load.ts";
import { parseNetconf } from "../../../src/multus/input/netconf.ts";
import { chooseClusterNetwork, namedClusterNetwork } from "../../../src/runtime-config/files.ts";
import { type GeneratorOptions, generateRuntimeConfig } from "../../../src/runtime-config/generate.ts";
import { generatorOptions } from "../../support/generator-options.ts";
import { cniRefusal } from "../../support/refusal.ts";

const kernels = loadKernels();
const annotations = "io.kubernetes.cri.pod-annotations";
const path = "/etc/cni/net.d/10-flannel.conflist";

const flannel = {
  name: "cbr0",
  cniVersion: "0.3.1",
  plugins: [
    { type: "flannel", delegate: { isDefaultGateway: true } },
    { type: "portmap", capabilities: { portMappings: true, bandwidth: false } },
    { type: "bandwidth", capabilities: { bandwidth: true, portMappings: false } },
  ],
};

function generate(options: Partial<GeneratorOptions> = {}, config: unknown = flannel) {
  const text = typeof config === "string" ? config : JSON.stringify(config);
  const network = parseNetworkConfig(Buffer.from(text), path, kernels);
  const { fileName, bytes, cniVersion } = generateRuntimeConfig(
    { ...generatorOptions, ...options },
    { path, network },
  );
  const written = Buffer.from(bytes).toString();
  return { fileName, written, cniVersion, value: JSON.parse(written) };
}

describe("the form of Go multus's daemon", () => {
  test("names the cluster network's file, and asks for the capabilities of all its plugins and the pod's annotations", () => {
    const { fileName, written, cniVersion } = generate({ cniVersion: "0.3.1" });
    expect(fileName).toBe("00-multus.conf");
    expect(cniVersion).toBe("0.3.1");
    expect(written).toBe(`{
  "cniVersion": "0.3.1",
  "name": "multus-cni-network",
  "type": "multus",
  "capabilities": {"${annotations}":true,"portMappings":true,"bandwidth":true},
  "clusterNetwork": "${path}"
}
`);
  });

  test.each(supportedVersions)("is one plugin at %s too", (cniVersion) => {
    const { fileName, value } = generate({ cniVersion }, { ...flannel, cniVersion: "1.0.0" });
    expect([fileName, value.cniVersion, value.plugins]).toEqual(["00-multus.conf", cniVersion, undefined]);
  });

  test("takes the cluster network's version where none is given", () => {
    expect(generate().value.cniVersion).toBe("0.3.1");
    // A version that every runtime reads: the plugins are asked in which one the cluster network is run.
    expect(generate({}, { name: "n", type: "bridge" }).value.cniVersion).toBe("1.0.0");
    const list = { name: "n", cniVersion: "0.4.0", cniVersions: ["1.0.0"], plugins: [{ type: "bridge" }] };
    expect(generate({}, list).value.cniVersion).toBe("1.0.0");
  });

  test("carries further keys, but none that it makes itself", () => {
    const netconfKeys = {
      binDir: "/usr/lib/cni",
      daemonSocketDir: "/run/x",
      logOptions: { maxAge: 3 },
      logFile: undefined,
      cniDir: null,
      Name: "other",
      cniversion: "0.1.0",
      TYPE: "x",
      delegates: [{}],
      clusterNetwork: "x",
    };
    expect(generate({ netconfKeys, type: "multus-shim" }).value).toEqual({
      cniVersion: "0.3.1",
      name: "multus-cni-network",
      type: "multus-shim",
      capabilities: { [annotations]: true, portMappings: true, bandwidth: true },
      binDir: "/usr/lib/cni",
      daemonSocketDir: "/run/x",
      logOptions: { maxAge: 3 },
      clusterNetwork: path,
    });
  });

  test("takes the cluster network's name where it is told to", () => {
    expect(generate({ overrideNetworkName: true }).value.name).toBe("cbr0");
  });

  test("adds capabilities of its own, and asks for no annotations where they are refused", () => {
    const capabilities = { mac: true, ips: false, [annotations]: false, bandwidth: false };
    expect(generate({ capabilities }).value.capabilities).toEqual({
      mac: true,
      portMappings: true,
      bandwidth: true,
    });
  });

  test("has the capabilities of a single plugin", () => {
    const single = {
      name: "n",
      cniVersion: "1.0.0",
      type: "bridge",
      capabilities: { mac: true, ips: false },
    };
    expect(generate({}, single).value.capabilities).toEqual({ [annotations]: true, mac: true });
  });

  test("forces a version upon a copy of the cluster network", () => {
    const text = `{"name":"n","cniVersion":"0.2.0","cniVersions":["0.3.1"],"plugins":[{"type":"bridge","big":9007199254740993}]}`;
    const { fileName, written, value } = generate({ cniVersion: "1.0.0", forceCniVersion: true }, text);
    expect(fileName).toBe("00-multus.conf");
    expect(value.clusterNetwork).toBeUndefined();
    expect(value.delegates).toEqual([
      { name: "n", cniVersion: "1.0.0", plugins: [{ type: "bridge", big: expect.any(Number) }] },
    ]);
    expect(written).toContain("9007199254740993");
  });
});

describe("the form of Go multus's thin installer", () => {
  const kubeconfig = "/etc/cni/net.d/multus.d/multus.kubeconfig";

  test.each(supportedVersions)("has the cluster network in itself, at %s", (cniVersion) => {
    const cluster = { ...flannel, cniVersion };
    const { fileName, value } = generate({ form: "thin", netconfKeys: { kubeconfig } }, cluster);
    const plugin = {
      type: "multus",
      capabilities: { [annotations]: true, portMappings: true, bandwidth: true },
      kubeconfig,
      delegates: [cluster],
    };
    const head = { cniVersion, name: "multus-cni-network" };
    if (cniVersion.startsWith("1.")) {
      expect(fileName).toBe("00-multus.conflist");
      expect(value).toEqual({ ...head, plugins: [plugin] });
    } else {
      expect(fileName).toBe("00-multus.conf");
      expect(value).toEqual({ ...head, ...plugin });
    }
  });

  test.each([
    ["0.4.0", {}],
    ["1.0.0", { overrideNetworkName: true }],
    ["1.1.0", { forceCniVersion: true, cniVersion: "1.1.0" }],
  ])("is a configuration for runtimes, and its plugin a netconf, at %s", (cniVersion, options) => {
    const { written, value } = generate({ form: "thin", ...options }, { ...flannel, cniVersion });
    const network = parseNetworkConfig(Buffer.from(written), "it", kernels);
    expect(network).toMatchObject({ name: value.name, cniVersion, plugins: [{ type: "multus" }] });
    const [plugin] = network.plugins;
    const { name } = network;
    const stdin = kernels.mergeConfig({ plugin: plugin?.bytes ?? new Uint8Array(), name, cniVersion });
    expect(parseNetconf(stdin).delegates).toHaveLength(1);
  });
});

describe("the version for the runtime", () => {
  test.each(supportedVersions.flatMap((own) => supportedVersions.map((cluster) => [own, cluster] as const)))(
    "%s goes over a cluster network of %s, which keeps its own",
    (own, cluster) => {
      for (const form of ["thick", "thin"] as const) {
        const { cniVersion, value } = generate(
          { form, cniVersion: own },
          { ...flannel, cniVersion: cluster },
        );
        expect([cniVersion, value.cniVersion]).toEqual([own, own]);
        const { delegates } = value.plugins?.[0] ?? value;
        if (form === "thin") expect(delegates[0].cniVersion).toBe(cluster);
      }
      expect(
        generate({ cniVersion: own, forceCniVersion: true }, { ...flannel, cniVersion: cluster }).value
          .delegates[0].cniVersion,
      ).toBe(own);
    },
  );
});

test("a forced version is the only one of the copy, in any case of the keys", () => {
  const { value } = generate(
    { cniVersion: "1.1.0", forceCniVersion: true },
    { name: "n", CNIVersion: "0.3.1", CniVersions: ["0.4.0"], Plugins: [{ Type: "bridge" }] },
  );
  expect(value.delegates).toEqual([{ name: "n", Plugins: [{ Type: "bridge" }], cniVersion: "1.1.0" }]);
});

describe("invalid sources", () => {
  test.each([
    [{ cniVersion: "2.0.0" }, flannel, 1, /own configuration: cniVersion "2\.0\.0" is not supported/],
    [{ forceCniVersion: true }, flannel, 7, /forceCNIVersion needs cniVersion/],
    [{ type: "bin/multus" }, flannel, 7, /Multus's own type "bin\/multus" must be the file name/],
    [{ type: "mine" }, { name: "n", type: "mine" }, 7, /network "n": type "mine" is Multus itself/],
    [
      {},
      { name: "n", type: "multus" },
      7,
      /10-flannel\.conflist: network "n": type "multus" is Multus itself/,
    ],
    [
      {},
      { name: "n", cniVersion: "1.0.0", plugins: [{ type: "a" }, { type: "multus-shim" }] },
      7,
      /network "n": plugins\[1\]: type "multus-shim" is Multus itself/,
    ],
    [{}, { name: "n", type: "multusd" }, 7, /network "n": type "multusd" is Multus itself/],
    [{}, { name: "n", type: "_multus" }, 7, /network "n": type "_multus" is Multus itself/],
    [{}, { name: "n", type: "a", ipam: { type: "multus" } }, 7, /ipam\.type "multus" is Multus itself/],
    [
      { netconfKeys: { auxiliaryCNIChainName: "chain" }, form: "thin" as const },
      flannel,
      7,
      /auxiliaryCNIChainName needs the cluster network's file, and the thin form has a copy/,
    ],
    [
      { netconfKeys: { auxiliaryCNIChainName: "c" }, forceCniVersion: true, cniVersion: "1.0.0" },
      flannel,
      7,
      /and forceCNIVersion has a copy/,
    ],
    [{ netconfKeys: { binDir: 5 } }, flannel, 7, /made from \S+flannel\.conflist, is of no use: .*binDir/],
  ])("%j over %j is refused with code %i", (options, cluster, code, message) => {
    const error = cniRefusal(() => generate(options, cluster));
    expect(error.code).toBe(code);
    expect(error.message).toMatch(message);
  });
});

describe("the cluster network's file", () => {
  test.each([
    [["10-b.conflist", "05-a.conf"], "05-a.conf"],
    [["00-multus.conf", "00-multus.conflist", "00-multus-old.conf", "10-a.conf"], "10-a.conf"],
    [["01-a.json", "02-a.conf.bak", "README", "multus.d", "..data", "99-x.conflist"], "99-x.conflist"],
    [["00-multus.conf"], undefined],
    [[], undefined],
  ])("of %j is %s", (names, chosen) => {
    expect(chooseClusterNetwork(names)).toBe(chosen);
  });

  test("may be named, and is then never Multus's own", () => {
    expect(namedClusterNetwork("/d", "99-x.conf", "multusMasterCNI")).toBe("/d/99-x.conf");
    const error = cniRefusal(() => namedClusterNetwork("/d", "00-multus.conf", "multusMasterCNI"));
    expect(error).toMatchObject({
      code: 7,
      message: expect.stringMatching(/^multusMasterCNI 00-multus\.conf: files/),
    });
  });
});
