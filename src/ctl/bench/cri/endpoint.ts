/** Finds the node's container runtime, and the cgroup in which it takes pods. */

import { existsSync } from "node:fs";
import { resolve } from "node:path";
import { UserError } from "../../command/user-error.ts";

/** Where containerd, CRI-O and k3s's containerd listen. */
const usualSockets = [
  "/run/containerd/containerd.sock",
  "/run/crio/crio.sock",
  "/run/k3s/containerd/containerd.sock",
];

/**
 * The path of a runtime's socket.
 * @param endpoint `unix:///path` or a path; undefined: the first of the usual ones that is there
 * @throws {UserError} where it is not there
 */
export function runtimeSocket(endpoint: string | undefined, usual: readonly string[] = usualSockets): string {
  if (endpoint === undefined) {
    const found = usual.find((path) => existsSync(path));
    if (found !== undefined) return found;
    throw new UserError(
      `there is no container runtime's socket at ${usual.join(", ")}`,
      "name it with --runtime-endpoint, or leave --runtime out to measure the plugin alone",
    );
  }
  const [, scheme, rest = endpoint] = /^([a-z][a-z0-9+.-]*):(?:\/\/)?(.*)$/i.exec(endpoint) ?? [];
  if (scheme !== undefined && scheme.toLowerCase() !== "unix") {
    throw new UserError(`--runtime-endpoint ${endpoint}: only unix sockets are supported`);
  }
  const path = resolve(rest);
  if (!existsSync(path)) throw new UserError(`--runtime-endpoint ${endpoint}: ${path} does not exist`);
  return path;
}

/** Where the kubelet has its pods when systemd manages the node's cgroups, of both versions. */
const slices = ["/sys/fs/cgroup/kubepods.slice", "/sys/fs/cgroup/systemd/kubepods.slice"];

/** A cgroup of the kind that the node's runtime takes: a slice where systemd manages cgroups, else a path. */
export function usualCgroupParent(slicesOfKubelet: readonly string[] = slices): string {
  return slicesOfKubelet.some((path) => existsSync(path)) ? "system.slice" : "/";
}
