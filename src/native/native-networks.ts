/**
 * Native networks: ADD and DEL of attachments by one order of the shim, which makes or removes all their links, in place of a run of each plugin. All of them, or none: where anything is not
 * exactly as expected, nothing is done, and the plugins are run as always.
 */

import {
  type DetachedLink,
  ExecutorError,
  type MadeLink,
  mostNativeLinks,
  type NativeLink,
  type PluginFile,
} from "../agent/executor.ts";
import { InputError } from "../base/input-error.ts";
import { isJsonObject, objectsIn, parseJson, textOf } from "../base/json.ts";
import type { AttachmentKey, CachedAttachment } from "../cni/cache.ts";
import type { ChainContext, OrderedAhead } from "../cni/chain.ts";
import { CniError } from "../cni/errors.ts";
import { attachmentNameProblem, ifNameProblem, isContainerId, networkNameProblem } from "../cni/names.ts";
import { executorErrorCode, orderCode } from "../cni/plugin-failure.ts";
import type { KnownPlugin } from "../cni/plugin-versions.ts";
import type { NetworkConfigList, RuntimeConf } from "../cni/types.ts";
import { parseMac } from "./address.ts";
import { LeftToPlugin } from "./exact-object.ts";
import { logOnce } from "./log-once.ts";
import { type NativeAttachment, recognize } from "./recognition.ts";
import { resultBytes } from "./result.ts";

/** An attachment, as the plugin chains take it. */
export interface WantedAttachment {
  readonly list: NetworkConfigList;
  readonly runtime: RuntimeConf;
}

interface RecognizedAttachment extends WantedAttachment {
  readonly native: NativeAttachment;
}

/** Bytes of a cached result that is read for its MAC address: one of a native attachment is shorter. */
const longestResult = 64 * 1024;

/**
 * Makes these attachments by one order.
 * @param attachments of one container, in the order of the plan
 * @param ahead undefined: nothing is begun before it or behind it
 * @returns the results in the form that the plugins print, one for each, cached as addNetworkList does; undefined: the plugins have to be run (the log says why, at verbose), and nothing is left
 * @throws {CniError} of what the plugins' run would not change: the other end went away (11), or did not answer; a result that cannot be cached (5). Links may be there then; none with the
 * executor's "not-started"
 */
export async function addNatively(
  context: ChainContext,
  attachments: readonly WantedAttachment[],
  { startAfter, onOrder }: OrderedAhead = {},
): Promise<readonly Uint8Array[] | undefined> {
  const group = recognizeGroup(context, "ADD", attachments);
  if (group === undefined) return undefined;
  const [first] = group;
  if (first === undefined) return [];
  const plugins = await pluginFiles(context, "ADD", group);
  if (plugins === undefined) return undefined;

  let made: readonly MadeLink[];
  try {
    const token = Symbol("ATTACH_LINKS");
    const making = context.executor.attachLinks(
      first.runtime.netns,
      plugins,
      group.map(({ native }) => native.link),
      { token, after: startAfter },
    );
    onOrder?.({ token, isLast: true });
    made = await making;
  } catch (error) {
    if (executorErrorCode(error) !== "not-started")
      for (const { plugin, path } of plugins) context.versions.doubt(plugin, path);
    leaveToPlugins(context, "ADD", group, error);
    return undefined;
  }

  const results: Uint8Array[] = [];
  for (const [index, { list, runtime, native }] of group.entries()) {
    const link = made[index];
    if (link === undefined || link.addresses.length !== addressCount(native.link)) {
      throw groupError("ADD", group, new ExecutorError("failed", "an answer about other links"));
    }
    const result = resultBytes(native, link, list.cniVersion, runtime.netns);
    const attached = { ...runtime, networkName: list.name, config: list.bytes, result };
    await context.largeWork.run(list.bytes.length, () => context.cache.write(attached));
    results.push(result);
  }
  return results;
}

/**
 * Removes these attachments by one order, and their cache entries.
 * @param attachments of one container; `cached`: the attachment's cache entry, where it was read already
 * @param ahead undefined: nothing is begun before it or behind it
 * @returns false: the plugins have to be run (the log says why, at verbose)
 * @throws {CniError} the other end went away (11), or did not answer; a cache entry that cannot be removed (5); with the executor's "not-started" nothing was removed
 */
export async function deleteNatively(
  context: ChainContext,
  attachments: readonly (WantedAttachment & { readonly cached?: CachedAttachment | undefined })[],
  { startAfter, onOrder }: OrderedAhead = {},
): Promise<boolean> {
  const group = recognizeGroup(context, "DEL", attachments);
  if (group === undefined) return false;
  const [first] = group;
  if (first === undefined) return true;
  if ((await pluginFiles(context, "DEL", group)) === undefined) return false;

  const links = group.map(({ list, runtime, native }, index): DetachedLink => {
    const { result } = attachments[index]?.cached ?? context.cache.read(keyOf(list, runtime)) ?? {};
    const { ifName, kind, directory, backups } = native.link;
    return {
      ifName,
      kind,
      directory,
      backups,
      mac: result === undefined ? undefined : macInResult(result, ifName),
    };
  });
  try {
    const token = Symbol("DETACH_LINKS");
    const removing = context.executor.detachLinks(first.runtime.netns, links, { token, after: startAfter });
    onOrder?.({ token, isLast: true });
    await removing;
  } catch (error) {
    leaveToPlugins(context, "DEL", group, error);
    return false;
  }
  for (const { list, runtime } of group) context.cache.remove(keyOf(list, runtime));
  return true;
}

/**
 * Why the plugins of an attachment are run, as far as its configuration and its arguments say it: a text for operators. undefined: it is native, where the plugins are installed that are known.
 */
export function whyExecuted(list: NetworkConfigList, runtime: RuntimeConf): string | undefined {
  const recognized = recognize(list, runtime);
  return typeof recognized === "string" ? recognized : undefined;
}

/** undefined: one of them is not native, which the log says. */
function recognizeGroup(
  context: ChainContext,
  command: string,
  attachments: readonly WantedAttachment[],
): RecognizedAttachment[] | undefined {
  const group: RecognizedAttachment[] = [];
  const names = new Set<string>();
  const netns = attachments[0]?.runtime.netns;
  for (const { list, runtime } of attachments) {
    const native = nameProblem(list, runtime) ?? refusalOf(context, list) ?? recognize(list, runtime);
    const reason =
      typeof native === "string"
        ? native
        : groupProblem(runtime, attachments.length, netns, names.has(runtime.ifName));
    if (typeof native === "string" || reason !== undefined) {
      logOnce(context.log, command, list.name, reason ?? "");
      return undefined;
    }
    names.add(runtime.ifName);
    group.push({ list, runtime, native });
  }
  return group;
}

/** The chains say what is wrong with a name, in their own words. */
function nameProblem({ name }: NetworkConfigList, { containerId, ifName }: RuntimeConf): string | undefined {
  if (!isContainerId(containerId)) return "the container id is not valid";
  return (
    networkNameProblem(name) ?? ifNameProblem(ifName) ?? attachmentNameProblem(name, containerId, ifName)
  );
}

function refusalOf({ refusal }: ChainContext, { plugins }: NetworkConfigList): string | undefined {
  for (const plugin of plugins) {
    const problem = refusal(plugin);
    if (problem !== undefined) return problem;
  }
  return undefined;
}

/** The problem of an attachment beside the others of its order; undefined: none. */
function groupProblem(
  runtime: RuntimeConf,
  count: number,
  netns: string | undefined,
  isTwice: boolean,
): string | undefined {
  if (count > mostNativeLinks) return `the container has more than ${mostNativeLinks} attachments`;
  if (runtime.netns !== netns) return "the container has attachments in more than one network namespace";
  return isTwice ? "two attachments have the same interface name" : undefined;
}

/** The plugins of a group, which all have to be those that the orders imitate. undefined: one is another, or not there, which the log says. */
async function pluginFiles(
  context: ChainContext,
  command: string,
  group: readonly RecognizedAttachment[],
): Promise<readonly PluginFile[] | undefined> {
  const names = new Set(group.flatMap(({ native }) => pluginsOf(native)));
  try {
    return await Promise.all(Array.from(names, (plugin) => pluginFile(context, plugin)));
  } catch (error) {
    leaveToPlugins(context, command, group, error);
    return undefined;
  }
}

/** @throws {LeftToPlugin} a plugin that is not known; {ExecutorError} "gone" */
async function pluginFile(
  { path, executor, versions, log }: ChainContext,
  plugin: string,
): Promise<PluginFile> {
  let known: KnownPlugin | undefined;
  try {
    known = await versions.known(executor, plugin, path, log);
  } catch (error) {
    if (!(error instanceof ExecutorError) || error.code === "gone") throw error;
    throw new LeftToPlugin(`plugin ${plugin}: ${error.code}: ${error.message}`);
  }
  if (known?.isCurrent === true) return { plugin, path, fileState: known.fileState };
  throw new LeftToPlugin(`plugin ${plugin} does not answer VERSION as the plugins do that are known`);
}

function pluginsOf({ configuration: { options, ipam, tuning } }: NativeAttachment): readonly string[] {
  return [
    options.kind,
    ...(ipam.type === "" ? [] : [ipam.type]),
    ...(tuning === undefined ? [] : ["tuning"]),
  ];
}

function addressCount({ sets, addresses }: NativeLink): number {
  return sets.length + addresses.length;
}

/** Logs why the plugins are run. @throws {CniError} where an order may have been carried out; anything that is no such reason */
function leaveToPlugins(
  { log }: ChainContext,
  command: string,
  group: readonly RecognizedAttachment[],
  error: unknown,
): void {
  const names = group.map(({ list }) => list.name).join(",");
  if (error instanceof LeftToPlugin) {
    logOnce(log, command, names, error.message);
    return;
  }
  if (!(error instanceof ExecutorError)) throw error;
  if (error.code === "gone" || error.code === "timeout" || error.code === "not-started")
    throw groupError(command, group, error);
  logOnce(log, command, names, `${error.code}: ${error.message}`);
}

function groupError(command: string, group: readonly RecognizedAttachment[], error: ExecutorError): CniError {
  const names = group.map(({ list }) => list.name).join(", ");
  return new CniError(orderCode(error), `native networks ${names} (${command}): ${error.message}`, "", {
    cause: error,
  });
}

function keyOf({ name }: NetworkConfigList, { containerId, ifName }: RuntimeConf): AttachmentKey {
  return { networkName: name, containerId, ifName };
}

/** The MAC address of the container's interface in a result of 0.3.0 or later; undefined: none. */
function macInResult(result: Uint8Array, ifName: string): Uint8Array | undefined {
  if (result.length > longestResult) return undefined;
  let value: unknown;
  try {
    value = parseJson(result, "cached result");
  } catch (error) {
    if (error instanceof InputError) return undefined;
    throw error;
  }
  const interfaces = isJsonObject(value) ? objectsIn(value.interfaces) : [];
  const own = interfaces.find(({ name, sandbox }) => name === ifName && textOf(sandbox) !== "");
  return parseMac(textOf(own?.mac));
}
