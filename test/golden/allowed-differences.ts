/** The list of intended differences from Go multus, each with its reason. Everything else must be the same. */

import { isDeepStrictEqual } from "node:util";
import { resourceNameAnnotation } from "../../src/multus/plan/devices.ts";
import { addOf, attachmentsOf, hasCheck, type RecordedAttachment, selectionsOf } from "./attachments.ts";
import {
  cases,
  type GoldenCase,
  isObject,
  type Json,
  type JsonObject,
  type StateFiles,
  type Step,
} from "./cases.ts";
import { asksForDefaultRoute, routesLeft, statusWithGatewaysLeft } from "./default-routes.ts";
import { type ComparableCall, type Expectation, recordedExpectation } from "./expectation.ts";
import { entriesOf, prevResultOf, withKept } from "./kept.ts";
import { inVersionChosen, namesNoVersion } from "./no-version.ts";
import { inVersion, versionOf } from "./results.ts";
import { jsonOrText } from "./scratch-host.ts";

interface AllowedDifference {
  readonly reason: string;
  applies(golden: GoldenCase, step: Step): boolean;
  /** Expectation that replaces the recorded one. @param index of the step */
  instead(expected: Expectation, golden: GoldenCase, index: number): Partial<Expectation>;
}

/** Recorded from the release whose plan loses most of a chain's configuration. */
export function isOfRelease430({ recordedFrom }: GoldenCase): boolean {
  return /\b4\.3\.0, /u.test(recordedFrom);
}

function inputsOf({ nads, pod, hostFiles, plugins, steps }: GoldenCase): string {
  return JSON.stringify({ nads, pod, hostFiles, plugins, given: steps.map(({ given }) => given) });
}

/** The same case recorded from the release after 4.3.0. */
function repaired(golden: GoldenCase): GoldenCase {
  if (!isOfRelease430(golden)) return golden;
  const same = cases.find((other) => !isOfRelease430(other) && inputsOf(other) === inputsOf(golden));
  if (same === undefined) throw new Error(`${golden.name} was recorded from release 4.3.0 alone`);
  return same;
}

function stepAt(golden: GoldenCase, index: number): Step {
  const step = golden.steps[index];
  if (step === undefined) {
    throw new Error(`${golden.name} has no step ${index}`);
  }
  return step;
}

const keyOf = ({ plugin, ifName }: ComparableCall) => `${plugin} ${ifName}`;

/** DELs with the runtimeConfig that the same plugins had at ADD; a list may have a plugin twice, and DEL goes through it backwards. */
function withArgumentsOf(
  added: readonly ComparableCall[],
  calls: readonly ComparableCall[],
): readonly ComparableCall[] {
  const seen = new Map<string, number>();
  const changed = calls.toReversed().map((call) => {
    const key = keyOf(call);
    const place = seen.get(key) ?? 0;
    seen.set(key, place + 1);
    const runtimeConfig = added.filter((add) => keyOf(add) === key)[place]?.stdin.runtimeConfig;
    return runtimeConfig === undefined ? call : { ...call, stdin: { ...call.stdin, runtimeConfig } };
  });
  return changed.toReversed();
}

/** Pairs of CNI_ARGS that only ADD has: what the selection asks for. */
const onlyAtAdd = /^(?:IP|MAC)=/u;

/** A call to a plugin that was ADDed, with what its network's cache has of the result. */
function askedAgain(
  command: string,
  add: ComparableCall,
  prevResult: JsonObject | undefined,
): ComparableCall {
  const { prevResult: _before, ...stdin } = add.stdin;
  return {
    ...add,
    command,
    args: add.args.filter((pair) => !onlyAtAdd.test(pair)),
    stdin: prevResult === undefined ? stdin : { ...stdin, prevResult },
  };
}

/** Did every ADD before the step end before its first delegate? */
function neverStarted({ steps }: GoldenCase, step: Step): boolean {
  const before = steps.slice(0, steps.indexOf(step)).filter(({ command }) => command === "ADD");
  return before.length > 0 && before.every(({ exit, calls }) => exit !== 0 && calls.length === 0);
}

/** The version that the runtime's netconf names; undefined where it names none. */
function netconfVersion({ given }: Step): string | undefined {
  const { cniVersion } = given.stdin;
  return typeof cniVersion === "string" && cniVersion !== "" ? cniVersion : undefined;
}

/** Plans that are written just before the step and are no JSON. */
function writesTornPlan({ given }: Step): boolean {
  const plan = `/${given.env.CNI_CONTAINERID}`;
  return Object.entries(given.write ?? {}).some(
    ([path, text]) => path.endsWith(plan) && typeof jsonOrText(text) === "string",
  );
}

const isMissing = (event: string) => event.includes(" NoNetworkFound ");

/** The next step's events about missing networks. */
function laterEvents(golden: GoldenCase, step: Step): readonly string[] {
  const next = golden.steps[golden.steps.indexOf(step) + 1];
  return next === undefined ? [] : recordedExpectation(next).events.filter(isMissing);
}

/** Is it a GC for which the runtime names no attachment? */
function isGcOfAll({ command, given }: Step): boolean {
  const valid = given.stdin["cni.dev/valid-attachments"];
  return command === "GC" && (valid === null || (Array.isArray(valid) && valid.length === 0));
}

/** Networks whose entries Go multus leaves out, wholly or in part. */
function isLeftOut({ result, isVersionless }: RecordedAttachment): boolean {
  return isVersionless || !Array.isArray(result?.interfaces) || result.interfaces.length === 0;
}

/** Of a network that the pod has twice, an entry belongs to the attachment with its interface. */
function isOf(
  { interface: ifName }: JsonObject,
  attachment: RecordedAttachment,
  attachments: readonly RecordedAttachment[],
): boolean {
  const others = attachments.filter((other) => other !== attachment && other.name === attachment.name);
  return others.every((other) => other.ifName !== ifName);
}

/** A recorded network-status with entries of those networks, too. */
function statusOfEach(status: Json | undefined, golden: GoldenCase): Json | undefined {
  const known = Array.isArray(status) ? status.filter(isObject) : [];
  const attachments = attachmentsOf(golden);
  if (golden.pod.absent === true || !attachments.some(isLeftOut)) return status;
  return attachments.flatMap((attachment, position) =>
    isLeftOut(attachment)
      ? entriesOf(attachment, position === 0)
      : known.filter((entry) => entry.name === attachment.name && isOf(entry, attachment, attachments)),
  );
}

/** Does the result of a version from 1.0.0 on say of an address which IP version it has, as results before that do? */
function saysMore({ result, version }: RecordedAttachment): boolean {
  const ips = Array.isArray(result?.ips) ? result.ips.filter(isObject) : [];
  return versionOf(result ?? {}, version) >= "1.0.0" && ips.some((ip) => "version" in ip);
}

/** The plan that the ADD left. */
function planOf(golden: GoldenCase): StateFiles {
  const { files } = recordedExpectation(addOf(golden));
  return Object.fromEntries(Object.entries(files).filter(([path]) => !path.includes("/")));
}

/** Names of networks that the ADD planned. */
function plannedNames(golden: GoldenCase): readonly string[] {
  const entries = Object.values(planOf(golden)).flatMap((plan) => (Array.isArray(plan) ? plan : []));
  return entries.filter(isObject).map(({ Name }) => String(Name));
}

/** Did a plugin fail its DEL, or is a result left? A plugin that is not installed has nothing: its ADD had failed on that. */
function leavesSomething({ exit, calls, files }: Step): boolean {
  return exit !== 0 && (calls.some((call) => call.exit !== 0) || Object.keys(files).some(isResult));
}

const isResult = (path: string) => path.startsWith("results/");

/** Is nothing left of the container when the step begins? */
function isGuessed(golden: GoldenCase, step: Step): boolean {
  const before = expectation(golden, golden.steps.indexOf(step) - 1).files;
  const removed = step.given.rm ?? [];
  return Object.keys(before).every((path) => removed.some((file) => file.endsWith(`/${path}`)));
}

/** The NADs of the case that are no JSON. */
function brokenNads({ nads = [] }: GoldenCase): readonly string[] {
  return nads.flatMap(({ namespace, name, config }) =>
    typeof config === "string" && typeof jsonOrText(config) === "string" ? [`${namespace}/${name}`] : [],
  );
}

/** Has the ADD failed as a NAD names a resource, and the recorded host had no kubelet? */
function wantsUnknownDevices(golden: GoldenCase): boolean {
  const { exit, calls } = addOf(golden);
  const wants = (golden.nads ?? []).some(({ annotations = {} }) => resourceNameAnnotation in annotations);
  return wants && exit !== 0 && calls.length === 0;
}

const allowedDifferences: readonly AllowedDifference[] = [
  {
    reason:
      "Release 4.3.0 loses most of a chain's configuration in its plan; ours does what the release after it does.",
    applies: isOfRelease430,
    instead: (_expected, golden, index) => recordedExpectation(stepAt(repaired(golden), index)),
  },
  {
    reason: "The plan of a DEL that fails is kept until it has succeeded (delOnFailure, default retry).",
    applies: (golden, step) => step.command === "DEL" && !isGuessed(golden, step) && leavesSomething(step),
    instead: ({ files }, golden) => ({ files: { ...files, ...planOf(golden) } }),
  },
  {
    reason:
      "A configuration without cniVersion is run in the highest version that the netconf and its plugins know; Go multus loses the result's interfaces and addresses.",
    applies: namesNoVersion,
    instead: inVersionChosen,
  },
  {
    reason: "A result is kept as it came, with members that its version does not know.",
    applies: (golden) => attachmentsOf(golden).some(saysMore),
    instead: (expected, golden) => withKept(expected, golden, saysMore),
  },
  {
    reason:
      "An empty default-route takes away others' default routes only where its own network brings one; with Go multus the pod has none at all.",
    applies: (golden) => attachmentsOf(golden).some(({ defaultRoute }) => defaultRoute?.length === 0),
    instead: (expected, golden) => withKept(expected, golden, () => true),
  },
  {
    reason:
      "CHECK runs the plugins of the cluster network, not only those given in the netconf, with the capability arguments of its ADD.",
    applies: (golden, step) =>
      step.command === "CHECK" && hasCheck(netconfVersion(step)) && addOf(golden).exit === 0,
    instead: (_expected, golden) => ({
      succeeds: true,
      stdout: "",
      calls: attachmentsOf(repaired(golden))
        .filter(({ hasNoCheck, isRuntimes }) => isRuntimes && !hasNoCheck)
        .flatMap((attachment) => {
          const prevResult = prevResultOf(golden, attachment);
          return attachment.adds.map((add) => askedAgain("CHECK", add, prevResult));
        }),
    }),
  },
  {
    reason:
      "A GC that counts none of the node's attachments valid undoes them; Go multus hands its plugins all of its cache as valid.",
    applies: (_golden, step) => isGcOfAll(step),
    instead: ({ calls }, golden) => ({
      calls: [
        ...attachmentsOf(golden)
          .flatMap((attachment) => {
            const prevResult = prevResultOf(golden, attachment);
            return attachment.adds.map((add) => askedAgain("DEL", add, prevResult));
          })
          .reverse(),
        ...calls.map((call) => ({
          ...call,
          stdin: { ...call.stdin, "cni.dev/valid-attachments": [], "cni.dev/attachments": [] },
        })),
      ],
      files: {},
    }),
  },
  {
    reason: "A DEL after such a GC finds no result: it is an attempt.",
    applies: ({ steps }, step) =>
      step.command === "DEL" && steps.slice(0, steps.indexOf(step)).some(isGcOfAll),
    instead: ({ calls }) => ({
      calls: calls.map((call) => {
        const { prevResult: _collected, ...stdin } = call.stdin;
        return { ...call, stdin };
      }),
    }),
  },
  {
    reason: "The answer is in the version that the runtime's netconf names, not in the cluster network's.",
    applies: (_golden, step) =>
      step.command === "ADD" &&
      step.exit === 0 &&
      netconfVersion(step) !== undefined &&
      isObject(step.stdout),
    instead: ({ stdout }, golden, index) => {
      const version = netconfVersion(stepAt(golden, index));
      return isObject(stdout) && version !== undefined && stdout.cniVersion !== version
        ? { stdout: inVersion(stdout, version) }
        : {};
    },
  },
  {
    reason:
      "network-status has an entry for each attachment, also for a result that lists no interfaces (0.2.0, addresses alone, none at all).",
    applies: (golden) => addOf(golden).exit === 0,
    instead: ({ networkStatus }, golden) => ({ networkStatus: statusOfEach(networkStatus, golden) }),
  },
  {
    reason: "network-status names the gateways that the selection left, not those that the plugins had set.",
    applies: asksForDefaultRoute,
    instead: ({ networkStatus }, golden) => ({
      networkStatus: statusWithGatewaysLeft(networkStatus, golden),
    }),
  },
  {
    reason:
      "Default routes of a family are replaced, whatever their metric; Go multus leaves the kernel's beside the one that was asked for.",
    applies: asksForDefaultRoute,
    instead: ({ routes }, golden) => ({ routes: routesLeft(routes, golden) }),
  },
  {
    reason:
      "A DEL without plan and results is only guessed: what fails of it is logged, and the answer is success.",
    applies: (golden, step) => step.command === "DEL" && step.exit !== 0 && isGuessed(golden, step),
    instead: () => ({ succeeds: true, stdout: "" }),
  },
  {
    reason: "A torn plan still undoes everything; Go multus answers success and leaks.",
    applies: (_golden, step) => step.command === "DEL" && writesTornPlan(step),
    instead: (_expected, golden) => ({
      calls: attachmentsOf(golden)
        .flatMap((attachment) => {
          const prevResult = prevResultOf(golden, attachment);
          return attachment.adds.map((add) => askedAgain("DEL", add, prevResult));
        })
        .reverse(),
      files: {},
    }),
  },
  {
    reason:
      "DEL has the capability arguments of its ADD, from the result cache; the plan, in Go multus's form, has neither port mappings nor bandwidth.",
    applies: (golden, step) => step === golden.steps.find(({ command }) => command === "DEL"),
    instead: ({ calls }, golden) => ({
      calls: withArgumentsOf(
        attachmentsOf(golden).flatMap(({ adds }) => adds),
        calls,
      ),
    }),
  },
  {
    reason: "DEL after an ADD that never started a delegate calls none.",
    applies: (golden, step) => step.command === "DEL" && neverStarted(golden, step),
    instead: () => ({ calls: [] }),
  },
  {
    reason: "A network that is found in a file is not missing: no NoNetworkFound beside it.",
    applies: () => true,
    instead: ({ events }, golden) => {
      const found = plannedNames(golden);
      const isFound = (event: string) => found.some((name) => event.includes(` (${name}) `));
      return { events: events.filter((event) => !isMissing(event) || !isFound(event)) };
    },
  },
  {
    reason:
      "A broken definition of the cluster network's name does not hide the node's file, as with Go multus; ours says so in an event.",
    applies: (golden) => brokenNads(golden).length > 0 && addOf(golden).exit === 0,
    instead: ({ events }, golden) => ({
      events: [
        ...events,
        ...brokenNads(golden).map((name) => `Warning InvalidNetwork NetworkAttachmentDefinition ${name}`),
      ].sort(),
    }),
  },
  {
    reason:
      "An event AddedInterface is of what stays: an ADD that fails is undone, and has none; Go multus sends one for each network that was there for a moment.",
    applies: ({ steps }) => steps.every(({ command, exit }) => command !== "ADD" || exit !== 0),
    instead: ({ events }) => ({ events: events.filter((event) => !event.includes(" AddedInterface ")) }),
  },
  {
    reason:
      "Where the devices of a pod cannot be known, an event of the pod says so; Go multus says it in its error alone.",
    applies: wantsUnknownDevices,
    instead: ({ events }, { pod: { namespace, name } }) => ({
      events: [
        ...events,
        `Warning DeviceNotAssigned the devices of pod ${namespace}/${name} are not known`,
      ].sort(),
    }),
  },
  {
    reason:
      "Our event about a missing NAD is there at once; the recorded plugin ended before it had sent its own.",
    applies: (golden, step) =>
      step.command === "ADD" &&
      step.exit !== 0 &&
      step.calls.length === 0 &&
      laterEvents(golden, step).length > 0,
    instead: ({ events }, golden, index) => ({
      events: [...new Set([...events, ...laterEvents(golden, stepAt(golden, index))])].sort(),
    }),
  },
];

/** Where Go multus starts no delegate, and ours attaches the pod. */
const attachedByOursAlone: readonly { readonly reason: string; applies(golden: GoldenCase): boolean }[] = [
  {
    reason:
      "A pod that the API never had, a static one without a mirror, gets its cluster network; Go multus answers success and attaches nothing.",
    applies: (golden) => golden.pod.absent === true && addOf(golden).exit === 0,
  },
  {
    reason:
      'A name with a namespace in it, in the JSON form as well, is what it looks like: {"name":"ns/net"}.',
    applies: (golden) => selectionsOf(golden).some(({ name }) => String(name).includes("/")),
  },
];

/** Is it a case in which ours attaches the pod, and Go multus started no delegate? goes-on.test.ts says what has to happen there. */
export function goesOn(golden: GoldenCase): boolean {
  return addOf(golden).calls.length === 0 && attachedByOursAlone.some(({ applies }) => applies(golden));
}

/** Does ours leave the files that Go multus left? @param index of the step */
export function leavesSameFiles(golden: GoldenCase, index: number): boolean {
  return isDeepStrictEqual(
    expectation(golden, index).files,
    recordedExpectation(stepAt(golden, index)).files,
  );
}

/** Our expected outcome of a step: Go multus's, but for the differences above. @param index of the step */
export function expectation(golden: GoldenCase, index: number): Expectation {
  const step = stepAt(golden, index);
  let expected = recordedExpectation(step);
  for (const difference of allowedDifferences) {
    if (difference.applies(golden, step)) {
      expected = { ...expected, ...difference.instead(expected, golden, index) };
    }
  }
  return expected;
}
