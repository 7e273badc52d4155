/** Devices of the node's pods, as the daemon's configuration says where they are known: their code is loaded when the first network wants a device. */

import { join } from "node:path";
import type { DaemonConfig } from "../daemon-config/config.ts";
import { DeviceInfoDirectory } from "../devices/device-info.ts";
import type { Logger } from "../log/logger.ts";
import type { DeviceInfoFiles, DeviceSource } from "../multus/plan/devices.ts";

/** The file in the kubelet's directory of device plugins (pkg/kubelet/cm/devicemanager). */
const checkpointName = "kubelet_internal_checkpoint";

export function openDevices(
  { podResourcesSocket: socket, devicePluginsDir, deviceInfoDir }: DaemonConfig,
  log: Logger,
): { readonly devices: DeviceSource; readonly deviceInfo: DeviceInfoFiles } {
  const paths = { socket, checkpoint: join(devicePluginsDir, checkpointName) };
  let loading: Promise<DeviceSource> | undefined;
  const loaded = () => {
    loading ??= import("../devices/node-devices.ts").then(({ NodeDevices }) => new NodeDevices(paths, log));
    return loading;
  };
  return {
    devices: { assign: async (...asked) => (await loaded()).assign(...asked) },
    deviceInfo: new DeviceInfoDirectory(deviceInfoDir),
  };
}
