/** The requirements of a command: CNI_ variables, and a version of the spec that has it (CNI spec, section 2; docs/behaviour.md, "Plugin protocol"). */

import { resultsDirectory } from "../../cni/cache.ts";
import { CniError, CniErrorCode, environmentError } from "../../cni/errors.ts";
import { checkContainerId, checkIfName } from "../../cni/names.ts";
import type { CniRequest } from "../../cni/request.ts";
import { compareVersions, versionWhenMissing } from "../../cni/versions.ts";
import { quoted } from "../../log/quoted.ts";
import { failedDelsDirectory, spoolDirectory } from "./cni-dir.ts";

/** The commands of src/multus; the shim answers VERSION. */
export type Command = "ADD" | "DEL" | "CHECK" | "GC" | "STATUS";

type Variable = "containerId" | "netns" | "ifName" | "path";

const variableNames: Readonly<Record<Variable, string>> = {
  containerId: "CNI_CONTAINERID",
  netns: "CNI_NETNS",
  ifName: "CNI_IFNAME",
  path: "CNI_PATH",
};

const required: Readonly<Record<Command, readonly Variable[]>> = {
  ADD: ["containerId", "netns", "ifName", "path"],
  CHECK: ["containerId", "netns", "ifName", "path"],
  DEL: ["containerId", "ifName", "path"],
  GC: ["path"],
  STATUS: ["path"],
};

const since: Readonly<Partial<Record<Command, string>>> = { CHECK: "0.4.0", GC: "1.1.0", STATUS: "1.1.0" };

function isCommand(text: string): text is Command {
  return Object.hasOwn(required, text);
}

/**
 * @param withoutPath the request may come without CNI_PATH
 * @returns the command
 * @throws {CniError} 4 naming the variables that are missing or wrong
 */
export function checkEnvironment(request: CniRequest, { withoutPath = false } = {}): Command {
  const { command } = request;
  if (!isCommand(command)) {
    throw environmentError(`CNI_COMMAND is ${quoted(command)}, which is no command`);
  }
  const missing = required[command]
    .filter((variable) => request[variable] === "" && !(withoutPath && variable === "path"))
    .map((variable) => variableNames[variable]);
  if (missing.length > 0) {
    throw environmentError(`${command} needs ${missing.join(", ")} in its environment`);
  }
  if (request.containerId !== "") {
    checkContainerId(request.containerId);
    // Its plan would be a file of that name, or be written to one of that name with a dot before it.
    const taken = [resultsDirectory, spoolDirectory, failedDelsDirectory].find(
      (directory) => directory === request.containerId || directory === `.${request.containerId}`,
    );
    if (taken !== undefined) {
      throw environmentError(
        `CNI_CONTAINERID "${request.containerId}" cannot be used: cniDir has a directory ${taken}`,
      );
    }
  }
  if (request.ifName !== "") checkIfName(request.ifName);
  return command;
}

/** @param cniVersion the netconf's, "" where it names none @throws {CniError} 1 where that version of the spec does not have the command */
export function checkCommandVersion(command: Command, cniVersion: string): void {
  const first = since[command];
  if (first !== undefined && compareVersions(cniVersion || versionWhenMissing, first) < 0) {
    throw new CniError(
      CniErrorCode.incompatibleVersion,
      `${command} came with spec version ${first}, but the netconf says ${cniVersion === "" ? "no cniVersion" : `cniVersion ${cniVersion}`}`,
    );
  }
}
