/** The control groups that containerd makes for a test's sandboxes and leaves when they are gone. */

import { existsSync, readdirSync, rmdirSync } from "node:fs";
import { basename, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

const mountPoint = "/sys/fs/cgroup";

function directories(path: string): string[] {
  try {
    return readdirSync(path, { withFileTypes: true })
      .filter((entry) => entry.isDirectory())
      .map((entry) => join(path, entry.name));
  } catch {
    return [];
  }
}

/** Where containerd makes the groups of containers for which a kubelet names no parent. */
const containerdParent = "k8s.io";

/** The directory of every hierarchy (v1), or the one (v2). */
function hierarchies(): string[] {
  return [mountPoint, ...directories(mountPoint)];
}

/** Ids of the containers, those of sandboxes among them, that a containerd has or had when it was killed. @param directory of its files */
export function containersOf(directory: string): string[] {
  return directories(join(directory, "state", "io.containerd.runtime.v2.task", "k8s.io")).map((path) =>
    basename(path),
  );
}

/** Those of the containers that have a group in some hierarchy. */
export function containersWithCgroup(ids: readonly string[]): string[] {
  const parents = hierarchies().map((directory) => join(directory, containerdParent));
  return ids.filter((id) => parents.some((parent) => existsSync(join(parent, id))));
}

/**
 * Removes groups whose name is accepted, with the empty groups below them: top-level ones of every hierarchy, and containers' own (`k8s.io/ID`).
 * A process that dies is in its group a little longer than it is to be seen: it is waited for, 5 s at most.
 */
export async function removeCgroups(accepts: (name: string) => boolean): Promise<void> {
  const removeTree = (path: string): void => {
    for (const child of directories(path)) removeTree(child);
    try {
      rmdirSync(path);
    } catch {
      // a process is still in it
    }
  };
  const accepted = hierarchies().flatMap((directory) =>
    [...directories(directory), ...directories(join(directory, containerdParent))].filter((group) =>
      accepts(group.slice(directory.length + 1)),
    ),
  );
  const deadline = Date.now() + 5_000;
  for (;;) {
    for (const group of accepted) removeTree(group);
    if (Date.now() > deadline || !accepted.some((group) => existsSync(group))) return;
    await sleep(20);
  }
}
