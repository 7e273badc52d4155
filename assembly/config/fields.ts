/** The fields of network configurations that the kernels look at or change (CNI spec, section 1, and Multus's conventions). */

import { keyIs, keyIsInAnyCase } from "../json/text";

export const enum Field {
  OTHER = 0,
  NAME = 1,
  CNI_VERSION = 2,
  CNI_VERSIONS = 3,
  TYPE = 4,
  PLUGINS = 5,
  CAPABILITIES = 6,
  IPAM = 7,
  ARGS = 8,
  DEVICE_ID = 9,
  PCI_BUS_ID = 10,
  RUNTIME_CONFIG = 11,
  PREV_RESULT = 12,
  DISABLE_CHECK = 13,
  DISABLE_GC = 14,
  LOAD_ONLY_INLINED_PLUGINS = 15,
  ATTACHMENTS = 16,
}

/** Which field the key that readKey read last names, in any case: keyIsExact says whether it is in the field's own. The attachments of a GC are in theirs alone. */
export function fieldOfKey(): Field {
  if (keyIsInAnyCase("name")) return Field.NAME;
  if (keyIsInAnyCase("type")) return Field.TYPE;
  if (keyIsInAnyCase("cniVersion")) return Field.CNI_VERSION;
  if (keyIsInAnyCase("cniVersions")) return Field.CNI_VERSIONS;
  if (keyIsInAnyCase("plugins")) return Field.PLUGINS;
  if (keyIsInAnyCase("capabilities")) return Field.CAPABILITIES;
  if (keyIsInAnyCase("ipam")) return Field.IPAM;
  if (keyIsInAnyCase("args")) return Field.ARGS;
  if (keyIsInAnyCase("deviceID")) return Field.DEVICE_ID;
  if (keyIsInAnyCase("pciBusID")) return Field.PCI_BUS_ID;
  if (keyIsInAnyCase("runtimeConfig")) return Field.RUNTIME_CONFIG;
  if (keyIsInAnyCase("prevResult")) return Field.PREV_RESULT;
  if (keyIsInAnyCase("disableCheck")) return Field.DISABLE_CHECK;
  if (keyIsInAnyCase("disableGC")) return Field.DISABLE_GC;
  if (keyIsInAnyCase("loadOnlyInlinedPlugins")) return Field.LOAD_ONLY_INLINED_PLUGINS;
  return keyIs("cni.dev/attachments") || keyIs("cni.dev/valid-attachments") ? Field.ATTACHMENTS : Field.OTHER;
}
