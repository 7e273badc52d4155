/** Chooses the plugin binary for a node, and tests that it runs. */

import { execFileSync } from "node:child_process";
import { errorText } from "../../log/error-text.ts";
import { UserError } from "../command/user-error.ts";
import { findPart, partPath } from "./installation.ts";
import { type Architecture, architectureOf, isOurs, ownArchitecture, releaseIn } from "./program.ts";

/** A binary's answer takes a millisecond. */
const answerWithinMs = 10_000;

/** The plugin binary of this build. @throws {UserError} if it lacks that architecture */
export function pluginBinary(architecture: Architecture): string {
  // The first is for the machine of the build, or its target. The single-file executable contains it, which takes precedence over files beside it.
  for (const part of ["multus", `multus-${architecture}`] as const) {
    const path = findPart(part);
    if (path !== undefined && architectureOf(path) === architecture) return path;
  }
  const built = partPath("multus");
  throw new UserError(
    `there is no plugin binary for ${architecture}: ${built} is for ${architectureOf(built) ?? "another machine"}`,
    "build it: node tools/run.mjs build:shims",
  );
}

/** Runs a plugin binary, if it is one of ours and for this machine. @throws {UserError} if it does not print its version */
export function tryPluginBinary(path: string): void {
  const architecture = architectureOf(path);
  if (architecture === undefined || architecture !== ownArchitecture() || !isOurs(path, "multus")) return;
  try {
    const about = execFileSync(path, ["--version"], { encoding: "utf8", timeout: answerWithinMs, env: {} });
    if (releaseIn(about) !== undefined) return;
    throw new Error(`it says ${JSON.stringify(about.slice(0, 100))}`);
  } catch (error) {
    throw new UserError(
      `the plugin binary does not run where it is to be installed: ${errorText(error)}`,
      "the former file is still in place; is the directory on a file system that is mounted noexec?",
    );
  }
}
