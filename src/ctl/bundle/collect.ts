/** Collects what a support archive has: of chosen fields of the cluster's objects, of what multusctl says on each node, and of logs. Nothing is read of Secrets, environments or annotations. */

import { createHash } from "node:crypto";
import { type JsonObject, objectAt, objectIn, objectsIn, textOf } from "../../base/json.ts";
import { ApiError, ApiUnreachable } from "../../kube/api.ts";
import { errorText } from "../../log/error-text.ts";
import { bounded, escapeUnprintable, ownText } from "../../log/quoted.ts";
import type { ClusterAccess } from "../cluster/access.ts";
import { checkDefinition } from "../cluster/definition.ts";
import { definitions, forEachObject, type Resource } from "../cluster/objects.ts";
import type { CheckContext } from "../configuration/configuration.ts";
import { askNodes, forAllNodes, podDirectories } from "../daemons/ask.ts";
import { configurationFile, readConfigMapFile } from "../daemons/daemon-configuration.ts";
import { type MultusDaemonSet, multusDaemonSet } from "../daemons/daemon-sets.ts";
import { type ClusterNodes, type MultusPod, nodeNames, readMultusPods } from "../daemons/nodes.ts";
import { type AllNodesOptions, nodesScope } from "../daemons/options.ts";
import { redactJson, redactText } from "./redact.ts";

/** A file of the archive. */
export interface Collected {
  readonly name: string;
  readonly about: string;
  readonly text: string;
}

const nodes: Resource = { base: "/api/v1", name: "nodes" };
const daemonSets: Resource = { base: "/apis/apps/v1", name: "daemonsets.apps" };
const events: Resource = { base: "/apis/events.k8s.io/v1", name: "events.events.k8s.io" };

/** The daemon's reportingController in events. */
const eventSource = "multus";
const eventsKept = 1000;
/** Of each container's log: lines, and bytes of its end. */
const logLines = 2000;
const logBytes = 1 << 20;
/** Of all logs together. */
const allLogBytes = 64 << 20;
const longestLogAnswer = 8 << 20;
/** Bytes of what multusctl says of one node, as the archive has it, and of all together. */
const longestAnswer = 8 << 20;
const allAnswerBytes = 256 << 20;

/** Keys of daemon-config.json whose values are settings. Others may be anything, and are named alone. */
const settingNames = new Set([
  ...["socketDir", "connectionLimit", "maxConcurrent", "delegateTimeoutMs", "idleExitSeconds"],
  ...["nadCacheBytes", "nadDir", "podResourcesSocket", "devicePluginsDir", "deviceInfoDir", "agentPath"],
  ...["chrootDir", "nodeName", "metricsPort", "metricsAddress", "enablePprof", "cniConfigDir"],
  ...["multusConfigFile", "multusAutoconfigDir", "multusMasterCNI", "forceCNIVersion"],
  ...["overrideNetworkName", "cleanupConfigOnExit", "onMissingNetworks", "evictAlso", "daemonSocketDir"],
  ...["name", "type", "cniVersion", "binDir", "confDir", "cniDir", "clusterNetwork", "defaultNetworks"],
  ...["kubeconfig", "logFile", "logLevel", "logToStderr", "readinessindicatorfile", "namespaceIsolation"],
  ...["globalNamespaces", "systemNamespaces", "multusNamespace", "maxNetworksPerPod"],
  ...["retryDeleteOnError", "attachConcurrency", "delOnFailure", "delOnDaemonDown", "checkDelegates"],
  ...["auxiliaryCNIChainName", "nativeNetworks", "daemonStartTimeoutMs", "daemonWaitSeconds"],
]);

/**
 * @param version multusctl's
 * @throws {UserError} if Multus's pods cannot be listed, or the API server cannot be reached
 */
export async function collect(
  access: ClusterAccess,
  options: AllNodesOptions,
  context: CheckContext,
  version: string,
): Promise<Collected[]> {
  const { api, server } = access;
  const collected: Collected[] = [];
  const problems: string[] = [];
  const add = (name: string, about: string, value: unknown) =>
    collected.push({ name, about, text: jsonText(value) });
  /** A part that cannot be read is named in the archive, and stops nothing else. */
  const part = async (what: string, work: () => Promise<void>): Promise<void> => {
    try {
      await work();
    } catch (error) {
      if (!(error instanceof ApiError || error instanceof ApiUnreachable)) throw error;
      problems.push(`${what}: ${bounded(errorText(error), 1000)}`);
    }
  };

  const scope = nodesScope(options);
  const pods = await readMultusPods(api, server, scope);
  let names: ClusterNodes["names"];
  await part("nodes without a daemon", async () => {
    names = await nodeNames(api, scope);
  });
  const placeOf = placesOf(pods);
  await part("versions", async () => {
    const kubernetes = textOf(objectAt(await api.request({ method: "GET", path: "/version" })).gitVersion);
    const machines: JsonObject[] = [];
    await part("nodes", () =>
      forEachObject(api, nodes, { namespace: undefined }, (node) => {
        machines.push(machineOf(node));
      }),
    );
    const images = pods.map(({ node, container }) => ({ node, image: container.image }));
    add("versions.json", "of Kubernetes, the nodes, Multus's images and multusctl", {
      multusctl: version,
      kubernetes,
      images,
      nodes: machines,
    });
  });
  const found: MultusDaemonSet[] = [];
  await part("DaemonSets", async () => {
    await forEachObject(api, daemonSets, { namespace: options.namespace }, (object) => {
      const daemonSet = multusDaemonSet(object);
      if (daemonSet !== undefined) found.push(daemonSet);
    });
    const about = "Multus's DaemonSets: images, commands and mounts, without environments and annotations";
    add("cluster/daemonsets.json", about, found.map(daemonSetFacts));
  });
  for (const daemonSet of found) {
    await part("the daemon's configuration", async () => {
      const settings = await settingsOf(access, daemonSet);
      if (settings === undefined) return;
      const about = "the daemon's settings; of keys that are not known the names alone";
      add(`cluster/${partOf(daemonSet.name)}/daemon-config.json`, about, settings);
    });
  }
  await part("networks", async () => {
    const networks: unknown[] = [];
    await forEachObject(api, definitions, { namespace: undefined }, (object) => {
      const { key, plugins, findings } = checkDefinition(object, context);
      const problemsOf = findings.map(({ code, severity, place }) => ({ code, severity, ...place }));
      networks.push({ network: key, plugins, findings: problemsOf });
    });
    const about =
      "NetworkAttachmentDefinitions: names, types of plugins, codes of findings; no configuration";
    add("cluster/networks.json", about, networks);
  });
  await part("events", async () => {
    const own: JsonObject[] = [];
    await forEachObject(api, events, { namespace: undefined }, (event) => {
      if (event.reportingController === eventSource) own.push(eventFacts(event));
    });
    const time = ({ at }: JsonObject) => textOf(at);
    own.sort((left, right) => (time(left) < time(right) ? 1 : -1));
    add("cluster/events.json", `the last ${eventsKept} events of Multus`, own.slice(0, eventsKept));
  });

  const timeoutMs = options.timeout * 1000;
  let room = allAnswerBytes;
  for (const [file, about, command, shape] of questions) {
    // As text at once: the values of thousands of answers would take several times as much memory.
    const read = (printed: JsonObject): string => {
      const text = jsonText(shape(printed));
      if (text.length > longestAnswer || text.length > room) return "";
      room -= text.length;
      return text;
    };
    const answers = await askNodes(access, { names, pods }, command, read, timeoutMs);
    for (const { node, pod, answer, problem } of answers) {
      const name = `${placeOf(node, pod)}/${file}.json`;
      if (answer === undefined) problems.push(`${name}: ${problem}`);
      else if (answer === "") problems.push(`${name}: ${tooMuch(longestAnswer, allAnswerBytes)}`);
      else collected.push({ name, about, text: answer });
    }
  }
  const logs = await logsOf(access, pods, placeOf, timeoutMs, problems);
  const notRead = problems.map((problem) => `${escapeUnprintable(redactText(problem))}\n`).join("");
  return [
    ...collected,
    ...logs,
    ...(notRead === ""
      ? []
      : [{ name: "not-read.txt", about: "what could not be read, and why", text: notRead }]),
  ];
}

type Question = readonly [
  file: string,
  about: string,
  command: (pod: MultusPod) => string[],
  shape: (printed: JsonObject) => JsonObject,
];
const asItIs = (printed: JsonObject) => printed;
const questions: readonly Question[] = [
  ["status", "multusctl status of the node", (pod) => ["status", ...podDirectories(pod, false)], asItIs],
  ["doctor", "multusctl doctor of the node", (pod) => ["doctor", ...podDirectories(pod, true)], asItIs],
  [
    "attachments",
    "what is attached on the node: pods, interfaces, networks, plugins, states",
    () => ["ls"],
    shapesOf,
  ],
];

function jsonText(value: unknown): string {
  return `${JSON.stringify(redactJson(value), undefined, 2)}\n`;
}

function tooMuch(one: number, all: number): string {
  return `left out, as it has more than ${one >> 20} MiB, or all of its kind more than ${all >> 20} MiB`;
}

/** Directory of the archive for a pod, or for a node without one. */
type PlaceOf = (node: string, pod: string) => string;

/** A directory for each node; for each pod, where a node has several: of two DaemonSets, or one that is replaced. */
function placesOf(pods: readonly MultusPod[]): PlaceOf {
  const byNode = Map.groupBy(pods, ({ node }) => node);
  return (node, pod) => {
    const isOne = (byNode.get(node)?.length ?? 0) <= 1;
    return `nodes/${partOf(isOne ? node : `${node}_${pod}`)}`;
  };
}

/** Characters of a part of a path. */
const longestPart = 100;

/** A name of an object as a part of a path: names of Kubernetes have up to 253 characters. Names that Kubernetes does not have lead nowhere else. */
function partOf(name: string): string {
  if (name.length <= longestPart && /^\w[\w.-]*$/.test(name)) return name;
  const plain = name.replaceAll(/[^\w.-]|^\./g, "-").slice(0, longestPart - 20);
  return `${plain}-${createHash("sha256").update(name).digest("hex").slice(0, 16)}`;
}

function machineOf(node: JsonObject): JsonObject {
  const info = objectAt(node, "status", "nodeInfo");
  const { kubeletVersion, containerRuntimeVersion, osImage, kernelVersion, architecture } = info;
  const facts = { kubeletVersion, containerRuntimeVersion, osImage, kernelVersion, architecture };
  return { name: textOf(objectAt(node, "metadata").name), ...facts };
}

function daemonSetFacts({ namespace, name, isOurs, form, container, template }: MultusDaemonSet) {
  const hostPaths = Object.fromEntries(template.hostPaths);
  const { containers, initContainers } = template;
  return { namespace, name, isOurs, form, container: container.name, containers, initContainers, hostPaths };
}

/** @returns undefined: it has no configuration in a ConfigMap */
async function settingsOf({ api }: ClusterAccess, daemonSet: MultusDaemonSet): Promise<unknown> {
  const file = configurationFile(daemonSet);
  if (file === undefined || typeof file === "string") return undefined;
  const { name, key: fileKey } = file;
  const keys = objectIn((await readConfigMapFile(api, daemonSet.namespace, file)) ?? "");
  if (keys === undefined) return { configMap: name, problem: `${bounded(fileKey)} is no JSON object` };
  const entries = Object.entries(keys);
  const isSetting = ([key, value]: [string, unknown]) =>
    settingNames.has(key) && (Array.isArray(value) ? value.every(isPlain) : isPlain(value));
  return {
    configMap: name,
    settings: Object.fromEntries(entries.filter(isSetting)),
    namedAlone: entries.filter((entry) => !isSetting(entry)).map(([key]) => bounded(key)),
  };
}

function isPlain(value: unknown): boolean {
  return typeof value !== "object";
}

function eventFacts(event: JsonObject): JsonObject {
  const { type, reason, note, reportingInstance, eventTime } = event;
  const { kind, namespace, name } = objectAt(event, "regarding");
  const { count, lastObservedTime } = objectAt(event, "series");
  const times = { at: lastObservedTime ?? eventTime ?? event.deprecatedLastTimestamp, count };
  return { ...times, type, reason, note, node: reportingInstance, regarding: { kind, namespace, name } };
}

/** Without addresses and identifiers of devices. @param listed what `multusctl ls --json` prints */
function shapesOf(listed: JsonObject): JsonObject {
  const attachments = objectsIn(listed.attachments).map(
    ({ containerId, pod, ifName, network, plugins, state }) => {
      return { containerId, pod, ifName, network, plugins, state };
    },
  );
  return { attachments, problems: listed.problems };
}

async function logsOf(
  { text }: ClusterAccess,
  pods: readonly MultusPod[],
  placeOf: PlaceOf,
  timeoutMs: number,
  problems: string[],
): Promise<Collected[]> {
  const wanted = pods.flatMap((pod) =>
    pod.containers.flatMap((container) => [
      { pod, container, previous: false },
      ...(container === pod.container.name && pod.restarts > 0 ? [{ pod, container, previous: true }] : []),
    ]),
  );
  let room = allLogBytes;
  const logs = await forAllNodes(wanted, async ({ pod, container, previous }) => {
    const name = `${placeOf(pod.node, pod.name)}/${partOf(container)}${previous ? ".previous" : ""}.log`;
    const isFull = () => {
      if (room > 0) return false;
      problems.push(`${name}: left out, as the logs together have more than ${allLogBytes >> 20} MiB`);
      return true;
    };
    if (isFull()) return [];
    const query = new URLSearchParams({ container, tailLines: String(logLines), timestamps: "true" });
    if (previous) query.set("previous", "true");
    query.set("limitBytes", String(longestLogAnswer - 1));
    const path = `/api/v1/namespaces/${encodeURIComponent(pod.namespace)}/pods/${encodeURIComponent(pod.name)}/log?${query}`;
    try {
      const all = await text({ method: "GET", path, accept: "*/*", timeoutMs, maxBytes: longestLogAnswer });
      const kept = ownText(redactText(all).slice(-logBytes));
      if (isFull()) return [];
      room -= kept.length;
      const about = `the last ${logLines} lines of the ${previous ? "container before" : "log"}`;
      return [{ name, about, text: kept }];
    } catch (error) {
      if (!(error instanceof ApiError || error instanceof ApiUnreachable)) throw error;
      problems.push(`${name}: ${bounded(errorText(error), 1000)}`);
      return [];
    }
  });
  return logs.flat();
}
