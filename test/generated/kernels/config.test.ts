/** The configuration kernels say what their TypeScript twins say, and keep what they do not touch byte for byte. */

import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type ConfigParts, KernelError } from "../../../src/kernels/index.ts";
import { loadKernels } from "../../../src/kernels/load.ts";
import * as twin from "../../reference/config.ts";
import { argumentsText, configText, pluginText } from "../arbitraries/config.ts";
import { canonical, characters, jsonText } from "../arbitraries/json.ts";

const kernels = loadKernels();
const encode = (text: string): Uint8Array => new TextEncoder().encode(text);
const decode = (bytes: Uint8Array): string => new TextDecoder("utf-8", { fatal: true }).decode(bytes);
const bytes = (text: fc.Arbitrary<string>) => text.map(encode);

const configs = bytes(configText);
const plugins = bytes(pluginText);
const name = fc.oneof(fc.constantFrom("net-a", "", 'é\u0000"\\'), characters);
const runs = { numRuns: 3000 };

/** A function's outcome for an input: JSON in one spelling, or a refusal. */
function outcome(work: () => Uint8Array): string {
  try {
    return canonical(JSON.parse(decode(work())));
  } catch (error) {
    if (error instanceof KernelError) return "refused";
    throw error;
  }
}

function splitOutcome(work: () => ConfigParts): string {
  try {
    const parts = work();
    const plugins = parts.plugins.map((plugin) => ({
      ...plugin,
      capabilities: plugin.capabilities.toSorted(),
      bytes: JSON.parse(decode(plugin.bytes)) as unknown,
    }));
    return canonical({ ...parts, plugins });
  } catch (error) {
    if (error instanceof KernelError) return "refused";
    throw error;
  }
}

describe("kernel and twin", () => {
  it("split alike", () => {
    fc.assert(
      fc.property(configs, (config) => {
        expect(splitOutcome(() => kernels.splitConfig(config))).toBe(
          splitOutcome(() => twin.splitConfig(config)),
        );
      }),
      runs,
    );
  });

  it("adjust alike", () => {
    const input = fc.record(
      { config: configs, defaultName: name, cniArgs: bytes(argumentsText), deviceId: name },
      { requiredKeys: ["config"] },
    );
    fc.assert(
      fc.property(input, (given) => {
        expect(outcome(() => kernels.adjustConfig(given))).toBe(outcome(() => twin.adjustConfig(given)));
      }),
      runs,
    );
  });

  it("merge alike", () => {
    const input = fc.record(
      {
        plugin: plugins,
        name,
        cniVersion: name,
        prevResult: bytes(argumentsText),
        runtimeConfig: bytes(argumentsText),
        validAttachments: bytes(fc.array(jsonText, { maxLength: 3 }).map((items) => `[${items.join()}]`)),
      },
      { requiredKeys: ["plugin", "name", "cniVersion"] },
    );
    fc.assert(
      fc.property(input, (given) => {
        expect(outcome(() => kernels.mergeConfig(given))).toBe(outcome(() => twin.mergeConfig(given)));
      }),
      runs,
    );
  });
});

describe("bytes that a kernel does not touch", () => {
  it("comes out of merge and adjust as it was written", () => {
    // Keys that no kernel knows, any values, blanks and spellings included.
    const members = fc.array(fc.tuple(fc.nat(), jsonText), { minLength: 1, maxLength: 5 });
    fc.assert(
      fc.property(members, fc.boolean(), (unknown, asList) => {
        const texts = unknown.map(([number, value], index) => `"x${index}-${number}" : ${value}`);
        const plugin = `{"type":"a","name":"b",${texts.join(' , "cniVersion":"1.0.0",')},"args":{}}`;
        const config = asList ? `{"name":"","plugins":[${plugin},${plugin}]}` : plugin;
        const merged = decode(
          kernels.mergeConfig({ plugin: encode(plugin), name: "n", cniVersion: "1.1.0" }),
        );
        const adjusted = decode(
          kernels.adjustConfig({
            config: encode(config),
            defaultName: "n",
            cniArgs: encode('{"k":1}'),
            deviceId: "0000:00:01.0",
          }),
        );
        for (const text of texts) {
          expect(merged).toContain(text);
          expect(adjusted).toContain(text);
        }
      }),
      { numRuns: 500 },
    );
  });
});
