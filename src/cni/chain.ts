/** Plugin chains as libcni runs them: ADD, DEL, CHECK, STATUS and GC over a network's list of plugins (spec, sections 3 and 4). */

import { ExecutorError, type PluginOutcome, type PluginRun } from "../agent/executor.ts";
import { KernelError, type PluginParts } from "../kernels/index.ts";
import { formatCniArgs } from "./args.ts";
import type { CachedAttachment, ResultCache } from "./cache.ts";
import { CniError, CniErrorCode, cniErrorOf, configError } from "./errors.ts";
import { pluginStdin } from "./kernel-failure.ts";
import {
  attachmentNameProblem,
  checkContainerId,
  checkIfName,
  checkNetworkName,
  ifNameProblem,
} from "./names.ts";
import { executorErrorCode, orderFailure, pluginFailure, resultFailure } from "./plugin-failure.ts";
import type { VersionContext } from "./plugin-versions.ts";
import type { NetworkConfigList, RuntimeConf } from "./types.ts";
import { supportsCheck, supportsStatusAndGc } from "./versions.ts";

export interface ChainContext extends VersionContext {
  readonly cache: ResultCache;
  /** Milliseconds for each plugin, by the command that it is run with; 0: none. */
  readonly timeoutOf: (command: string) => number;
}

/**
 * Bytes that the plugins of one list are given on stdin in an ADD, together. Each plugin gets the result of the one before and the capability arguments, so that both
 * count as often as there are plugins.
 */
const longestInputs = 32 * 1024 * 1024;

/** An attachment as GC counts it, in the spec's spelling. */
export interface ValidAttachment {
  readonly containerID: string;
  readonly ifname: string;
}

/** A network whose work begins while that on the network before it goes on. */
export interface OrderedAhead {
  /** Token of the last order of the network before: the first plugin is started when that has succeeded, and fails with the executor's "not-started" where it does not succeed. */
  readonly startAfter?: symbol | undefined;
  /** Called when a plugin's order is given to the executor, with the token of that run: behind the last one the next network can be begun. */
  readonly onOrder?: (order: { readonly token: symbol; readonly isLast: boolean }) => void;
}

export interface AddOptions extends OrderedAhead {
  /** The first plugin is not started if `ifName` is in the namespace already. */
  readonly refuseExistingLink?: boolean;
  /** Called after each plugin that has succeeded. */
  readonly afterPlugin?: () => void;
}

export interface DelOptions extends OrderedAhead {
  /** The attachment's cache entry, where it was read already. */
  readonly cached?: CachedAttachment | undefined;
  /** Go on where a plugin is not installed: to undo an ADD that failed on that, and in which it so did nothing. */
  readonly passOverMissing?: boolean;
}

/**
 * ADD: each plugin in order with the result of the one before; the last result is cached.
 * @returns the result as the last plugin printed it: in the version that it says itself, else in the network's. JSON text
 * @throws {CniError} the plugin's own code and message, with its type before it; 7, before any is run, where one of them is refused, or the name is too long
 */
export async function addNetworkList(
  context: ChainContext,
  list: NetworkConfigList,
  runtime: RuntimeConf,
  { refuseExistingLink = false, afterPlugin, ...ahead }: AddOptions = {},
): Promise<Uint8Array> {
  checkContainerId(runtime.containerId);
  checkNetworkName(list.name, "ADD");
  checkIfName(runtime.ifName);
  const problem = attachmentNameProblem(list.name, runtime.containerId, runtime.ifName);
  if (problem !== undefined) throw configError(problem);
  requireRunnable(context, list, CniErrorCode.invalidNetworkConfig);

  let result: Uint8Array | undefined;
  let given = 0;
  for (const [place, plugin] of list.plugins.entries()) {
    const prevResult = result;
    const run = {
      ...(await context.largeWork.run(list.bytes.length, () =>
        attachmentRun(context, "ADD", list, plugin, runtime, prevResult),
      )),
      ...(place === 0 && refuseExistingLink
        ? { absentLink: { netns: runtime.netns, ifName: runtime.ifName } }
        : {}),
    };
    given += run.stdin.length;
    if (given > longestInputs) throw tooMuchInput(list, given);
    const turn = inTurn(run, { place, of: list.plugins.length, ...ahead });
    const { stdout } = await runToSuccess(context, turn.run, plugin, turn.onOrder);
    result = checkResult(context, list, run, stdout);
    afterPlugin?.();
    // CHECK and DEL give the last result to every plugin.
    const ofResult = result.length * list.plugins.length;
    if (ofResult > longestInputs) throw tooMuchInput(list, ofResult);
  }
  if (result === undefined) {
    throw configError(`network ${list.name} has no plugins`);
  }

  const attached = { ...runtime, networkName: list.name, config: list.bytes, result };
  await context.largeWork.run(list.bytes.length, () => context.cache.write(attached));
  return result;
}

/**
 * DEL: each plugin in reverse order with the cached result (from 0.4.0 on). The cache entry goes when all have succeeded. A plugin that is refused is passed over: nothing
 * of it is there, and a DEL that fails for ever would leave its pod Terminating. So is the whole network at what is no name of an interface, which a plan of Go multus may have.
 * @throws {CniError} of the first plugin that fails; the others are not run
 */
export async function deleteNetworkList(
  context: ChainContext,
  list: NetworkConfigList,
  runtime: RuntimeConf,
  { cached, passOverMissing = false, ...ahead }: DelOptions = {},
): Promise<void> {
  const problem = ifNameProblem(runtime.ifName);
  if (problem !== undefined) {
    const { ifName } = runtime;
    context.log.error("DEL skips a network: no interface has such a name", {
      network: list.name,
      ifName,
      problem,
    });
    return;
  }
  const prevResult = supportsCheck(list.cniVersion)
    ? usableCachedResult(context, list, runtime, cached)
    : undefined;
  const plugins = runnable(context, "DEL", list).toReversed();
  for (const [place, plugin] of plugins.entries()) {
    const run = attachmentRun(context, "DEL", list, plugin, runtime, prevResult);
    try {
      const turn = inTurn(run, { place, of: plugins.length, ...ahead });
      await runToSuccess(context, turn.run, plugin, turn.onOrder);
    } catch (error) {
      if (!(passOverMissing && executorErrorCode(error) === "not-found")) throw error;
    }
  }
  context.cache.remove(attachmentKey(list, runtime));
}

/**
 * CHECK: each plugin in order with the cached result. Nothing to do with disableCheck. A plugin that is refused is passed over, as by DEL.
 * @param cached the attachment's cache entry, where it was read already
 * @throws {CniError} 1 below 0.4.0; else of the first plugin that fails
 */
export async function checkNetworkList(
  context: ChainContext,
  list: NetworkConfigList,
  runtime: RuntimeConf,
  cached?: CachedAttachment,
): Promise<void> {
  if (!supportsCheck(list.cniVersion)) {
    throw new CniError(
      CniErrorCode.incompatibleVersion,
      `network ${list.name}: version ${list.cniVersion} of the spec has no CHECK`,
    );
  }
  if (list.disableCheck) return;

  const prevResult = cachedResult(context, list, runtime, cached);
  for (const plugin of runnable(context, "CHECK", list)) {
    await runToSuccess(context, attachmentRun(context, "CHECK", list, plugin, runtime, prevResult), plugin);
  }
}

/**
 * STATUS: each plugin in order. Nothing to do below 1.1.0.
 * @throws {CniError} of the first plugin that fails; 50 where one of them is refused
 */
export async function statusNetworkList(context: ChainContext, list: NetworkConfigList): Promise<void> {
  requireRunnable(context, list, CniErrorCode.pluginNotAvailable);
  if (!supportsStatusAndGc(list.cniVersion)) return;
  for (const plugin of list.plugins) {
    const stdin = pluginStdin(context.kernels, { ...networkOf(list), plugin: plugin.bytes });
    await runToSuccess(context, networkRun(context, "STATUS", plugin, stdin));
  }
}

/**
 * GC of each plugin, in order. Nothing to do below 1.1.0, and with disableGC. Before it, the caller DELs cached attachments that are not valid.
 * @param valid the attachments that the runtime still knows
 * @throws {CniError} all that failed in one, with the code of the first
 */
export async function gcNetworkList(
  context: ChainContext,
  list: NetworkConfigList,
  valid: readonly ValidAttachment[],
): Promise<void> {
  if (list.disableGC || !supportsStatusAndGc(list.cniVersion)) return;
  const failures: CniError[] = [];
  const validAttachments = Buffer.from(JSON.stringify(valid));
  for (const plugin of runnable(context, "GC", list)) {
    try {
      const input = { ...networkOf(list), plugin: plugin.bytes, validAttachments };
      const stdin = pluginStdin(context.kernels, input);
      await runToSuccess(context, networkRun(context, "GC", plugin, stdin));
    } catch (error) {
      const known = cniErrorOf(error);
      if (known === undefined) throw error;
      failures.push(known);
    }
  }

  const [first] = failures;
  if (first === undefined) return;
  throw new CniError(
    first.code,
    failures.map(({ message }) => message).join("; "),
    failures
      .map(({ details }) => details)
      .filter((details) => details !== "")
      .join("; "),
  );
}

/** @throws {CniError} with `code`, naming network, plugin and reason, where one of the plugins is refused */
function requireRunnable({ refusal }: ChainContext, list: NetworkConfigList, code: number): void {
  for (const [index, plugin] of list.plugins.entries()) {
    const problem = refusal(plugin);
    if (problem !== undefined)
      throw new CniError(code, `network ${list.name}: plugins[${index}]: ${problem}`);
  }
}

/** The plugins of a network without those that are refused, which the log names. */
function runnable(context: ChainContext, command: string, list: NetworkConfigList): PluginParts[] {
  return list.plugins.filter((plugin) => {
    const problem = context.refusal(plugin);
    if (problem === undefined) return true;
    context.log.error(`${command} skips a plugin`, {
      network: list.name,
      plugin: plugin.type,
      problem,
    });
    return false;
  });
}

function tooMuchInput({ name, plugins }: NetworkConfigList, bytes: number): CniError {
  return configError(
    `network ${name}: its ${plugins.length} plugins would be given ${bytes} bytes (configurations, results and capability arguments), and at most ${longestInputs} are allowed`,
  );
}

function networkOf(list: NetworkConfigList): { name: string; cniVersion: string } {
  return { name: list.name, cniVersion: list.cniVersion };
}

function attachmentKey(list: NetworkConfigList, runtime: RuntimeConf) {
  return { networkName: list.name, containerId: runtime.containerId, ifName: runtime.ifName };
}

/** A command about one attachment: all parameters of the spec's section 2. */
function attachmentRun(
  context: ChainContext,
  command: string,
  list: NetworkConfigList,
  plugin: PluginParts,
  runtime: RuntimeConf,
  prevResult: Uint8Array | undefined,
): PluginRun {
  return {
    plugin: plugin.type,
    path: context.path,
    env: {
      CNI_COMMAND: command,
      CNI_CONTAINERID: runtime.containerId,
      CNI_NETNS: runtime.netns,
      CNI_IFNAME: runtime.ifName,
      CNI_ARGS: formatCniArgs(runtime.args),
      CNI_PATH: context.path,
    },
    stdin: pluginStdin(context.kernels, {
      ...networkOf(list),
      plugin: plugin.bytes,
      prevResult,
      runtimeConfig: runtime.capabilityArgs,
    }),
    timeoutMs: context.timeoutOf(command),
  };
}

/** A command about the whole network: no container, no namespace, no interface. */
function networkRun(
  context: ChainContext,
  command: string,
  plugin: PluginParts,
  stdin: Uint8Array,
): PluginRun {
  const { path } = context;
  return {
    plugin: plugin.type,
    path,
    env: { CNI_COMMAND: command, CNI_PATH: path },
    stdin,
    timeoutMs: context.timeoutOf(command),
  };
}

/** A run's place among those of its list, in the order in which they are run. */
interface PlaceInList extends OrderedAhead {
  readonly place: number;
  readonly of: number;
}

/** A plugin's run of a list: the first may wait for another order, and another order may wait for the last. */
function inTurn(
  run: PluginRun,
  { place, of, startAfter, onOrder }: PlaceInList,
): { readonly run: PluginRun; readonly onOrder: () => void } {
  const token = Symbol(run.plugin);
  return {
    run: { ...run, ...(place === 0 && startAfter !== undefined ? { after: startAfter } : {}), token },
    onOrder: () => onOrder?.({ token, isLast: place === of - 1 }),
  };
}

/** @param plugin of an attachment: what a failure is about @param onOrder called when the executor has the order @throws {CniError} where the plugin was not run to its end, or failed */
async function runToSuccess(
  context: ChainContext,
  run: PluginRun,
  plugin?: PluginParts,
  onOrder?: () => void,
): Promise<PluginOutcome> {
  let outcome: PluginOutcome;
  try {
    // Its turn ends when the order is sent, not when the plugin ends.
    const [running] = await context.largeWork.run(run.stdin.length, () => [context.executor.runPlugin(run)]);
    onOrder?.();
    outcome = await running;
  } catch (error) {
    if (error instanceof ExecutorError) throw orderFailure(run, error);
    throw error;
  }
  if (outcome.exitCode !== 0) throw pluginFailure(run, outcome, plugin);
  return outcome;
}

/** A plugin's answer, checked. It stays as it came, but for a version that it does not say. */
function checkResult(
  context: ChainContext,
  list: NetworkConfigList,
  run: PluginRun,
  stdout: Uint8Array,
): Uint8Array {
  try {
    return context.kernels.convertResult({
      result: stdout,
      configVersion: list.cniVersion,
      targetVersion: undefined,
    });
  } catch (error) {
    if (error instanceof KernelError) throw resultFailure(run, stdout, error);
    throw error;
  }
}

/**
 * The cached result, in the network's version: the configuration may have changed since. undefined: there is none.
 * @throws {CniError} 6 one that is not valid
 */
function cachedResult(
  context: ChainContext,
  list: NetworkConfigList,
  runtime: RuntimeConf,
  cached: CachedAttachment | undefined,
): Uint8Array | undefined {
  const { result } = cached ?? context.cache.read(attachmentKey(list, runtime)) ?? {};
  if (result === undefined) return undefined;
  const { cniVersion } = list;
  try {
    return context.kernels.convertResult({ result, configVersion: cniVersion, targetVersion: cniVersion });
  } catch (error) {
    if (!(error instanceof KernelError)) throw error;
    throw new CniError(
      CniErrorCode.decodingFailure,
      `network ${list.name}: the cached result of ${runtime.ifName} in container ${runtime.containerId} is not valid: ${error.message}`,
      "",
      { cause: error },
    );
  }
}

/** For DEL, which goes on without a result that is not valid: the plugins must be asked all the same. */
function usableCachedResult(...asked: Parameters<typeof cachedResult>): Uint8Array | undefined {
  try {
    return cachedResult(...asked);
  } catch (error) {
    if (error instanceof CniError) return undefined;
    throw error;
  }
}
