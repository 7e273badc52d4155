/** The runtime's configuration is right whatever the cluster network's file has, or there is none and a CNI error says why. */

import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ExpectedError } from "../../../src/base/input-error.ts";
import { parseNetworkConfig } from "../../../src/cni/config.ts";
import { supportedVersions } from "../../../src/cni/versions.ts";
import { loadKernels } from "../../../src/kernels/load.ts";
import { parseNetconf, podAnnotationsKey } from "../../../src/multus/input/netconf.ts";
import type { GeneratorOptions } from "../../../src/runtime-config/generate.ts";
import {
  ClusterNetworkSource,
  CopiedFileSource,
  type WantedFile,
} from "../../../src/runtime-config/sources.ts";
import { configText } from "../../generated/arbitraries/config.ts";
import { ScratchDirectory } from "../../support/scratch-directory.ts";

const kernels = loadKernels();

/** One that is mostly right, so that much of what is made is looked at. */
const network = fc
  .record({
    name: fc.oneof({ weight: 9, arbitrary: fc.stringMatching(/^[a-z0-9][a-z0-9_.-]{0,12}$/) }, fc.string()),
    cniVersion: fc.oneof({ weight: 9, arbitrary: fc.constantFrom(...supportedVersions) }, fc.string()),
    plugins: fc.array(
      fc.record({
        type: fc.oneof({ weight: 9, arbitrary: fc.constantFrom("bridge", "é", '"\\') }, fc.string()),
        capabilities: fc.dictionary(fc.string(), fc.boolean()),
        further: fc.jsonValue(),
      }),
      { minLength: 1, maxLength: 3 },
    ),
    further: fc.jsonValue(),
  })
  .map((value) => JSON.stringify(value));
const text = fc.oneof(
  { weight: 8, arbitrary: network },
  configText,
  network.map((config) => `\n ${config}\t`),
);
const mutated = fc.tuple(network, fc.nat(), fc.uint8Array({ maxLength: 3 })).map(([whole, at, piece]) => {
  const bytes = Buffer.from(whole);
  const place = at % bytes.length;
  return Buffer.concat([bytes.subarray(0, place), piece, bytes.subarray(place + 1)]);
});
const bytes = fc.oneof(
  { weight: 9, arbitrary: text.map((config) => Buffer.from(config)) },
  { weight: 3, arbitrary: mutated },
  fc.uint8Array(),
);

const version = fc.oneof(
  { weight: 9, arbitrary: fc.constantFrom("", "0.3.1", "1.0.0", "1.1.0") },
  fc.constantFrom("2.0.0", ...supportedVersions),
);
/** Of networks that are mostly lists. */
const ending = fc.oneof({ weight: 4, arbitrary: fc.constant("conflist") }, fc.constantFrom("conf", "json"));
const options: fc.Arbitrary<GeneratorOptions> = fc.record({
  form: fc.constantFrom("thick", "thin"),
  type: fc.constantFrom("multus", "multus-shim"),
  cniVersion: version,
  forceCniVersion: fc.boolean(),
  overrideNetworkName: fc.boolean(),
  capabilities: fc.dictionary(fc.oneof(fc.constant(podAnnotationsKey), fc.string()), fc.boolean()),
  netconfKeys: fc.oneof(
    {
      weight: 4,
      arbitrary: fc.record({
        binDir: fc.constant("/opt/cni/bin"),
        logLevel: fc.string(),
        further: fc.jsonValue(),
      }),
    },
    fc.dictionary(fc.constantFrom("name", "Plugins", "binDir", "cniVersion", "delegates"), fc.jsonValue()),
  ),
});

/** @returns undefined for a CNI error with something to read; anything else that is thrown is a bug */
function made(make: () => WantedFile | { readonly waitsFor: string }): WantedFile | undefined {
  try {
    const wanted = make();
    if ("waitsFor" in wanted) throw new Error(`waits for ${wanted.waitsFor}`);
    return wanted;
  } catch (error) {
    if (!(error instanceof ExpectedError)) throw error;
    expect(error.message).not.toBe("");
    return undefined;
  }
}

describe("a cluster network's file of any content", () => {
  it("gives a configuration that runtimes and Multus take, or a CNI error", () => {
    using directory = new ScratchDirectory();
    let right = 0;
    fc.assert(
      fc.property(bytes, ending, options, (content, extension, given) => {
        const path = directory.write(`10-cluster.${extension}`, content);
        const source = new ClusterNetworkSource(
          { directory: directory.path, name: `10-cluster.${extension}` },
          given,
          kernels,
        );
        const wanted = made(() => source.wanted());
        if (wanted === undefined) return;
        right += 1;
        const cluster = parseNetworkConfig(content, path, kernels);
        const written = parseNetworkConfig(wanted.bytes, "what was made", kernels);
        const { name, cniVersion, isList } = written;
        const [plugin] = written.plugins;
        expect(written).toMatchObject({
          name: given.overrideNetworkName ? cluster.name : "multus-cni-network",
          cniVersion: given.cniVersion || (cluster.saysVersion ? cluster.cniVersion : "1.0.0"),
          plugins: [{ type: given.type }],
        });
        expect(isList).toBe(given.form === "thin" && cniVersion.startsWith("1."));
        expect(wanted.fileName).toBe(isList ? "00-multus.conflist" : "00-multus.conf");
        // The stdin that a runtime gives the plugin.
        const stdin = kernels.mergeConfig({ plugin: plugin?.bytes ?? new Uint8Array(), name, cniVersion });
        const netconf = parseNetconf(stdin);
        if (given.form === "thick" && !given.forceCniVersion) {
          expect(netconf).toMatchObject({ clusterNetwork: path, delegates: [] });
        } else {
          const [delegate] = netconf.delegates;
          const copy = parseNetworkConfig(delegate ?? new Uint8Array(), "the copy", kernels);
          expect(copy.cniVersion).toBe(given.forceCniVersion ? given.cniVersion : cluster.cniVersion);
          expect([copy.name, copy.plugins.length]).toEqual([cluster.name, cluster.plugins.length]);
        }
        const wantedCapabilities = new Set([
          ...(given.capabilities[podAnnotationsKey] === false ? [] : [podAnnotationsKey]),
          ...Object.keys(given.capabilities).filter((capability) => given.capabilities[capability]),
          ...cluster.plugins.flatMap(({ capabilities }) => capabilities),
        ]);
        expect(new Set(plugin?.capabilities)).toEqual(wantedCapabilities);
      }),
      { numRuns: 600 },
    );
    // Else nothing of the above was looked at.
    expect(right).toBeGreaterThan(60);
  });

  it("is copied as it is where the user provides it, or refused with a CNI error", () => {
    using directory = new ScratchDirectory();
    let right = 0;
    fc.assert(
      fc.property(bytes, ending, (content, extension) => {
        const source = new CopiedFileSource(directory.write(`05-mine.${extension}`, content), kernels);
        const wanted = made(() => source.wanted());
        if (wanted === undefined) return;
        right += 1;
        expect(Buffer.compare(wanted.bytes, content)).toBe(0);
        expect(parseNetworkConfig(wanted.bytes, "it", kernels).isList).toBe(extension === "conflist");
      }),
      { numRuns: 300 },
    );
    expect(right).toBeGreaterThan(30);
  });
});
