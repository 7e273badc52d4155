/** Networks that need a device, and have none. */

import { objectAt, parseJson } from "../../base/json.ts";
import { resourceNameAnnotation } from "../../multus/plan/devices.ts";

/** Plugins that do nothing without a device: `deviceID` or `pciBusID` of their configuration. */
const devicePlugins = ["sriov", "ib-sriov", "accelerated-bridge"];

/** The key that a network of a definition without a resource's name lacks. @param config JSON text @returns undefined: nothing, or it cannot be read */
export function missingDevice(config: Uint8Array): string | undefined {
  let value: unknown;
  try {
    value = parseJson(config, "");
  } catch {
    return undefined;
  }
  const { plugins = [value] } = objectAt(value);
  const needing = (Array.isArray(plugins) ? plugins : []).map((plugin: unknown) => {
    const { type, deviceID = "", pciBusID = "" } = objectAt(plugin);
    return deviceID === "" && pciBusID === "" ? type : undefined;
  });
  const type = devicePlugins.find((each) => needing.includes(each));
  return type === undefined
    ? undefined
    : `plugin ${type} needs a device: there is no annotation ${resourceNameAnnotation}, nor a deviceID in its configuration, so that each selection has to name one`;
}
