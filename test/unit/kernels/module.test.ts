/** Imports and exports of multus.wasm. */

import { readFileSync } from "node:fs";
import { expect, it } from "vitest";

const module = new WebAssembly.Module(readFileSync(new URL("../../../build/multus.wasm", import.meta.url)));

it("needs nothing from its host", () => {
  expect(WebAssembly.Module.imports(module)).toEqual([]);
});

it("exports its memory, the arena and the kernels", () => {
  expect(
    WebAssembly.Module.exports(module)
      .map(({ name }) => name)
      .toSorted(),
  ).toEqual([
    "adjustConfig",
    "convertResult",
    "header",
    "memory",
    "mergeConfig",
    "networkStatus",
    "outlineResult",
    "reserve",
    "splitConfig",
  ]);
});

it("has zeros where the address 0 leads, so that a scanner that is given a failure fails", () => {
  const { memory } = new WebAssembly.Instance(module).exports as { readonly memory: WebAssembly.Memory };
  expect(new Uint8Array(memory.buffer, 0, 8)).toEqual(new Uint8Array(8));
});
