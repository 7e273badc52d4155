/** A runtime's request to a CNI plugin, and its answer: environment and stdin as one value, exit code and stdout as another. */

import { fieldMembers, memberValue } from "../base/json.ts";
import { keySpelling } from "../base/key-spelling.ts";

/** One call of the plugin. The texts are the CNI_ variables as they came, "" where unset; nothing has been checked yet. */
export interface CniRequest {
  /** CNI_COMMAND: ADD, DEL, CHECK, GC, STATUS (VERSION is answered by the shim). */
  readonly command: string;
  /** CNI_CONTAINERID */
  readonly containerId: string;
  /** CNI_NETNS: a path; may be empty for DEL. */
  readonly netns: string;
  /** CNI_IFNAME */
  readonly ifName: string;
  /** CNI_ARGS: `key=value;key=value`. */
  readonly args: string;
  /** CNI_PATH: colon separated directories. */
  readonly path: string;
  /** The netconf from stdin, JSON text. */
  readonly config: Uint8Array;
  /** TRACEPARENT of the runtime's environment. */
  readonly traceparent?: string | undefined;
  /** Can the other end record a DEL that fails, and have it done later? */
  readonly canRecord?: true | undefined;
  /** Of a recorded DEL that is replayed: how often it is tried at most, this time included. undefined: a runtime's call. */
  readonly triesLeft?: number | undefined;
}

const commandsOfContainers: readonly string[] = ["ADD", "DEL", "CHECK"];

/** The container that a request works on; "" for GC and STATUS, whatever their CNI_CONTAINERID says, and for what is no command. */
export function containerOf({ command, containerId }: CniRequest): string {
  return commandsOfContainers.includes(command) ? containerId : "";
}

export interface CniReply {
  /** Exit code: 0, or 1 with an error object on stdout. */
  readonly exitCode: number;
  /** A result or an error object, JSON text; empty for DEL and CHECK that succeed. */
  readonly stdout: Uint8Array;
}

/** A longer text is no version, and would be most of the error object. */
const longestVersion = 64;

const spelling = keySpelling(["cniVersion"]);

/** The version that the runtime's netconf names, "" if it cannot be read: for an error object. */
export function versionAskedFor({ config }: CniRequest): string {
  try {
    const members = fieldMembers(config, "netconf", spelling.isKnown);
    const version = memberValue(spelling.members(members), "cniVersion");
    return typeof version === "string" && version.length <= longestVersion ? version : "";
  } catch {
    return "";
  }
}
