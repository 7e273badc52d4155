/** The task `cluster`: installs and builds what the cluster that was asked for needs, and leaves it standing. */

import { join } from "node:path";
import { parseTaskArguments } from "../setup/arguments.mjs";
import { hasPrograms } from "../setup/kubernetes.mjs";
import { SetupError } from "../setup/process.mjs";
import { projectDirectory } from "../setup/project.mjs";
import { clusterTools } from "./test.mjs";

/** For `--help`. */
export const clusterUsage = `[--bare] [OPTION…]
  --bare                 as the node is before anybody installs multus: for docs/quick-start.md
  --without-image        bare, and without the image of multus-wasm: for one of npm run image
  --containerd 1.6|2.4   default 1.6, Debian's; 2.4 comes with a netconf of version 1.1.0
  --log-level LEVEL      of multusd: error, verbose or debug (default verbose)`;

/** The program that leaves the cluster standing. */
export const clusterProgram = join(projectDirectory, "test", "support", "cluster", "play.ts");

/** Build steps that a node with multus needs: of the others only its image has something. */
const buildSteps = ["wasm", "shim", "validators", "protos", "bundles"];

/**
 * Names all that a cluster needs.
 * @param {readonly string[]} args of the task
 * @returns {{ tools: readonly (keyof typeof import("../setup/debian.mjs").tools)[], programs: readonly Parameters<typeof hasPrograms>[0][number][], steps: readonly string[] }}
 *   of the machine; built with Go; and steps of the build, none for all
 * @throws {SetupError} for arguments that can't be
 */
export function clusterNeeds(args) {
  const { values } = parseTaskArguments("cluster", {
    args: [...args],
    options: {
      bare: { type: "boolean", default: false },
      "without-image": { type: "boolean", default: false },
      containerd: { type: "string", default: "1.6" },
      "log-level": { type: "string" },
    },
  });
  if (!["1.6", "2.4"].includes(values.containerd)) {
    throw new SetupError(`--containerd ${values.containerd}: 1.6 or 2.4`);
  }
  const programs = /** @type {const} */ ([
    "kubernetes",
    ...(values.containerd === "2.4" ? ["containerd"] : []),
    ...(values.bare ? ["kubernetes-controllers"] : []),
  ]);
  const unneeded = [...(values.bare ? [] : ["busybox"]), ...(hasPrograms(programs) ? ["go"] : [])];
  return {
    tools: clusterTools.filter((name) => !unneeded.includes(name)),
    programs,
    steps: values.bare ? [] : buildSteps,
  };
}
