/** The fields of network configurations that the kernels look at or change (CNI spec, section 1, and Multus's conventions). */

import { keyEnd, keyStart } from "../json/scan";
import { keyIs } from "../json/text";

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

/** Which field the key that readKey read last names. */
export function fieldOfKey(): Field {
  switch (<i32>(keyEnd - keyStart)) {
    case 4:
      if (keyIs("name")) return Field.NAME;
      if (keyIs("type")) return Field.TYPE;
      if (keyIs("ipam")) return Field.IPAM;
      if (keyIs("args")) return Field.ARGS;
      return Field.OTHER;
    case 7:
      return keyIs("plugins") ? Field.PLUGINS : Field.OTHER;
    case 8:
      if (keyIs("deviceID")) return Field.DEVICE_ID;
      if (keyIs("pciBusID")) return Field.PCI_BUS_ID;
      return Field.OTHER;
    case 9:
      return keyIs("disableGC") ? Field.DISABLE_GC : Field.OTHER;
    case 10:
      if (keyIs("cniVersion")) return Field.CNI_VERSION;
      if (keyIs("prevResult")) return Field.PREV_RESULT;
      return Field.OTHER;
    case 11:
      return keyIs("cniVersions") ? Field.CNI_VERSIONS : Field.OTHER;
    case 12:
      if (keyIs("capabilities")) return Field.CAPABILITIES;
      if (keyIs("disableCheck")) return Field.DISABLE_CHECK;
      return Field.OTHER;
    case 13:
      return keyIs("runtimeConfig") ? Field.RUNTIME_CONFIG : Field.OTHER;
    case 19:
      return keyIs("cni.dev/attachments") ? Field.ATTACHMENTS : Field.OTHER;
    case 22:
      return keyIs("loadOnlyInlinedPlugins") ? Field.LOAD_ONLY_INLINED_PLUGINS : Field.OTHER;
    case 25:
      return keyIs("cni.dev/valid-attachments") ? Field.ATTACHMENTS : Field.OTHER;
    default:
      return Field.OTHER;
  }
}
