/** The work that a NetworkAttachmentDefinition of up to 1 MiB makes the daemon do is in proportion to its length. */

import { describe, expect, test } from "vitest";
import * as yaml from "yaml";
import { largeTurnsOf } from "../../../src/base/large-work.ts";
import { parseNetworkConfig } from "../../../src/cni/config.ts";
import { NetworkConfigFiles } from "../../../src/cni/files.ts";
import { loadKernels } from "../../../src/kernels/load.ts";
import { keptNad } from "../../../src/kube/nads.ts";
import { parseNetconf } from "../../../src/multus/input/netconf.ts";
import { refusedPlugin } from "../../../src/multus/input/own-plugin.ts";
import { parseManifests } from "../../../src/multus/plan/manifests.ts";
import type { Nad } from "../../../src/multus/plan/nads.ts";
import { NetworkCatalog } from "../../../src/multus/plan/networks.ts";
import { memoryOf, ParsedNetworks } from "../../../src/multus/plan/parsed-networks.ts";
import { entryLength } from "../../../src/multus/plan/plan-encoding.ts";
import { growth, linear, refused, type Work } from "../../support/growth.ts";
import { filled } from "./filled.ts";

const kernels = loadKernels();
const longest = 1024 * 1024;
const sizes = [longest / 8, longest];
const encode = (text: string) => new TextEncoder().encode(text);

/** Parsed, and put into a plan. */
function used(config: Uint8Array): Work {
  return () => {
    const network = parseNetworkConfig(config, "test", kernels, { name: "a" });
    const delegate = { name: "default/a", network, request: {}, isChainFile: false };
    return entryLength(delegate);
  };
}

describe("spec.config", () => {
  test.each<readonly [string, (length: number) => string]>([
    [
      "with large plugins",
      (length) => filled('{"plugins":[', () => `{"type":"a","x":"${"y".repeat(1_100)}"}`, "]}", length),
    ],
    [
      "with a capability again and again",
      (length) => filled('{"type":"a","capabilities":{', () => '"mac":true', "}}", length),
    ],
    [
      "with many capabilities",
      (length) => filled('{"type":"a","capabilities":{', (index) => `"k${index}":true`, "}}", length),
    ],
    ["with many keys", (length) => filled('{"type":"a",', (index) => `"k${index}":1`, "}", length)],
    ["with one key again and again", (length) => filled("{", () => '"type":"a"', "}", length)],
    [
      "with lists of plugins again and again",
      (length) => filled("{", () => '"plugins":[{"type":"a"}]', "}", length),
    ],
    [
      "with many versions",
      (length) => filled('{"plugins":[{"type":"a"}],"cniVersions":[', () => '"1.0.0"', "]}", length),
    ],
    [
      "with a long list of DNS servers",
      (length) => filled('{"type":"a","dns":{"nameservers":[', () => '"10.0.0.1"', "]}}", length),
    ],
    ["with escapes", (length) => `{"type":"a","x":"${"\\u0061".repeat((length - 19) / 6)}"}`],
    ["with blanks", (length) => `{"type":"a"${" ".repeat(length - 12)}}`],
    ["with lines", (length) => `{"type":"a"${"\n".repeat(length - 12)}}`],
  ])("%s is taken in proportion to its length", (_, textOf) => {
    expect(growth({ sizes, work: (size) => used(encode(textOf(size))) })).toBeLessThan(linear);
  });

  test.each<readonly [string, (length: number) => string]>([
    ["of one object", (length) => filled('{"type":"a","x":{', () => '"type":"m"', "}}", length)],
    ["of many objects", (length) => filled('{"type":"a","x":[', () => '{"type":"m"}', "]}", length)],
    [
      "of objects below a long key",
      (length) => {
        const key = "k".repeat(length / 2);
        return filled(`{"type":"a","${key}":[`, () => '{"type":"m"}', "]}", length);
      },
    ],
    [
      "of objects below long keys in turn",
      (length) => {
        const key = "k".repeat(length / 2);
        return filled(`{"type":"a","${key}":[`, () => '{"type":"m","i":{"type":"m"}}', "]}", length);
      },
    ],
    [
      "with a long key for each",
      (length) => filled('{"type":"a","x":{', () => `"${"k".repeat(1_000)}":{"type":"m"}`, "}}", length),
    ],
  ])("is looked through for types %s in proportion to its length", (_, textOf) => {
    const suspicious = (length: number) => encode(textOf(length - 16).replace("{", '{"y":"multus",'));
    const work = (length: number) => {
      const bytes = suspicious(length);
      return () => refusedPlugin({ type: "a", bytes, capabilities: [], ipamType: "" });
    };
    expect(growth({ sizes: [longest / 64, longest / 8], work })).toBeLessThan(linear);
  });

  test.each<readonly [string, (length: number) => string]>([
    ["with too many plugins", (length) => filled('{"plugins":[', () => '{"type":"a"}', "]}", length)],
    ["with plugins that are none", (length) => filled('{"plugins":[', () => "1", "]}", length)],
    [
      "with a wrong capability at its end",
      (length) => filled('{"type":"a","capabilities":{', (index) => `"k${index}":true`, ',"z":1}}', length),
    ],
    ["with an endless name", (length) => `{"type":"a","name":"${"n".repeat(length - 23)}!"}`],
    ["with an endless type", (length) => `{"type":"${"/".repeat(length - 11)}"}`],
    [
      "with a wrong version at its end",
      (length) => filled('{"plugins":[{"type":"a"}],"cniVersions":[', () => '"1.0.0"', ',"x"]}', length),
    ],
    ["nested too deeply", (length) => `{"type":"a","x":${"[".repeat(length / 2)}${"]".repeat(length / 2)}}`],
    ["that is torn", (length) => filled('{"type":"a",', (index) => `"k${index}":1`, "", length)],
    ["that is not UTF-8 at its end", (length) => `{"type":"a","x":"${"y".repeat(length)}\udc80"`],
    [
      "with an error behind long keys",
      (length) => `{"${"k".repeat(length / 2)}":{"${"l".repeat(length / 2)}":}}`,
    ],
  ])("%s is refused in proportion to its length", (_, textOf) => {
    expect(growth({ sizes, work: (size) => refused(used(encode(textOf(size)))) })).toBeLessThan(linear);
  });

  test("of an object of the API is kept in proportion to its length", () => {
    const work = (size: number) => {
      const config = filled('{"type":"a",', (index) => `"k${index}":1`, "}", size);
      return () => keptNad({ spec: { config } }, "default", "a").config;
    };
    expect(growth({ sizes, work })).toBeLessThan(linear);
  });
});

describe("cni-args", () => {
  const nadOf = (config: string): Nad => ({
    namespace: "default",
    name: "a",
    config: encode(config),
    annotations: {},
    where: "NAD default/a",
  });
  const netconf = parseNetconf(encode('{"name":"n","clusterNetwork":"a","cniVersion":"1.0.0"}'));

  async function select(config: string, cniArgs: string) {
    const catalog = new NetworkCatalog(kernels, new NetworkConfigFiles(kernels, () => {}));
    const source = { get: async () => nadOf(config) };
    const nads = {
      source,
      onMissing() {},
      onInvalid() {},
      onPassedOver() {},
      largeWork: largeTurnsOf("ADD", ""),
    };
    return catalog.selected("default", "a", encode(cniArgs), netconf, nads);
  }

  test("are merged in proportion to them and to the plugins", () => {
    const work = (size: number) => {
      const config = encode(
        `{"plugins":[${Array(size).fill('{"type":"a","args":{"cni":{"k1":2,"other":3}}}').join()}]}`,
      );
      const cniArgs = encode(filled("{", (index) => `"k${index}":1`, "}", 1_000));
      return () => kernels.adjustConfig({ config, cniArgs });
    };
    expect(growth({ sizes: [128, 1024], work })).toBeLessThan(linear);
    const workOfArgs = (size: number) => {
      const args = filled("{", (index) => `"k${index}":1`, "}", size);
      const config = encode(`{"type":"a","args":{"cni":${args}}}`);
      return () => kernels.adjustConfig({ config, cniArgs: encode(args) });
    };
    expect(growth({ sizes: [32_768, 262_144], work: workOfArgs })).toBeLessThan(linear);
  });

  test("that would be 200 KB in each of a thousand plugins are refused before they are written", async () => {
    const config = `{"plugins":[${Array(1_000).fill('{"type":"a"}').join()}]}`;
    const cniArgs = `{"a":"${"x".repeat(200_000)}"}`;
    await expect(select(config, cniArgs)).rejects.toMatchObject({
      code: 7,
      message: expect.stringMatching(
        /^NAD default\/a with what is selected for it: cni-args go into each of its 1000 plugins, which makes 2000\d{5} bytes, and at most 4194304 are allowed$/,
      ),
    });
    await expect(select('{"type":"a"}', cniArgs)).resolves.toMatchObject({ name: "default/a" });
  });
});

describe("the memory of networks that were used", () => {
  const network = (plugins: number) =>
    parseNetworkConfig(
      encode(`{"name":"a","plugins":[${Array(plugins).fill('{"type":"a"}').join()}]}`),
      "test",
      kernels,
    );

  test("has a bound, whatever they are; what was used last stays", () => {
    const kept = new ParsedNetworks<number, object>(1_000_000);
    const parsed = network(100);
    const size = memoryOf(parsed, parsed.bytes.length);
    kept.set(0, parsed, size);
    for (let key = 1; key < 1_000; key++) {
      kept.set(key, parsed, size);
      expect(kept.get(0)).toBe(parsed);
      expect(kept.used).toBeLessThanOrEqual(1_000_000);
    }
    expect(kept.get(1)).toBeUndefined();
    expect(kept.get(999)).toBe(parsed);
  });

  test("does not hold one that would push out all others", () => {
    const kept = new ParsedNetworks<string, object>(1_000_000);
    kept.set("small", {}, 1_000);
    kept.set("large", {}, 600_000);
    expect(kept.get("large")).toBeUndefined();
    expect(kept.get("small")).toEqual({});
    kept.set("small", {}, 600_000);
    expect(kept.used).toBe(0);
  });

  test("is counted as what it takes: objects for each plugin, not only its bytes", () => {
    const parsed = network(1_000);
    expect(memoryOf(parsed, parsed.bytes.length)).toBeGreaterThan(20 * parsed.bytes.length);
  });
});

describe("manifests of a directory", () => {
  const nad = (name: string, config: string) =>
    `apiVersion: k8s.cni.cncf.io/v1\nkind: NetworkAttachmentDefinition\nmetadata: {name: ${name}}\nspec: {config: '${config}'}\n`;

  test.each<readonly [string, (count: number) => string]>([
    [
      "of many documents",
      (count) => Array.from({ length: count }, (_, index) => nad(`a${index}`, "{}")).join("---\n"),
    ],
    ["of a list", (count) => `kind: List\nitems:\n${"- {kind: Pod}\n".repeat(count)}`],
    [
      "of objects without a name",
      (count) =>
        Array(8 * count)
          .fill("kind: NetworkAttachmentDefinition\n")
          .join("---\n"),
    ],
    [
      "with many annotations",
      (count) =>
        `${nad("a", "{}")}x:\n${Array.from({ length: 32 * count }, (_, index) => `  k${index}: 1\n`).join("")}`,
    ],
  ])("%s are read in proportion to their length", (_, textOf) => {
    const work = (size: number) => {
      const text = textOf(size);
      return () => parseManifests(yaml, text, "test.yaml");
    };
    expect(growth({ sizes: [32, 256], work })).toBeLessThan(linear);
  });

  test("with aliases that expand without end are refused", () => {
    const bomb = ["a: &a [x,x,x,x,x,x,x,x,x]"];
    for (let level = 1; level < 12; level++) {
      const [name, before] = [level, level - 1].map((each) => String.fromCharCode(97 + each));
      bomb.push(`${name}: &${name} [${Array(9).fill(`*${before}`).join()}]`);
    }
    const { broken, entries } = parseManifests(yaml, bomb.join("\n"), "bomb.yaml");
    expect(entries.size).toBe(0);
    expect(broken).toEqual([
      expect.objectContaining({ kind: "content", message: expect.stringContaining("alias") }),
    ]);
  });
});
