/** Paths of the project's files, and of its Node. */

import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

/** The project's directory, absolute. */
export const projectDirectory = dirname(dirname(dirname(fileURLToPath(import.meta.url))));

/** Node 24 as npm installed it: daemon, tests and benchmarks run on it, regardless of the Node that started npm. */
export const pinnedNode = join(projectDirectory, "node_modules", ".bin", "node");

/** CI=true (or any value but "", "0" and "false"): nothing may be skipped. */
export const underCI = !["", "0", "false"].includes(process.env.CI ?? "");

/**
 * The environment for everything that is started: the pinned Node first in PATH, then the directories of
 * administration commands, which a root shell entered by plain `su` lacks, and Go's usual place.
 */
export function taskEnvironment() {
  const path = (process.env.PATH ?? "").split(":").filter((directory) => directory !== "");
  for (const directory of ["/usr/local/sbin", "/usr/sbin", "/sbin", "/usr/local/go/bin"]) {
    if (!path.includes(directory)) path.push(directory);
  }
  const own = dirname(pinnedNode);
  return { ...process.env, PATH: [own, ...path.filter((directory) => directory !== own)].join(":") };
}

/**
 * The first file of that name in the PATH of `taskEnvironment`.
 * @param {string} command
 * @returns {string | undefined}
 */
export function findCommand(command) {
  return taskEnvironment()
    .PATH.split(":")
    .map((directory) => join(directory, command))
    .find((file) => existsSync(file));
}
