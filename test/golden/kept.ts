/** The traces of a recorded attachment in what ours keeps and tells: result cache, prevResult of DEL and CHECK, network-status, event. */

import { longestStatus } from "../../src/multus/input/bounds.ts";
import { networkStatus } from "../reference/status.ts";
import { attachmentsOf, hasCheck, type RecordedAttachment } from "./attachments.ts";
import { type GoldenCase, isObject, type Json, type JsonObject } from "./cases.ts";
import { routesChanged } from "./default-routes.ts";
import type { ComparableCall, Expectation } from "./expectation.ts";
import { bytesOf, inOwnVersion, inVersion, versionOf } from "./results.ts";

/** The cached result: as it came, in its own version, with the default routes that are left. */
function keptResult(golden: GoldenCase, { ifName, result, version }: RecordedAttachment): JsonObject {
  const printed = result ?? {};
  return inVersion(printed, versionOf(printed, version), routesChanged(golden, ifName));
}

/** Result for DEL and CHECK of the network: the cached one in the network's version. */
export function prevResultOf(golden: GoldenCase, attachment: RecordedAttachment): JsonObject | undefined {
  const { version, cached } = attachment;
  if (cached === undefined || !hasCheck(version)) return undefined;
  return inVersion(keptResult(golden, attachment), version);
}

/** The network's entries in network-status. */
export function entriesOf(
  { name, ifName, version, result = {} }: RecordedAttachment,
  isDefault: boolean,
): readonly JsonObject[] {
  const printed = bytesOf(inOwnVersion(result, version));
  return JSON.parse(
    Buffer.from(networkStatus([{ name, ifName, isDefault, result: printed }], longestStatus)).toString(),
  );
}

/** The event of a network that was attached; nothing for a plugin that lists neither interface nor address. */
export function addedEvents({ name, ifName, version, result = {} }: RecordedAttachment): readonly string[] {
  const { ips, interfaces } = inVersion(inOwnVersion(result, version), "1.1.0");
  const addresses = Array.isArray(ips) ? ips.map(({ address }) => String(address)) : [];
  const hasInterface = Array.isArray(interfaces) && interfaces.length > 0;
  return hasInterface || addresses.length > 0
    ? [`Normal AddedInterface Add ${ifName} [${addresses.join(" ")}] from ${name}`]
    : [];
}

/** Is that the network's result cache? @param path below the CNI directory */
export function isCacheOf({ networkName, ifName }: RecordedAttachment, path: string): boolean {
  return path.startsWith(`results/${networkName}-`) && path.endsWith(`-${ifName}`);
}

/** Files and calls with what ours keeps of the networks for which that is `differs`. */
export function withKept(
  { calls, files }: Expectation,
  golden: GoldenCase,
  differs: (attachment: RecordedAttachment) => boolean,
): Pick<Expectation, "calls" | "files"> {
  const changed = attachmentsOf(golden).filter(differs);
  return {
    calls: calls.map((call) => withPrevResult(call, golden, changed)),
    files: Object.fromEntries(
      Object.entries(files).map(([path, content]) => [path, withResult(path, content, golden, changed)]),
    ),
  };
}

function withPrevResult(
  call: ComparableCall,
  golden: GoldenCase,
  changed: readonly RecordedAttachment[],
): ComparableCall {
  const attachment = changed.find(({ ifName }) => ifName === call.ifName);
  if (attachment === undefined || call.command === "ADD" || call.stdin.prevResult === undefined) return call;
  const { prevResult: _recorded, ...stdin } = call.stdin;
  const prevResult = prevResultOf(golden, attachment);
  return { ...call, stdin: prevResult === undefined ? stdin : { ...stdin, prevResult } };
}

function withResult(
  path: string,
  content: Json,
  golden: GoldenCase,
  changed: readonly RecordedAttachment[],
): Json {
  const attachment = changed.find((candidate) => isCacheOf(candidate, path));
  if (attachment === undefined || !isObject(content)) return content;
  return { ...content, result: keptResult(golden, attachment) };
}
