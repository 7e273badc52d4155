/** How the runtime's file is made where a test says nothing else. */

import type { GeneratorOptions } from "../../src/runtime-config/generate.ts";

export const generatorOptions: GeneratorOptions = {
  form: "thick",
  type: "multus",
  cniVersion: "",
  forceCniVersion: false,
  overrideNetworkName: false,
  capabilities: {},
  netconfKeys: {},
};
