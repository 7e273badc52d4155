/** The attachments of a recorded ADD: its delegate calls network by network, with what the pod's selections and the result caches say of each. */

import { type Call, type GoldenCase, isObject, type Json, type JsonObject, type Step } from "./cases.ts";
import { type ComparableCall, comparableCall } from "./expectation.ts";
import { knownVersions } from "./replay-executor.ts";
import { inOwnVersion } from "./results.ts";
import { jsonOrText } from "./scratch-host.ts";

/** One network of the pod, as Go multus attached it. */
export interface RecordedAttachment {
  /** In network-status: with the NAD's namespace where it is one's. */
  readonly name: string;
  readonly ifName: string;
  readonly networkName: string;
  /** The ADDs of its plugins that were run, in order; of a network without a version as ours runs them. */
  readonly adds: readonly ComparableCall[];
  /** Output of the last of them; undefined: it failed, or printed nothing. */
  readonly result: JsonObject | undefined;
  /** The configuration names no version. */
  readonly isVersionless: boolean;
  /** That it is run in: the one that the configuration names, else the highest that the netconf and the recorded delegates know. */
  readonly version: string;
  /** Content of the result cache afterwards; undefined: nothing. */
  readonly cached: JsonObject | undefined;
  /** `default-route` of the pod's selection; undefined: it has none. */
  readonly defaultRoute: readonly string[] | undefined;
  /** CHECK is not for this network: `disableCheck`, or a version below 0.4.0. */
  readonly hasNoCheck: boolean;
  /** The runtime's configuration names it: the cluster network or an inline delegate. */
  readonly isRuntimes: boolean;
}

/** The case's first ADD. @throws {Error} where it has none */
export function addOf(golden: GoldenCase): Step {
  const step = golden.steps.find(({ command }) => command === "ADD");
  if (step === undefined) throw new Error(`${golden.name} has no ADD`);
  return step;
}

function listOf(value: Json | undefined): readonly Json[] {
  return Array.isArray(value) ? value : [];
}

/** The pod's selections in JSON form; the shorthand form asks for nothing. */
export function selectionsOf({ pod }: GoldenCase): readonly JsonObject[] {
  const value = jsonOrText(pod.annotations["k8s.v1.cni.cncf.io/networks"] ?? "");
  return listOf(value).filter(isObject);
}

/** @param before the plugin's that comes before it */
function inVersionChosen(add: ComparableCall, cniVersion: string, before: Call | undefined): ComparableCall {
  const result = resultOf(before);
  const prevResult = result === undefined ? {} : { prevResult: inOwnVersion(result, cniVersion) };
  return { ...add, stdin: { ...add.stdin, cniVersion, ...prevResult } };
}

function resultOf(call: Call | undefined): JsonObject | undefined {
  return call?.exit === 0 && isObject(call.stdout) ? call.stdout : undefined;
}

/** The version for configurations that name none. */
export function versionChosen({ given }: Step): string {
  const { cniVersion } = given.stdin;
  const newest = typeof cniVersion === "string" && cniVersion !== "" ? cniVersion : "1.1.0";
  const known = knownVersions.filter((version) => version <= newest);
  return known.at(-1) ?? "0.1.0";
}

/** Is CHECK known to a version, and prevResult to its DEL? */
export function hasCheck(version: unknown): boolean {
  return typeof version === "string" && version !== "" && !/^0\.[123]\./u.test(version);
}

/** The attachments of an ADD, in order. */
export function attachmentsOf(golden: GoldenCase, step: Step = addOf(golden)): readonly RecordedAttachment[] {
  const { CNI_CONTAINERID: containerId = "" } = step.given.env;
  const byInterface = new Map<string, typeof step.calls>();
  for (const call of step.calls.filter(({ env }) => env.CNI_COMMAND === "ADD")) {
    const ifName = call.env.CNI_IFNAME ?? "";
    byInterface.set(ifName, [...(byInterface.get(ifName) ?? []), call]);
  }
  const selections = selectionsOf(golden);
  const { delegates } = step.given.stdin;
  const given = Math.max(1, listOf(delegates).length);
  // Selections come last, in their order, whatever comes before them.
  const plan = listOf(step.files[containerId]);
  const before = plan.length - selections.length;
  return [...byInterface].map(([ifName, calls], position) => {
    const last = calls.at(-1);
    const networkName = String(calls[0]?.stdin.name ?? "");
    const planned = plan[position];
    const recordedVersion = String(calls[0]?.stdin.cniVersion ?? "");
    const version = recordedVersion === "" ? versionChosen(step) : recordedVersion;
    const file = step.files[`results/${networkName}-${containerId}-${ifName}`];
    const config = isObject(file) ? file.config : undefined;
    const configuration = typeof config === "string" ? JSON.parse(atob(config)) : {};
    const asked = position < before ? undefined : selections[position - before]?.["default-route"];
    return {
      name: String((isObject(planned) ? planned.Name : undefined) ?? networkName),
      networkName,
      ifName,
      adds: calls.map((call, place) => {
        const add = comparableCall(call);
        return recordedVersion === "" ? inVersionChosen(add, version, calls[place - 1]) : add;
      }),
      result: resultOf(last),
      isVersionless: recordedVersion === "",
      version,
      cached: isObject(file) && isObject(file.result) ? file.result : undefined,
      defaultRoute: Array.isArray(asked) ? asked.map(String) : undefined,
      hasNoCheck: configuration.disableCheck === true || !hasCheck(version),
      isRuntimes: position < given,
    };
  });
}
