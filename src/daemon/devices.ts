/** Devices of the node's pods, as the daemon's configuration says where they are known: their code is loaded when the first network wants a device. */

import { existsSync } from "node:fs";
import { join } from "node:path";
import type { DaemonConfig } from "../daemon-config/config.ts";
import { DeviceInfoDirectory } from "../devices/device-info.ts";
import type { KubeletPaths } from "../devices/kubelet-devices.ts";
import type { Logger } from "../log/logger.ts";
import type { DeviceInfoFiles, DeviceSource } from "../multus/plan/devices.ts";

/** The file in the kubelet's directory of device plugins (pkg/kubelet/cm/devicemanager). */
const checkpointName = "kubelet_internal_checkpoint";

export interface OpenDevices {
  readonly devices: DeviceSource;
  readonly deviceInfo: DeviceInfoFiles;
  /** Looks whether there is something by which devices are known. */
  access(): { readonly source: "pod-resources" | "checkpoint" | "none" } & KubeletPaths;
}

export function openDevices(
  { podResourcesSocket: socket, devicePluginsDir, deviceInfoDir }: DaemonConfig,
  log: Logger,
): OpenDevices {
  const paths = { socket, checkpoint: join(devicePluginsDir, checkpointName) };
  let loading: Promise<DeviceSource> | undefined;
  const loaded = () => {
    loading ??= import("../devices/node-devices.ts").then(({ NodeDevices }) => new NodeDevices(paths, log));
    return loading;
  };
  return {
    devices: { assign: async (...asked) => (await loaded()).assign(...asked) },
    deviceInfo: new DeviceInfoDirectory(deviceInfoDir),
    access: () => ({
      source: existsSync(socket) ? "pod-resources" : existsSync(paths.checkpoint) ? "checkpoint" : "none",
      ...paths,
    }),
  };
}
