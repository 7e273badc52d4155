/** Checks whether the daemon can learn which devices pods have: the kubelet's pod-resources socket, or its checkpoint. */

import { existsSync } from "node:fs";
import { connect } from "node:net";
import { errorText } from "../../log/error-text.ts";
import type { DaemonStatus } from "../node/daemon-socket.ts";
import { CheckFindings, type NodeFinding } from "./finding.ts";

const withinMs = 5_000;
export const devicesRemedy =
  "let the daemon's pod have the kubelet's directories (component devices of deploy/, devices.enabled of the chart); podResourcesSocket names the socket of a kubelet with another directory";

/** Is there something by which the daemon knows the devices of pods? undefined: a daemon of an earlier release does not say it. */
export function seesDevices({ devices }: Pick<DaemonStatus, "devices">): boolean | undefined {
  return devices && devices.source !== "none";
}

export async function checkDevices({ devices }: Pick<DaemonStatus, "devices">): Promise<NodeFinding[]> {
  if (devices === undefined) return [];
  const { source, socket, checkpoint } = devices;
  const findings = new CheckFindings("daemon/devices");
  if (source === "none") {
    return findings.warn(
      `the daemon sees neither the kubelet's pod-resources socket ${socket} nor its checkpoint ${checkpoint}: networks that want a device (k8s.v1.cni.cncf.io/resourceName) fail`,
      devicesRemedy,
    );
  }
  if (source === "checkpoint") {
    return findings.warn(
      `the daemon does not see the kubelet's pod-resources socket ${socket}: it reads the devices of pods from the checkpoint ${checkpoint}`,
      devicesRemedy,
    );
  }
  // The daemon's pod may have it elsewhere.
  if (!existsSync(socket))
    return findings.pass(`the daemon sees the kubelet's pod-resources socket ${socket}`);
  try {
    await connectTo(socket);
  } catch (error) {
    return findings.fail(
      `the kubelet's pod-resources socket ${socket} takes no connection: ${errorText(error)}`,
      "is the kubelet running? A kubelet that is stopped leaves the socket's file behind",
    );
  }
  return findings.pass(`the kubelet's pod-resources socket ${socket} takes connections`);
}

function connectTo(path: string): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const connection = connect(path);
  connection.setTimeout(withinMs, () => reject(new Error(`no answer within ${withinMs / 1000} s`)));
  connection.on("connect", resolve);
  connection.on("error", reject);
  return promise.finally(() => connection.destroy());
}
