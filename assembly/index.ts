/** The exports of multus.wasm: the arena, and the kernels. Nothing that src/kernels does not use. */

export { adjustConfig } from "./config/adjust";
export { mergeConfig } from "./config/merge";
export { splitConfig } from "./config/split";
export { header, reserve } from "./memory";
export { convertResult } from "./result/convert";
export { outlineResult } from "./result/outline";
export { networkStatus } from "./status/status";
