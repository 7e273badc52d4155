/** What a step of a case did, in a form that can be compared. */

import { type Call, isObject, type Json, type JsonObject, type StateFiles, type Step } from "./cases.ts";

/** A delegate call in a form that can be compared. */
export interface ComparableCall {
  readonly plugin: string;
  readonly command: string | undefined;
  readonly containerId: string | undefined;
  readonly ifName: string | undefined;
  readonly netns: string;
  /** Each pair once: Go multus repeats what the runtime sent. */
  readonly args: readonly string[];
  /** Each directory once, for the same reason. */
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
  /** Default routes of the namespace. */
  readonly routes: readonly string[];
}

/** @param path turns a path on the scratch host into the recorded one */
export function comparableCall(call: Call, path: (text: string) => string = (text) => text): ComparableCall {
  const { env, plugin } = call;
  const { capabilities: _left, ...stdin } = call.stdin;
  return {
    plugin,
    command: env.CNI_COMMAND,
    containerId: env.CNI_CONTAINERID,
    ifName: env.CNI_IFNAME,
    netns: env.CNI_NETNS ?? "",
    args: [...new Set((env.CNI_ARGS ?? "").split(";"))],
    path: [...new Set(path(env.CNI_PATH ?? "").split(":"))],
    stdin,
  };
}

/** Type, reason and message; what the API said about a missing NAD is an error text, and is not compared. */
export function comparableEvents(events: readonly (readonly [string, string, string])[]): string[] {
  return events
    .map(([type, reason, message]) => {
      const text =
        reason === "NoNetworkFound" ? message.replace(/(in namespace \([^)]*\)).*/u, "$1") : message;
      return `${type} ${reason} ${text}`;
    })
    .sort();
}

function decoded(value: Json | undefined): Json {
  return typeof value === "string"
    ? (JSON.parse(Buffer.from(value, "base64").toString("utf8")) as Json)
    : null;
}

function comparableEntry(entry: Json): Json {
  return isObject(entry) && "Bytes" in entry ? { ...entry, Bytes: decoded(entry.Bytes) } : entry;
}

/** Plans and results with their configurations as JSON and each pair of CNI_ARGS once. */
export function comparableFiles(files: StateFiles): StateFiles {
  return Object.fromEntries(
    Object.entries(files).map(([path, content]) => {
      if (Array.isArray(content)) {
        return [path, content.map(comparableEntry)];
      }
      if (!isObject(content)) {
        return [path, content];
      }
      const { cniArgs, config } = content;
      const pairs = Array.isArray(cniArgs) ? [...new Set(cniArgs.map((pair) => JSON.stringify(pair)))] : [];
      return [path, { ...content, config: decoded(config), cniArgs: pairs }];
    }),
  );
}

/** What the step recorded. */
export function recordedExpectation(step: Step): Expectation {
  return {
    succeeds: step.exit === 0,
    stdout: step.exit === 0 ? step.stdout : undefined,
    calls: step.calls.map((call) => comparableCall(call)),
    networkStatus: step.networkStatus,
    events: comparableEvents(step.events ?? []),
    files: comparableFiles(step.files),
    routes: step.routes ?? [],
  };
}
