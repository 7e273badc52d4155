/** What multus.wasm asks of its host and offers it. */

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
