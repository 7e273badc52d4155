/** All targets of the TypeScript and WebAssembly side. Those of the shim alone are in test/shim/fuzz. */

import type { FuzzTarget } from "../engine/target.ts";
import * as cni from "./cni.ts";
import * as ctl from "./ctl.ts";
import * as daemon from "./daemon.ts";
import * as devices from "./devices.ts";
import * as kernels from "./kernels.ts";
import * as kube from "./kube.ts";
import * as multus from "./multus.ts";
import * as native from "./native.ts";
import * as shim from "./shim.ts";

export const fuzzTargets: readonly FuzzTarget[] = [
  cni,
  kernels,
  native,
  multus,
  daemon,
  devices,
  kube,
  ctl,
  shim,
].flatMap((room): FuzzTarget[] => Object.values(room));
