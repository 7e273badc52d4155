/** The kernels of network configurations: split, adjust, merge. */

import type { WasmContext } from "./context.ts";
import type { AdjustInput, ConfigParts, MergeInput, PluginParts } from "./index.ts";

/** Takes a configuration apart; see ConfigParts. */
export function splitConfig(context: WasmContext, config: Uint8Array): ConfigParts {
  context.start(context.roomFor("config", config));
  const start = context.putBytes("config", config);
  context.check(context.exports.splitConfig(start, config.length));

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
  const { config, defaultName = "", cniArgs, deviceId = "" } = input;
  context.start(
    context.roomFor("config", config) +
      context.roomFor("defaultName", defaultName) +
      context.roomFor("cniArgs", cniArgs) +
      context.roomFor("deviceId", deviceId),
  );
  const configAddress = context.putBytes("config", config);
  const nameAddress = context.putText(defaultName);
  const nameLength = context.textLength;
  const argsAddress = context.putOptionalBytes("cniArgs", cniArgs);
  const deviceAddress = context.putText(deviceId);
  const deviceLength = context.textLength;
  context.check(
    context.exports.adjustConfig(
      configAddress,
      config.length,
      nameAddress,
      nameLength,
      argsAddress,
      cniArgs?.length ?? 0,
      deviceAddress,
      deviceLength,
    ),
  );
  return context.takeResult();
}

/** Makes one plugin's stdin; see MergeInput. */
export function mergeConfig(context: WasmContext, input: MergeInput): Uint8Array {
  const { plugin, name, cniVersion, prevResult, runtimeConfig, validAttachments } = input;
  context.start(
    context.roomFor("plugin", plugin) +
      context.roomFor("name", name) +
      context.roomFor("cniVersion", cniVersion) +
      context.roomFor("prevResult", prevResult) +
      context.roomFor("runtimeConfig", runtimeConfig) +
      context.roomFor("validAttachments", validAttachments),
  );
  const pluginAddress = context.putBytes("plugin", plugin);
  const nameAddress = context.putText(name);
  const nameLength = context.textLength;
  const versionAddress = context.putText(cniVersion);
  const versionLength = context.textLength;
  const prevResultAddress = context.putOptionalBytes("prevResult", prevResult);
  const runtimeConfigAddress = context.putOptionalBytes("runtimeConfig", runtimeConfig);
  const attachmentsAddress = context.putOptionalBytes("validAttachments", validAttachments);
  context.check(
    context.exports.mergeConfig(
      pluginAddress,
      plugin.length,
      nameAddress,
      nameLength,
      versionAddress,
      versionLength,
      prevResultAddress,
      prevResult?.length ?? 0,
      runtimeConfigAddress,
      runtimeConfig?.length ?? 0,
      attachmentsAddress,
      validAttachments?.length ?? 0,
    ),
  );
  return context.takeResult();
}
