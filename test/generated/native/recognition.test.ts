/** Any configuration is either left to its plugin, with a reason, or a link that the shim's bounds permit, whose result is one; and one key that is not as it should be makes a plugin run. */

import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ExpectedError } from "../../../src/base/input-error.ts";
import { parseNetworkConfig } from "../../../src/cni/config.ts";
import type { NetworkConfigList, RuntimeConf } from "../../../src/cni/types.ts";
import { loadKernels } from "../../../src/kernels/load.ts";
import { recognize } from "../../../src/native/recognition.ts";
import { resultBytes } from "../../../src/native/result.ts";
import { linkProblem, madeOf } from "../../support/native-link.ts";
import { args, capabilityArgs, configs, versions } from "../arbitraries/native.ts";

type Json = Readonly<Record<string, unknown>>;

const kernels = loadKernels();
const usual: RuntimeConf = {
  containerId: "c0ffee",
  netns: "/run/netns/<web>",
  ifName: "net1",
  args: [["IgnoreUnknown", "1"]],
  capabilityArgs: undefined,
};

/** A configuration as a network; undefined: it is refused before anybody asks whether it is native. */
function parsed(config: Json | string, cniVersion = "1.0.0"): NetworkConfigList | undefined {
  const text = typeof config === "string" ? config : JSON.stringify({ cniVersion, name: "n", ...config });
  try {
    return parseNetworkConfig(Buffer.from(text), "n", kernels);
  } catch (error) {
    if (error instanceof ExpectedError) return undefined;
    throw error;
  }
}

function isNative(config: Json | string): boolean {
  const list = parsed(config);
  return list !== undefined && typeof recognize(list, usual) !== "string";
}

describe("recognition", () => {
  it("gives a reason, or a link within the bounds with a result that is one", () => {
    let native = 0;
    fc.assert(
      fc.property(configs, versions, args, capabilityArgs, (config, cniVersion, pairs, capabilities) => {
        const list = parsed(config, cniVersion);
        if (list === undefined) return;
        const runtime = { ...usual, args: pairs, capabilityArgs: capabilities };
        const recognized = recognize(list, runtime);
        expect(recognize(list, runtime)).toEqual(recognized);
        if (typeof recognized === "string") {
          expect(recognized).not.toBe("");
          return;
        }
        native += 1;
        expect(linkProblem(recognized.link)).toBeUndefined();
        const result = resultBytes(recognized, madeOf(recognized.link), cniVersion, runtime.netns);
        const checked = kernels.convertResult({ result, configVersion: "0.1.0", targetVersion: undefined });
        expect(Buffer.from(checked)).toEqual(Buffer.from(result));
        const { interfaces, ips = [] } = JSON.parse(Buffer.from(result).toString());
        expect(interfaces.at(-1)).toMatchObject({ name: "net1", sandbox: runtime.netns });
        expect(ips).toHaveLength(recognized.link.sets.length + recognized.link.addresses.length);
      }),
      { numRuns: 2_000 },
    );
    // Else nothing was tried.
    expect(native).toBeGreaterThan(100);
  });

  it("leaves a network to its plugin where one key is not as it should be", () => {
    const native = fc
      .tuple(configs, versions)
      .map(([config, cniVersion]) => ({ cniVersion, name: "n", ...config }))
      .filter(isNative);
    const wrong = fc.constantFrom<(key: string, json: string) => string>(
      (key, json) => `"${key.charAt(0).toUpperCase()}${key.slice(1)}":${json}`,
      (key, json) => `${JSON.stringify(key)}:${json}`,
      (key, json) => `"\\u${key.charCodeAt(0).toString(16).padStart(4, "0")}${key.slice(1)}":${json}`,
      () => '"prevResult":{}',
      () => '"runtimeConfig":{"mac":""}',
      () => '"an unknown key":0',
      () => '"vlanTrunk":null',
      () => '"cni.dev/valid-attachments":[]',
    );
    fc.assert(
      fc.property(native, fc.nat(), wrong, (config, choice, spoil) => {
        const spoilt = (plugin: Json): string => {
          const entries = Object.entries(plugin);
          const [key, value] = entries[choice % entries.length] ?? ["name", "n"];
          return `${JSON.stringify(plugin).slice(0, -1)},${spoil(key, JSON.stringify(value))}}`;
        };
        const { plugins } = config as { readonly plugins?: readonly Json[] };
        if (plugins === undefined) {
          expect(isNative(spoilt(config))).toBe(false);
          return;
        }
        for (const wrong of plugins) {
          const each = plugins.map((plugin) => (plugin === wrong ? spoilt(plugin) : JSON.stringify(plugin)));
          const text = `{"cniVersion":"1.0.0","name":"n","plugins":[${each.join(",")}]}`;
          expect(isNative(text), text).toBe(false);
        }
      }),
    );
  });
});
