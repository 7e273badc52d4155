/** The kernels of network configurations: split, adjust, merge. */

import type { WasmContext } from "./context.ts";
import type { AdjustInput, ConfigParts, MergeInput, PluginParts } from "./index.ts";

/** Takes a configuration apart; see ConfigParts. */
export function splitConfig(context: WasmContext, config: Uint8Array): ConfigParts {
  const start = context.call(context.exports.splitConfig, { config });

  // The layout is that of Parts and PluginParts in assembly/config/split.ts.
  const at = context.resultAddress;
  const texts = context.text(context.word(at, 4), context.word(at, 5));
  const nameEnd = context.word(at, 6);
  const versionEnd = nameEnd + context.word(at, 7);
  let read = versionEnd;
  const plugins = new Array<PluginParts>(context.word(at, 9));
  let plugin = context.word(at, 8);
  for (let place = 0; place < plugins.length; place++) {
    const from = context.word(plugin, 1) - start;
    const typeEnd = read + context.word(plugin, 3);
    const ipamTypeEnd = typeEnd + context.word(plugin, 4);
    const type = texts.substring(read, typeEnd);
    const ipamType = texts.substring(typeEnd, ipamTypeEnd);
    read = ipamTypeEnd;
    const capabilities = new Array<string>(context.word(plugin, 5));
    for (let index = 0; index < capabilities.length; index++) {
      const end = read + context.word(plugin, 6 + index);
      capabilities[index] = texts.substring(read, end);
      read = end;
    }
    const bytes = config.subarray(from, from + context.word(plugin, 2));
    plugins[place] = { type, bytes, capabilities, ipamType };
    plugin = context.word(plugin, 0);
  }
  const parts = {
    isList: context.word(at, 0) !== 0,
    disableCheck: context.word(at, 1) !== 0,
    disableGC: context.word(at, 2) !== 0,
    loadOnlyInlinedPlugins: context.word(at, 3) !== 0,
    name: texts.substring(0, nameEnd),
    cniVersion: texts.substring(nameEnd, versionEnd),
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
