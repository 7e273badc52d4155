/** Network configurations of any content, in bytes and in directories: taken as they were written, or refused with a CNI error that says where. */

import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { parseNetworkConfig } from "../../../src/cni/config.ts";
import { cniErrorOf } from "../../../src/cni/errors.ts";
import { NetworkConfigFiles } from "../../../src/cni/files.ts";
import { supportedVersions } from "../../../src/cni/versions.ts";
import { loadKernels } from "../../../src/kernels/load.ts";
import { ScratchDirectory } from "../../support/scratch-directory.ts";

const kernels = loadKernels();

const name = fc.stringMatching(/^[a-zA-Z0-9][a-zA-Z0-9_.-]{0,20}$/);
const pluginType = fc.stringMatching(/^[a-z][a-z0-9-]{0,12}$/);
const version = fc.constantFrom(...supportedVersions);
const ownKeys = fc.dictionary(
  fc.string().filter((key) => !/^(?:type|name|plugins|cni|capabilities|disable|ipam|load)/.test(key)),
  fc.jsonValue(),
);
const plugin = fc.record({ type: pluginType }).chain((base) => ownKeys.map((own) => ({ ...own, ...base })));
const single = fc
  .tuple(ownKeys, name, version, pluginType)
  .map(([own, network, cniVersion, type]) => ({ ...own, name: network, cniVersion, type }));
const list = fc
  .tuple(ownKeys, name, version, fc.array(plugin, { minLength: 1, maxLength: 4 }))
  .map(([own, network, cniVersion, plugins]) => ({ ...own, name: network, cniVersion, plugins }));

const mutated = fc
  .tuple(fc.oneof(single, list), fc.nat(), fc.uint8Array({ maxLength: 3 }))
  .map(([config, at, piece]) => {
    const whole = Buffer.from(JSON.stringify(config));
    const place = at % whole.length;
    return Buffer.concat([whole.subarray(0, place), piece, whole.subarray(place + 1)]);
  });
/** The right keys with wrong values. */
const misshapen = fc
  .record(
    {
      name: fc.oneof(name, fc.jsonValue()),
      cniVersion: fc.oneof(version, fc.jsonValue()),
      type: fc.oneof(pluginType, fc.jsonValue()),
      plugins: fc.oneof(fc.array(fc.oneof(plugin, fc.jsonValue())), fc.jsonValue()),
      cniVersions: fc.jsonValue(),
      capabilities: fc.jsonValue(),
      disableCheck: fc.jsonValue(),
      loadOnlyInlinedPlugins: fc.jsonValue(),
      ipam: fc.jsonValue(),
    },
    { requiredKeys: [] },
  )
  .map((config) => Buffer.from(JSON.stringify(config)));
const anything = fc.oneof(fc.uint8Array(), mutated, misshapen);

const parsed = (bytes: Uint8Array) => JSON.parse(Buffer.from(bytes).toString());

describe("a network configuration", () => {
  it("is taken as it was written", () => {
    fc.assert(
      fc.property(fc.oneof(single, list), fc.constantFrom(undefined, 2), (config, indent) => {
        const text = JSON.stringify(config, null, indent);
        const network = parseNetworkConfig(Buffer.from(text), "here", kernels);
        const written = JSON.parse(text);
        expect(network).toMatchObject({
          name: config.name,
          cniVersion: config.cniVersion,
          isList: "plugins" in config,
        });
        expect(network.plugins.map(({ bytes }) => parsed(bytes))).toEqual(
          "plugins" in config ? written.plugins : [written],
        );
        expect(parsed(network.bytes)).toEqual(written);
      }),
    );
  });

  it("is refused with a CNI error or has all that a chain needs, whatever the bytes", () => {
    fc.assert(
      fc.property(anything, (bytes) => {
        try {
          const network = parseNetworkConfig(bytes, "here", kernels);
          expect(network.name).toMatch(/^[a-zA-Z0-9][a-zA-Z0-9_.-]*$/);
          expect(supportedVersions).toContain(network.cniVersion);
          expect(network.plugins.length).toBeGreaterThan(0);
          for (const { type } of network.plugins) expect(type).toMatch(/^[^/\0]+$/);
        } catch (error) {
          const known = cniErrorOf(error);
          if (known === undefined) throw error;
          expect([1, 6, 7]).toContain(known.code);
          expect(known.message).toMatch(/^here: /);
        }
      }),
      { numRuns: 3000 },
    );
  });
});

describe("a directory of network configurations", () => {
  it("gives the network that was asked for, whatever lies beside it", () => {
    const files = fc.dictionary(
      fc.stringMatching(/^[a-z0-9]{1,6}\.(conf|json|conflist)$/),
      fc.oneof(
        anything,
        fc.oneof(single, list).map((config) => Buffer.from(JSON.stringify(config))),
      ),
    );
    fc.assert(
      fc.property(files, single, (content, wanted) => {
        using directory = new ScratchDirectory();
        for (const [file, bytes] of Object.entries(content)) directory.write(file, bytes);
        directory.write("zzzzzzz.conf", JSON.stringify(wanted));
        const found = new NetworkConfigFiles(kernels, () => {}).findByName(directory.path, wanted.name);
        expect(found?.name).toBe(wanted.name);
      }),
      { numRuns: 200 },
    );
  });
});
