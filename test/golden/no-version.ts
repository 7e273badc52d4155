/** Ours with configurations that name no version: they are run in the highest one that the netconf and their plugins know. */

import { addOf, attachmentsOf, type RecordedAttachment, versionChosen } from "./attachments.ts";
import { type GoldenCase, isObject, type Json, type JsonObject, type StateFiles } from "./cases.ts";
import type { ComparableCall, Expectation } from "./expectation.ts";
import { addedEvents, isCacheOf, prevResultOf, withKept } from "./kept.ts";

/** Does a network of the case, attached or only planned, name no version? */
export function namesNoVersion(golden: GoldenCase): boolean {
  const { steps } = golden;
  return steps.some(({ calls }) => calls.some(({ stdin }) => stdin.cniVersion === ""));
}

/** Expectation that replaces the recorded one. @param index of the step */
export function inVersionChosen(
  expected: Expectation,
  golden: GoldenCase,
  index: number,
): Pick<Expectation, "calls" | "files" | "events"> {
  const version = versionChosen(addOf(golden));
  const versionless = attachmentsOf(golden).filter(({ isVersionless }) => isVersionless);
  const { files } = withKept(expected, golden, ({ isVersionless }) => isVersionless);
  return {
    calls: callsIn(version, expected.calls, golden, index, versionless),
    files: Object.fromEntries(
      Object.entries(files).map(([path, content]) => [path, fileIn(version, path, content, versionless)]),
    ),
    events: addOf(golden).exit === 0 ? withEventsOf(versionless, expected.events) : expected.events,
  };
}

function withEventsOf(
  versionless: readonly RecordedAttachment[],
  events: readonly string[],
): readonly string[] {
  return [...new Set([...events, ...versionless.flatMap(addedEvents)])].sort();
}

function callsIn(
  version: string,
  calls: readonly ComparableCall[],
  golden: GoldenCase,
  index: number,
  versionless: readonly RecordedAttachment[],
): readonly ComparableCall[] {
  const before = golden.steps[index - 1]?.files ?? {};
  const added = new Map(versionless.map(({ ifName, adds }) => [ifName, [...adds]]));
  return calls.map((call) => {
    const attachment = versionless.find(({ ifName }) => ifName === call.ifName);
    if (attachment !== undefined && call.command === "ADD") {
      return added.get(attachment.ifName)?.shift() ?? call;
    }
    if (attachment === undefined && call.stdin.cniVersion !== "") return call;
    const { prevResult: _recorded, ...stdin } = call.stdin;
    const prevResult =
      attachment !== undefined && isCached(attachment, before) ? prevResultOf(golden, attachment) : undefined;
    return {
      ...call,
      stdin: { ...stdin, cniVersion: version, ...(prevResult === undefined ? {} : { prevResult }) },
    };
  });
}

function isCached(attachment: RecordedAttachment, before: StateFiles): boolean {
  return Object.keys(before).some((path) => isCacheOf(attachment, path));
}

function fileIn(
  version: string,
  path: string,
  content: Json,
  versionless: readonly RecordedAttachment[],
): Json {
  if (Array.isArray(content)) return content.map((entry: Json) => entryIn(version, entry));
  const attachment = versionless.find((candidate) => isCacheOf(candidate, path));
  if (attachment === undefined || !isObject(content) || !isObject(content.config ?? null)) return content;
  return { ...content, config: withVersion(content.config ?? null, version) };
}

function withVersion(configuration: Json, cniVersion: string): Json {
  return isObject(configuration) ? { ...configuration, cniVersion } : configuration;
}

function hasVersion(configuration: JsonObject): boolean {
  return Object.entries(configuration).some(
    ([key, value]) => key.toLowerCase() === "cniversion" && value !== "",
  );
}

/** A plan's entry: its configuration in the three forms that Go multus writes. */
function entryIn(version: string, entry: Json): Json {
  if (!isObject(entry)) return entry;
  const { Bytes, Conf, ConfList } = entry;
  if (Bytes === undefined || !isObject(Bytes) || hasVersion(Bytes)) return entry;
  const isList = isObject(ConfList ?? null) && Object.keys(ConfList as JsonObject).length > 0;
  return {
    ...entry,
    Bytes: withVersion(Bytes, version),
    Conf: withVersion(Conf ?? null, version),
    ...(isList ? { ConfList: withVersion(ConfList ?? null, version) } : {}),
  };
}
