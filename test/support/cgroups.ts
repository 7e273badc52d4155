/** The control groups that containerd makes for a test's sandboxes and leaves when they are gone. */

import { readdirSync, rmdirSync } from "node:fs";
import { join } from "node:path";

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

/** Removes top-level groups, of every hierarchy (v1) or the one (v2), whose name is accepted, with the empty groups below them. */
export function removeCgroups(accepts: (name: string) => boolean): void {
  const removeTree = (path: string): void => {
    for (const child of directories(path)) removeTree(child);
    try {
      rmdirSync(path);
    } catch {
      // a process is still in it: whoever made it tries again, or the next sweep
    }
  };
  for (const directory of [mountPoint, ...directories(mountPoint)]) {
    for (const group of directories(directory)) {
      if (accepts(group.slice(directory.length + 1))) removeTree(group);
    }
  }
}
