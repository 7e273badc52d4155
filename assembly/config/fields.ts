/** The fields of network configurations that the kernels look at or change (CNI spec, section 1, and Multus's conventions). */

import { keyEnd, keyStart } from "../json/scan";
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
  switch (<i32>(keyEnd - keyStart)) {
    case 4:
      if (keyIsInAnyCase("name")) return Field.NAME;
      if (keyIsInAnyCase("type")) return Field.TYPE;
      if (keyIsInAnyCase("ipam")) return Field.IPAM;
      if (keyIsInAnyCase("args")) return Field.ARGS;
      return Field.OTHER;
    case 7:
      return keyIsInAnyCase("plugins") ? Field.PLUGINS : Field.OTHER;
    case 8:
      if (keyIsInAnyCase("deviceID")) return Field.DEVICE_ID;
      if (keyIsInAnyCase("pciBusID")) return Field.PCI_BUS_ID;
      return Field.OTHER;
    case 9:
      return keyIsInAnyCase("disableGC") ? Field.DISABLE_GC : Field.OTHER;
    case 10:
      if (keyIsInAnyCase("cniVersion")) return Field.CNI_VERSION;
      if (keyIsInAnyCase("prevResult")) return Field.PREV_RESULT;
      return Field.OTHER;
    case 11:
      return keyIsInAnyCase("cniVersions") ? Field.CNI_VERSIONS : Field.OTHER;
    case 12:
      if (keyIsInAnyCase("capabilities")) return Field.CAPABILITIES;
      if (keyIsInAnyCase("disableCheck")) return Field.DISABLE_CHECK;
      return Field.OTHER;
    case 13:
      return keyIsInAnyCase("runtimeConfig") ? Field.RUNTIME_CONFIG : Field.OTHER;
    case 19:
      return keyIs("cni.dev/attachments") ? Field.ATTACHMENTS : Field.OTHER;
    case 22:
      return keyIsInAnyCase("loadOnlyInlinedPlugins") ? Field.LOAD_ONLY_INLINED_PLUGINS : Field.OTHER;
    case 25:
      return keyIs("cni.dev/valid-attachments") ? Field.ATTACHMENTS : Field.OTHER;
    default:
      return Field.OTHER;
  }
}
