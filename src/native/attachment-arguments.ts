/** The requests of one attachment beside its configuration: CNI_ARGS, and the capability arguments that the configuration takes (spec, sections 2 and 3; CONVENTIONS.md). */

import { isUtf8 } from "node:buffer";
import type { AddressSet } from "../agent/executor.ts";
import { InputError } from "../base/input-error.ts";
import { everyMember } from "../base/json.ts";
import type { RuntimeConf } from "../cni/types.ts";
import { quoted } from "../log/quoted.ts";
import { LeftToPlugin, readList, readText } from "./exact-object.ts";
import { readRangeSet } from "./host-local.ts";

export interface AttachmentArguments {
  /** MAC of CNI_ARGS, "" where there is none. */
  readonly argsMac: string;
  /** IP of CNI_ARGS, as it is written, "" where there is none. */
  readonly argsIp: string;
  /** GATEWAY of CNI_ARGS. */
  readonly argsGateway: string;
  /** runtimeConfig.mac, "" where there is none. */
  readonly mac: string;
  /** runtimeConfig.ips, as they are written. */
  readonly ips: readonly string[];
  /** runtimeConfig.ipRanges. */
  readonly ipRanges: readonly AddressSet[];
}

/** Capabilities of which the plugins read the arguments. Any other one is left to them. */
export const knownCapabilities = ["mac", "ips", "ipRanges"] as const;

/** Bytes of the capability arguments of an attachment: an ordinary one has some hundred. They are read anew for each attachment. */
const longestArguments = 8 * 1024;

const noText: readonly string[] = [];
const noSets: readonly AddressSet[] = [];
const none: AttachmentArguments = {
  argsMac: "",
  argsIp: "",
  argsGateway: "",
  mac: "",
  ips: noText,
  ipRanges: noSets,
};

/**
 * @param capabilities those of knownCapabilities that the configuration says true to
 * @throws {LeftToPlugin} arguments that the plugins refuse, or that are not understood
 */
export function attachmentArguments(
  runtime: RuntimeConf,
  capabilities: readonly string[],
): AttachmentArguments {
  const fromArgs = runtime.args.length === 0 ? undefined : readArgs(runtime.args);
  const { capabilityArgs } = runtime;
  const fromRuntime =
    capabilities.length === 0 || capabilityArgs === undefined
      ? undefined
      : readCapabilityArgs(capabilityArgs, capabilities);
  return { ...none, ...fromArgs, ...fromRuntime };
}

/** The plugins know a key each and refuse all others, unless IgnoreUnknown is true. @throws {LeftToPlugin} */
function readArgs(
  args: RuntimeConf["args"],
): Pick<AttachmentArguments, "argsMac" | "argsIp" | "argsGateway"> {
  let ignoresUnknown = false;
  const found = { argsMac: "", argsIp: "", argsGateway: "" };
  for (const [key, value] of args) {
    // A second "=" is refused by the plugins; the rest could not be written.
    if (key === "" || /[=;\0]/.test(key) || /[=;\0]/.test(value)) throw badArgument(key);
    switch (key) {
      case "IgnoreUnknown":
        if (!/^(?:0|1|true|false)$/i.test(value)) throw badArgument(key);
        ignoresUnknown = value === "1" || value.toLowerCase() === "true";
        break;
      case "MAC":
        found.argsMac = value;
        break;
      case "IP":
        if (found.argsIp !== "" && found.argsIp !== value) throw badArgument(key);
        found.argsIp = value;
        break;
      case "GATEWAY":
        found.argsGateway = value;
        break;
      case "CommonArgs":
        throw badArgument(key);
    }
  }
  if (!ignoresUnknown) throw new LeftToPlugin("CNI_ARGS is without IgnoreUnknown=true");
  return found;
}

function badArgument(key: string): LeftToPlugin {
  return new LeftToPlugin(`CNI_ARGS: ${quoted(key)} is not as expected`);
}

/** @throws {LeftToPlugin} */
function readCapabilityArgs(
  capabilityArgs: Uint8Array,
  capabilities: readonly string[],
): Partial<Pick<AttachmentArguments, "mac" | "ips" | "ipRanges">> {
  if (capabilityArgs.length > longestArguments) {
    throw new LeftToPlugin(`the capability arguments have more than ${longestArguments} bytes`);
  }
  if (!isUtf8(capabilityArgs)) throw new LeftToPlugin("the capability arguments are not UTF-8");
  const found: { mac?: string; ips?: readonly string[]; ipRanges?: readonly AddressSet[] } = {};
  for (const [key, json] of membersOf(capabilityArgs, capabilities)) {
    const where = `runtimeConfig.${key}`;
    if (key in found) throw new LeftToPlugin(`key ${quoted(where)} is there twice`);
    if (key === "mac") found.mac = readText(json, where);
    if (key === "ips") found.ips = readList(json, where, readText);
    if (key === "ipRanges") found.ipRanges = readList(json, where, readRangeSet);
  }
  return found;
}

function membersOf(capabilityArgs: Uint8Array, wanted: readonly string[]): [string, Uint8Array][] {
  try {
    return everyMember(capabilityArgs, "capability arguments", (name) => wanted.includes(name));
  } catch (error) {
    if (!(error instanceof InputError)) throw error;
    throw new LeftToPlugin("the capability arguments are no object");
  }
}
