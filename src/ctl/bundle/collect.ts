/** Collects what a support archive has: of chosen fields of the cluster's objects, of what multusctl says on each node, and of logs. Nothing is read of Secrets, environments or annotations. */

import { createHash } from "node:crypto";
import { type JsonObject, objectAt, objectIn, objectsIn, textOf } from "../../base/json.ts";
import { ApiError, ApiUnreachable } from "../../kube/api.ts";
import { errorText } from "../../log/error-text.ts";
import { bounded } from "../../log/quoted.ts";
import type { ClusterAccess } from "../cluster/access.ts";
import { checkDefinition } from "../cluster/definition.ts";
import { definitions, forEachObject, getObject, type Resource } from "../cluster/objects.ts";
import type { CheckContext } from "../configuration/configuration.ts";
import { askNodes, forAllNodes, podDirectories } from "../daemons/ask.ts";
import { type MultusDaemonSet, multusDaemonSet } from "../daemons/daemon-sets.ts";
import { type MultusPod, readNodes } from "../daemons/nodes.ts";
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
const configMaps: Resource = { base: "/api/v1", name: "configmaps" };
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
 * @throws {UserError} if Multus's pods cannot be listed @throws {ApiUnreachable} if the API server cannot be reached
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
    collected.push({ name, about, text: `${JSON.stringify(redactJson(value), undefined, 2)}\n` });
  /** A part that cannot be read is named in the archive, and stops nothing else. */
  const part = async (what: string, work: () => Promise<void>): Promise<void> => {
    try {
      await work();
    } catch (error) {
      if (!(error instanceof ApiError || error instanceof ApiUnreachable)) throw error;
      problems.push(`${what}: ${bounded(errorText(error), 1000)}`);
    }
  };

  const known = await readNodes(api, server, nodesScope(options));
  await part("versions", async () => {
    const kubernetes = textOf(objectAt(await api.request({ method: "GET", path: "/version" })).gitVersion);
    const machines: JsonObject[] = [];
    await part("nodes", () =>
      forEachObject(api, nodes, { namespace: undefined }, (node) => {
        machines.push(machineOf(node));
      }),
    );
    const images = known.pods.map(({ node, container }) => ({ node, image: container.image }));
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
  const asked: readonly (readonly [file: string, about: string, command: (pod: MultusPod) => string[]])[] = [
    ["status", "multusctl status of the node", (pod) => ["status", ...podDirectories(pod, false)]],
    ["doctor", "multusctl doctor of the node", (pod) => ["doctor", ...podDirectories(pod, true)]],
    [
      "attachments",
      "what is attached on the node: pods, interfaces, networks, plugins, states",
      () => ["ls"],
    ],
  ];
  for (const [file, about, command] of asked) {
    for (const { node, answer, problem } of await askNodes(access, known, command, asItIs, timeoutMs)) {
      if (answer === undefined) problems.push(`nodes/${node}/${file}.json: ${problem}`);
      else
        add(`nodes/${partOf(node)}/${file}.json`, about, file === "attachments" ? shapesOf(answer) : answer);
    }
  }
  collected.push(...(await logsOf(access, known.pods, timeoutMs, problems)));
  if (problems.length > 0) {
    const text = `${problems.map(redactText).join("\n")}\n`;
    collected.push({ name: "not-read.txt", about: "what could not be read, and why", text });
  }
  return collected;
}

const asItIs = (printed: JsonObject) => printed;

/** Characters of a part of a path. */
const longestPart = 100;

/** A name of an object as a part of a path: names of Kubernetes have up to 253 characters. */
function partOf(name: string): string {
  if (name.length <= longestPart) return name;
  return `${name.slice(0, longestPart - 20)}-${createHash("sha256").update(name).digest("hex").slice(0, 16)}`;
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
async function settingsOf(
  { api }: ClusterAccess,
  { namespace, template, container }: MultusDaemonSet,
): Promise<unknown> {
  const volume = container.mounts.find(({ at }) => at === "/etc/cni/net.d/multus.d")?.volume;
  const name = volume === undefined ? undefined : template.configMaps.get(volume);
  if (name === undefined) return undefined;
  const object = await getObject(api, configMaps, namespace, name);
  const text = textOf(objectAt(object, "data")["daemon-config.json"]);
  const keys = objectIn(text);
  if (keys === undefined) return { configMap: name, problem: "daemon-config.json is no JSON object" };
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
    const name = `nodes/${partOf(pod.node)}/${container}${previous ? ".previous" : ""}.log`;
    const query = new URLSearchParams({ container, tailLines: String(logLines), timestamps: "true" });
    if (previous) query.set("previous", "true");
    query.set("limitBytes", String(longestLogAnswer - 1));
    const path = `/api/v1/namespaces/${encodeURIComponent(pod.namespace)}/pods/${encodeURIComponent(pod.name)}/log?${query}`;
    try {
      const all = await text({ method: "GET", path, accept: "*/*", timeoutMs, maxBytes: longestLogAnswer });
      const kept = redactText(all).slice(-logBytes);
      room -= kept.length;
      if (room < 0) {
        problems.push(`${name}: left out, as the logs together have more than ${allLogBytes >> 20} MiB`);
        return [];
      }
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
