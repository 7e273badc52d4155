/** A plugin's failure as the CNI error that the runtime gets: the plugin's own code and message where it gave them. */

import {
  ExecutorError,
  type ExecutorErrorCode,
  type PluginOutcome,
  type PluginRun,
} from "../agent/executor.ts";
import { InputError } from "../base/input-error.ts";
import { fieldMembers, memberValue, textOf } from "../base/json.ts";
import { openBrace, openBracket } from "../base/json-bytes.ts";
import { keySpelling } from "../base/key-spelling.ts";
import type { KernelError, PluginParts } from "../kernels/index.ts";
import { bounded, quoted } from "../log/quoted.ts";
import { CniError, CniErrorCode } from "./errors.ts";
import { missingIpam, subjectOfFailure } from "./plugin-subject.ts";

/** Characters of a plugin's output that are quoted. */
const outputShown = 300;
/** Characters of a plugin's own message that go on to the runtime; its details may be longer. */
const messageShown = 3_000;
/** Bytes at the start of a plugin's output that are looked at to quote it. A character has four bytes at most. */
const outputRead = 4 * 1024;
const spelling = keySpelling(["code", "msg", "details"]);

/**
 * Codes for orders that were not carried out. A plugin that is not there, or has no proper name, is an error of the
 * configuration that names it; a namespace or an interface that is there already are errors of what CNI_NETNS and CNI_IFNAME say.
 */
const orderCodes: Record<ExecutorErrorCode, number> = {
  "not-found": CniErrorCode.invalidNetworkConfig,
  refused: CniErrorCode.invalidNetworkConfig,
  "link-exists": CniErrorCode.invalidEnvironment,
  unsuited: CniErrorCode.internal,
  netns: CniErrorCode.invalidEnvironment,
  spawn: CniErrorCode.ioFailure,
  timeout: CniErrorCode.internal,
  "too-large": CniErrorCode.decodingFailure,
  "not-started": CniErrorCode.internal,
  failed: CniErrorCode.internal,
  gone: CniErrorCode.tryAgainLater,
};

/** The code for an order that was not carried out. */
export function orderCode({ code }: ExecutorError): number {
  return orderCodes[code];
}

/** The executor's own word for what went wrong, wherever it is in the chain of causes. */
export function executorErrorCode(error: unknown): ExecutorErrorCode | undefined {
  for (let cause = error; cause instanceof Error; cause = cause.cause) {
    if (cause instanceof ExecutorError) return cause.code;
  }
  return undefined;
}

/** Was nothing done, as the order before it has not succeeded? */
export function isNotStarted(error: unknown): boolean {
  return executorErrorCode(error) === "not-started";
}

/** The error of a plugin whose IPAM plugin is not installed: it has done nothing that is left. */
class IpamNotInstalled extends CniError {}

/** Has a plugin failed only as it, or its IPAM plugin, is not installed? */
export function isNotInstalled(error: unknown): boolean {
  if (executorErrorCode(error) === "not-found") return true;
  for (let cause = error; cause instanceof Error; cause = cause.cause) {
    if (cause instanceof IpamNotInstalled) return true;
  }
  return false;
}

/**
 * The error of a plugin that ended with a non-zero exit code (spec, section 5, "Error").
 * @param plugin its configuration, which says what the failure is about; undefined: the run is about no attachment
 */
export function pluginFailure(run: PluginRun, outcome: PluginOutcome, plugin?: PluginParts): CniError {
  const own = errorObject(outcome.stdout);
  if (own !== undefined) {
    const about = plugin === undefined ? "" : subjectOfFailure(plugin, own.message);
    const isIpam =
      plugin !== undefined && plugin.ipamType !== "" && missingIpam(own.message) === plugin.ipamType;
    const Failure = isIpam ? IpamNotInstalled : CniError;
    return new Failure(own.code, `${subject(run)} failed: ${own.message}${about}`, own.details);
  }
  const stdout = startOf(outcome.stdout).trim();
  const said = [
    stdout === "" ? "nothing on stdout" : `no error object on stdout but ${quoted(stdout, outputShown)}`,
    ...(outcome.stderrTail.trim() === ""
      ? []
      : [`on stderr ${quoted(outcome.stderrTail.trim(), outputShown)}`]),
  ];
  return new CniError(
    CniErrorCode.internal,
    `${subject(run)} failed with exit code ${outcome.exitCode}: ${said.join(", ")}`,
  );
}

/** The error of a plugin that was not run to its end. */
export function orderFailure(run: PluginRun, error: ExecutorError): CniError {
  // STATUS has a code of its own for "cannot be asked to ADD anything".
  const code =
    error.code === "not-found" && run.env.CNI_COMMAND === "STATUS"
      ? CniErrorCode.pluginNotAvailable
      : orderCode(error);
  return new CniError(code, `${subject(run)}: ${orderText(run, error)}`, "", { cause: error });
}

/** The error of a plugin whose answer to ADD is no result. */
export function resultFailure(run: PluginRun, stdout: Uint8Array, error: KernelError): CniError {
  return new CniError(
    CniErrorCode.decodingFailure,
    `${subject(run)} answered with no valid result: ${error.message}, of ${quoted(startOf(stdout), outputShown)}`,
    "",
    { cause: error },
  );
}

function subject(run: PluginRun): string {
  return `plugin ${quoted(run.plugin)} (${run.env.CNI_COMMAND})`;
}

function orderText(run: PluginRun, error: ExecutorError): string {
  switch (error.code) {
    case "not-found":
      return `not found in ${run.path.split(":").join(", ")}`;
    case "link-exists":
      return `not started: interface ${run.env.CNI_IFNAME} (CNI_IFNAME) is already in ${run.env.CNI_NETNS}`;
    case "netns":
      return `CNI_NETNS ${run.env.CNI_NETNS}: ${error.message}`;
    case "timeout":
      return `killed, as it did not end within ${run.timeoutMs} ms`;
    default:
      return error.message;
  }
}

/**
 * The error object on a plugin's stdout; undefined if there is none. Only the members that matter become values: a text of 8 MiB, which a plugin may print, would take 20 times as
 * much memory as a whole.
 */
export function errorObject(
  stdout: Uint8Array,
): { code: number; message: string; details: string } | undefined {
  let members: ReadonlyMap<string, Uint8Array>;
  try {
    members = spelling.members(fieldMembers(stdout, "error object", spelling.isKnown));
  } catch (error) {
    if (error instanceof InputError) return undefined;
    throw error;
  }
  const code = scalarMember(members, "code");
  const msg = scalarMember(members, "msg");
  const details = scalarMember(members, "details");
  if (textOf(msg) === "" && textOf(details) === "" && typeof code !== "number") return undefined;
  return {
    // 0 would say that nothing is wrong.
    code: Number.isSafeInteger(code) && Number(code) > 0 ? Number(code) : CniErrorCode.internal,
    message: bounded(textOf(msg) || textOf(details) || "no message", messageShown),
    details: textOf(details),
  };
}

/** A text or a number; undefined for anything else. */
function scalarMember(members: ReadonlyMap<string, Uint8Array>, name: string): unknown {
  const first = members.get(name)?.[0];
  return first === openBrace || first === openBracket ? undefined : memberValue(members, name);
}

function startOf(output: Uint8Array): string {
  return Buffer.from(output.subarray(0, outputRead)).toString();
}
