/** Default options of tests that generate the runtime's file. */

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
