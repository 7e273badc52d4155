/** The kernels of network configurations: split, adjust, merge. */

import type { WasmContext } from "./context.ts";
import type { AdjustInput, ConfigParts, MergeInput, PluginParts } from "./index.ts";

/** Takes a configuration apart; see ConfigParts. */
export function splitConfig(context: WasmContext, config: Uint8Array): ConfigParts {
  const start = context.call(context.exports.splitConfig, { config });

  // The layout is that of Parts and PluginParts in assembly/config/split.ts.
  const at = context.resultAddress;
  let read = context.word(at, 4);
  const nextText = (length: number): string => {
    const text = context.text(read, length);
    read += length;
    return text;
  };
  const name = nextText(context.word(at, 5));
  const cniVersion = nextText(context.word(at, 6));
  const plugins: PluginParts[] = [];
  for (let plugin = context.word(at, 7); plugin !== 0; plugin = context.word(plugin, 0)) {
    const from = context.word(plugin, 1) - start;
    const bytes = config.subarray(from, from + context.word(plugin, 2));
    const type = nextText(context.word(plugin, 3));
    const ipamType = nextText(context.word(plugin, 4));
    const count = context.word(plugin, 5);
    const capabilities = Array.from({ length: count }, (_, index) =>
      nextText(context.word(plugin, 6 + index)),
    );
    plugins.push({ type, bytes, capabilities, ipamType });
  }
  const parts = {
    isList: context.word(at, 0) !== 0,
    disableCheck: context.word(at, 1) !== 0,
    disableGC: context.word(at, 2) !== 0,
    loadOnlyInlinedPlugins: context.word(at, 3) !== 0,
    name,
    cniVersion,
    plugins,
  };
  context.end();
  return parts;
}

/** Sets what an attachment asks for; see AdjustInput. */
export function adjustConfig(context: WasmContext, input: AdjustInput): Uint8Array {
  const { config, defaultName, cniArgs, deviceId } = input;
  context.call(context.exports.adjustConfig, { config, defaultName, cniArgs, deviceId });
  return context.takeResult();
}

/** Makes one plugin's stdin; see MergeInput. */
export function mergeConfig(context: WasmContext, input: MergeInput): Uint8Array {
  const { plugin, name, cniVersion, prevResult, runtimeConfig, validAttachments } = input;
  context.call(context.exports.mergeConfig, {
    plugin,
    name,
    cniVersion,
    prevResult,
    runtimeConfig,
    validAttachments,
  });
  return context.takeResult();
}
