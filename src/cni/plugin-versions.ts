/**
 * Which versions of the spec plugins know: CNI_COMMAND=VERSION (spec, section 2, "VERSION"), asked once for each state of a plugin's file. For networks whose configuration
 * names no version: these are run in the highest that the runtime's netconf and all their plugins know.
 */

import { type Executor, ExecutorError, type PluginOutcome, type PluginRun } from "../agent/executor.ts";
import { InputError } from "../base/input-error.ts";
import { isJsonObject, parseJson } from "../base/json.ts";
import type { LargeTurns } from "../base/large-work.ts";
import { setNewest } from "../base/map-entry.ts";
import type { Kernels, PluginParts } from "../kernels/index.ts";
import type { Logger } from "../log/logger.ts";
import { networkInVersion } from "./config.ts";
import { CniError, CniErrorCode } from "./errors.ts";
import { errorObject, orderFailure } from "./plugin-failure.ts";
import type { NetworkConfigList } from "./types.ts";
import { compareVersions, supportedVersions, versionWhenMissing } from "./versions.ts";

export interface VersionContext {
  readonly executor: Executor;
  readonly kernels: Kernels;
  /** CNI_PATH for the plugins: colon separated directories. */
  readonly path: string;
  /** Why a plugin is never run; undefined: it may be run. */
  readonly refusal: (plugin: PluginParts) => string | undefined;
  readonly versions: PluginVersions;
  readonly largeWork: LargeTurns;
  readonly log: Logger;
}

export interface VersionQuestion {
  /** CNI_ variables of the call that are about its attachment; undefined: it is about none. */
  readonly parameters: Readonly<Record<string, string>> | undefined;
  /** The newest version that the netconf allows: one of supportedVersions. */
  readonly newest: string;
  /** A plugin that cannot be asked counts as one that knows the oldest version only: the network is only to be taken away, or looked at. */
  readonly isForgiving?: boolean | undefined;
}

/** Plugins that are remembered: a node has some dozens. */
const mostPlugins = 256;
/** Milliseconds for an answer: nothing is to be done for it. */
const patienceMs = 10_000;
/** Bytes of an answer that are read. */
const longestAnswer = 64 * 1024;

/** As libcni asks. */
const question = Buffer.from(JSON.stringify({ cniVersion: supportedVersions.at(-1) }));
/** A plugin that says nothing of itself, as libcni has it. */
const oldest: readonly string[] = [versionWhenMissing];
/** The message by which libcni knows a plugin from before VERSION. */
const unknownCommand = "unknown CNI_COMMAND: VERSION";

/** A plugin's answer, and the state of the file that gave it. */
export interface KnownPlugin {
  /** See PluginOutcome. */
  readonly fileState: string;
  /** Those of supportedVersions that it knows. */
  readonly versions: readonly string[];
  /** Its list is supportedVersions, neither more nor less: it was built with the spec's release that is the newest here. */
  readonly isCurrent: boolean;
}

/** Plugins' answers, kept as long as their files stay the same. One for the daemon's whole life. */
export class PluginVersions {
  /** By plugin and path, the one that was not asked for longest first. */
  readonly #kept = new Map<string, KnownPlugin>();
  /** Those of #kept whose files are looked at before the answer counts again. */
  readonly #doubted = new Set<string>();
  /** Questions under way. A request that comes meanwhile waits for that answer first, and mostly finds it kept. */
  readonly #asked = new Map<string, Promise<unknown>>();

  /**
   * A plugin's last answer, without an order where there is one. It is of the file's state then: an order that relies on it has to name that state.
   * @param path colon separated directories
   * @returns undefined: no answer that can be kept
   * @throws {ExecutorError} where it cannot be asked
   */
  async known(
    executor: Executor,
    plugin: string,
    path: string,
    log: Logger,
  ): Promise<KnownPlugin | undefined> {
    const key = keyOf(plugin, path);
    const kept = this.#kept.get(key);
    if (kept !== undefined && !this.#doubted.has(key)) return kept;
    await this.of(executor, versionRun(plugin, path), log);
    return this.#kept.get(key);
  }

  /** An order that named the file's state has failed: the file is looked at before the answer counts again. */
  doubt(plugin: string, path: string): void {
    const key = keyOf(plugin, path);
    if (this.#kept.has(key)) this.#doubted.add(key);
  }

  /**
   * The versions that a plugin knows, of supportedVersions.
   * @throws {ExecutorError} where it cannot be asked
   */
  async of(executor: Executor, run: PluginRun, log: Logger): Promise<readonly string[]> {
    const key = keyOf(run.plugin, run.path);
    const underWay = this.#asked.get(key);
    if (underWay !== undefined) await underWay.catch(() => {});
    const asking = this.#ask(executor, run, key, log);
    this.#asked.set(key, asking);
    try {
      return await asking;
    } finally {
      if (this.#asked.get(key) === asking) this.#asked.delete(key);
    }
  }

  async #ask(executor: Executor, run: PluginRun, key: string, log: Logger): Promise<readonly string[]> {
    const kept = this.#kept.get(key);
    const outcome = await executor.runPlugin({ ...run, fileState: kept?.fileState ?? "" });
    const { fileState } = outcome;
    this.#kept.delete(key);
    this.#doubted.delete(key);
    if (kept !== undefined && fileState === kept.fileState) {
      this.#kept.set(key, kept);
      return kept.versions;
    }
    const said = parseVersionAnswer(outcome);
    if (said === undefined) {
      log.error("a plugin does not say which versions of the CNI spec it knows: taking the oldest", {
        plugin: run.plugin,
        exitCode: outcome.exitCode,
      });
      return oldest;
    }
    if (fileState !== undefined) {
      setNewest(this.#kept, key, { fileState, versions: said, isCurrent: saysCurrent(outcome) }, mostPlugins);
    }
    return said;
  }
}

function keyOf(plugin: string, path: string): string {
  return `${plugin}\n${path}`;
}

/** @param parameters CNI_ variables of the call that are about its attachment */
function versionRun(
  plugin: string,
  path: string,
  parameters: Readonly<Record<string, string>> = {},
): PluginRun {
  return {
    plugin,
    path,
    env: { ...parameters, CNI_PATH: path, CNI_COMMAND: "VERSION" },
    stdin: question,
    timeoutMs: patienceMs,
  };
}

/** @param outcome of which parseVersionAnswer has found an answer */
function saysCurrent({ exitCode, stdout }: PluginOutcome): boolean {
  const answer = exitCode === 0 ? parseJson(stdout, "answer to VERSION") : undefined;
  return (
    isJsonObject(answer) && JSON.stringify(answer.supportedVersions) === JSON.stringify(supportedVersions)
  );
}

/**
 * The versions that a plugin's answer to VERSION names, of supportedVersions and in their order.
 * @returns undefined: that is no answer
 */
export function parseVersionAnswer({
  exitCode,
  stdout,
}: Pick<PluginOutcome, "exitCode" | "stdout">): readonly string[] | undefined {
  if (stdout.length > longestAnswer) return undefined;
  if (exitCode !== 0) return errorObject(stdout)?.message === unknownCommand ? oldest : undefined;
  let answer: unknown;
  try {
    answer = parseJson(stdout, "answer to VERSION");
  } catch (error) {
    if (error instanceof InputError) return undefined;
    throw error;
  }
  if (!isJsonObject(answer)) return undefined;
  const { supportedVersions: said, cniVersion } = answer;
  if (Array.isArray(said) && said.length > 0) {
    const known = supportedVersions.filter((version) => said.includes(version));
    return known.length > 0 ? known : undefined;
  }
  // The list came with 0.2.0, and was not required there.
  return cniVersion === "0.2.0" ? ["0.1.0", "0.2.0"] : undefined;
}

/** Networks in the version that was found for them: as long as their plugins know it, they need not be parsed again. */
const versioned = new WeakMap<NetworkConfigList, NetworkConfigList>();

/**
 * The network in the version that it is run in: its own; where its configuration names none, the highest that `newest` allows and all its plugins know, else the lowest that all of them
 * know. It is written into the configuration, so that plan and result cache, and with them DEL, CHECK and GC, have the version of the ADD.
 * @throws {CniError} 1 where the plugins have no version in common; that of a plugin that is not there or does not answer
 */
export async function withVersion(
  context: VersionContext,
  network: NetworkConfigList,
  asking: VersionQuestion,
): Promise<NetworkConfigList> {
  if (network.saysVersion) return network;
  let common = supportedVersions;
  const plugins = network.plugins.filter((plugin) => context.refusal(plugin) === undefined);
  for (const plugin of new Set(plugins.map(({ type }) => type))) {
    const known = await versionsOf(context, plugin, asking);
    common = common.filter((version) => known.includes(version));
  }
  const version =
    common.findLast((candidate) => compareVersions(candidate, asking.newest) <= 0) ??
    common[0] ??
    (asking.isForgiving ? versionWhenMissing : undefined);
  if (version === undefined) {
    throw new CniError(
      CniErrorCode.incompatibleVersion,
      `network ${network.name}: its configuration names no cniVersion, and its plugins have no version of the CNI spec in common`,
    );
  }
  const known = versioned.get(network);
  if (known?.cniVersion === version) return known;
  const written = await context.largeWork.run(network.bytes.length, () =>
    networkInVersion(network, version, context.kernels),
  );
  versioned.set(network, written);
  return written;
}

async function versionsOf(
  { executor, path, versions, log }: VersionContext,
  plugin: string,
  { parameters, isForgiving = false }: VersionQuestion,
): Promise<readonly string[]> {
  const run = versionRun(plugin, path, parameters);
  try {
    return await versions.of(executor, run, log);
  } catch (error) {
    if (!(error instanceof ExecutorError)) throw error;
    // A shim of an earlier release does not ask.
    if (!isForgiving && error.code !== "refused") throw orderFailure(run, error);
    log.verbose("a plugin cannot be asked which versions of the CNI spec it knows: taking the oldest", {
      plugin,
      error: error.message,
    });
    return oldest;
  }
}
