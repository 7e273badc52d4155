/** Loads multus.wasm. */

import { adjustConfig, mergeConfig, splitConfig } from "./config.ts";
import { WasmContext } from "./context.ts";
import type { Kernels } from "./index.ts";
import { convertResult, outlineResult } from "./result.ts";
import { networkStatus } from "./status.ts";

/** Makes a new instance of multus.wasm, which build/ has (in a bundle: the bundle's directory). Takes about a millisecond. */
export function loadKernels(): Kernels {
  const context = new WasmContext();
  return {
    splitConfig: (config) => splitConfig(context, config),
    adjustConfig: (input) => adjustConfig(context, input),
    mergeConfig: (input) => mergeConfig(context, input),
    convertResult: (input) => convertResult(context, input),
    outlineResult: (result) => outlineResult(context, result),
    networkStatus: (inputs, longest) => networkStatus(context, inputs, longest),
  };
}
