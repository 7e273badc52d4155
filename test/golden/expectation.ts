/** The effects of a step of a case, in a comparable form. */

import { type Call, isObject, type Json, type JsonObject, type StateFiles, type Step } from "./cases.ts";

/** A delegate call in a form that can be compared. */
export interface ComparableCall {
  readonly plugin: string;
  readonly command: string | undefined;
  /** Empty where the command is about no container, as GC: libcni sets the variables, and ours leaves them out. */
  readonly containerId: string;
  readonly ifName: string;
  readonly netns: string;
  /** Each pair once: Go multus repeats what the runtime sent. */
  readonly args: readonly string[];
  /** Each directory once, for the same reason; an empty text, Go's where binDir is one, is no directory. */
  readonly path: readonly string[];
  /** Without `capabilities`: Go leaves them in. */
  readonly stdin: JsonObject;
}

/** All that is compared of a step. */
export interface Expectation {
  readonly succeeds: boolean;
  /** undefined where it fails: error texts are our own. */
  readonly stdout: Json | undefined;
  readonly calls: readonly ComparableCall[];
  readonly networkStatus: Json | undefined;
  readonly events: readonly string[];
  readonly files: StateFiles;
  /** Default routes of the namespace, sorted; undefined where they were not recorded. */
  readonly routes: readonly string[] | undefined;
}

/** @param path turns a path on the scratch host into the recorded one */
export function comparableCall(call: Call, path: (text: string) => string = (text) => text): ComparableCall {
  const { env, plugin } = call;
  const { capabilities: _left, ...stdin } = call.stdin;
  return {
    plugin,
    command: env.CNI_COMMAND,
    containerId: env.CNI_CONTAINERID ?? "",
    ifName: env.CNI_IFNAME ?? "",
    netns: env.CNI_NETNS ?? "",
    args: [...new Set((env.CNI_ARGS ?? "").split(";"))],
    path: [...new Set(path(env.CNI_PATH ?? "").split(":"))].filter((directory) => directory !== ""),
    stdin,
  };
}

/** Of messages that end with an error text: that end. */
const errorTextOf: Readonly<Record<string, RegExp>> = {
  NoNetworkFound: /(?<=in namespace \([^)]*\)).*/u,
  InvalidNetwork: /(?<=NetworkAttachmentDefinition [^ :]*):.*/u,
  DeviceNotAssigned: /(?<=are not known):.*/u,
};

/** An event of ours alone, about the plugin that has failed: what Go multus says in its error only. */
export const isNotAttached = (reason: string) => reason === "NetworkNotAttached";

/** Type, reason and message; what was said about a missing or a broken NAD is an error text, and is not compared. */
export function comparableEvents(events: readonly (readonly [string, string, string])[]): string[] {
  return events
    .filter(([, reason]) => !isNotAttached(reason))
    .map(([type, reason, message]) => {
      const text = message.replace(errorTextOf[reason] ?? /$/u, "");
      return `${type} ${reason} ${text}`;
    })
    .sort();
}

type Rewrite = (text: string) => string;

function decoded(value: Json | undefined, rewrite: Rewrite): Json {
  return typeof value === "string"
    ? (JSON.parse(rewrite(Buffer.from(value, "base64").toString("utf8"))) as Json)
    : null;
}

function comparableEntry(entry: Json, rewrite: Rewrite): Json {
  return isObject(entry) && "Bytes" in entry ? { ...entry, Bytes: decoded(entry.Bytes, rewrite) } : entry;
}

/**
 * Plans and results with their configurations as JSON and each pair of CNI_ARGS once.
 * @param rewrite turns what is the scratch host's in a configuration into what was recorded
 */
export function comparableFiles(files: StateFiles, rewrite: Rewrite = (text) => text): StateFiles {
  return Object.fromEntries(
    Object.entries(files).map(([path, content]) => {
      if (Array.isArray(content)) {
        return [path, content.map((entry: Json) => comparableEntry(entry, rewrite))];
      }
      if (!isObject(content)) {
        return [path, content];
      }
      const { cniArgs, config } = content;
      const pairs = Array.isArray(cniArgs) ? [...new Set(cniArgs.map((pair) => JSON.stringify(pair)))] : [];
      return [path, { ...content, config: decoded(config, rewrite), cniArgs: pairs }];
    }),
  );
}

/** The step's recorded outcome. */
export function recordedExpectation(step: Step): Expectation {
  return {
    succeeds: step.exit === 0,
    stdout: step.exit === 0 ? step.stdout : undefined,
    calls: step.calls.map((call) => comparableCall(call)),
    networkStatus: step.networkStatus,
    events: comparableEvents(step.events ?? []),
    files: comparableFiles(step.files),
    routes: step.routes?.toSorted(),
  };
}
