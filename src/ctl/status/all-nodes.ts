/** The status of all nodes: a row for each, from what multusctl says in its daemon's pod. */

import { isJsonObject, type JsonObject, objectAt, objectsIn } from "../../base/json.ts";
import { bounded, escapeUnprintable, longestMessage } from "../../log/quoted.ts";
import { type ClusterAccess, openApi } from "../cluster/access.ts";
import { askNodes, type NodeAnswer, podDirectories } from "../daemons/ask.ts";
import { type MultusPod, readNodes } from "../daemons/nodes.ts";
import { type AllNodesOptions, nodesScope } from "../daemons/options.ts";
import { failureText } from "../text/daemon-status.ts";
import { count, formatAge } from "../text/quantities.ts";
import { type Column, formatTable } from "../text/table.ts";
import { wrap } from "../text/wrap.ts";
import type { NodeStatus } from "./report.ts";

/** A node's row, and its daemon's own status. */
export interface NodeRow extends Omit<NodeAnswer<NodeStatus>, "answer"> {
  /** `ready`, `not ready`, `no answer`, `on demand`, `no daemon` */
  readonly state: string;
  /** Restarts of the daemon's container. */
  readonly restarts: number;
  readonly status: NodeStatus | undefined;
}

export interface ClusterStatus {
  readonly server: string;
  /** Every node that has to have a daemon has one that is ready. */
  readonly ok: boolean;
  /** Are nodes without a pod of Multus among them? These credentials may not list nodes otherwise. */
  readonly hasAllNodes: boolean;
  readonly nodes: readonly NodeRow[];
}

/** @throws {UserError} if the cluster cannot be asked for its pods */
export async function clusterStatus(options: AllNodesOptions): Promise<ClusterStatus> {
  using access = await openApi(options.kubeconfig, options.context, process.env);
  if (access.warning !== "") process.stderr.write(`! ${access.warning}\n`);
  return await statusOf(access, options);
}

/** The same over a connection that there is. @throws {UserError} */
async function statusOf(access: ClusterAccess, options: AllNodesOptions): Promise<ClusterStatus> {
  const nodes = await readNodes(access.api, access.server, nodesScope(options));
  const answers = await askNodes(
    access,
    nodes,
    (pod) => ["status", ...podDirectories(pod, false)],
    nodeStatus,
    options.timeout * 1000,
  );
  const rows = answers.map((answer) => rowOf(answer, nodes.pods));
  return {
    server: access.server,
    ok: rows.length > 0 && rows.every(({ state }) => state === "ready" || state === "on demand"),
    hasAllNodes: nodes.names !== undefined,
    nodes: rows,
  };
}

/** @param printed by multusctl in a pod, of any release @returns undefined: it lacks what a row has */
function nodeStatus(printed: JsonObject): NodeStatus | undefined {
  const { daemon, node, problem } = printed;
  const { containers, attachments, spool } = objectAt(node);
  const isNode = typeof containers === "number" && typeof attachments === "number";
  const isSpool = spool === undefined || areNumbers(objectAt(spool), ["waiting", "failed"]);
  const isWhole = isNode && isSpool && typeof problem === "string" && isDaemonStatus(daemon);
  return isWhole ? (printed as unknown as NodeStatus) : undefined;
}

const textsOfFailure = ["at", "command", "pod", "containerId", "message"];

function areTexts(object: JsonObject, keys: readonly string[]): boolean {
  return keys.every((key) => typeof object[key] === "string");
}

function areNumbers(object: JsonObject, keys: readonly string[]): boolean {
  return keys.every((key) => typeof object[key] === "number");
}

function isDaemonStatus(daemon: unknown): boolean {
  if (daemon === undefined) return true;
  const {
    version,
    ready,
    notReady,
    uptimeSeconds,
    memoryBytes,
    failures,
    timings = [],
    missingNetworks = [],
  } = objectAt(daemon);
  return (
    typeof ready === "boolean" &&
    [version, notReady].every((value) => typeof value === "string") &&
    [uptimeSeconds, memoryBytes].every((value) => typeof value === "number") &&
    [failures, timings, missingNetworks].every(
      (value) => Array.isArray(value) && value.every(isJsonObject),
    ) &&
    objectsIn(failures).every(
      (failure) => areTexts(failure, textsOfFailure) && areNumbers(failure, ["code"]),
    ) &&
    objectsIn(timings).every(({ networks }) => Array.isArray(networks) && networks.every(isJsonObject))
  );
}

function rowOf({ answer: status, ...about }: NodeAnswer<NodeStatus>, pods: readonly MultusPod[]): NodeRow {
  const pod = pods.find(({ name, node }) => name === about.pod && node === about.node);
  const problem = about.problem || (status?.problem ?? "") || (status?.daemon?.notReady ?? "");
  return { ...about, problem, restarts: pod?.restarts ?? 0, state: stateOf(about, status), status };
}

function stateOf(about: Omit<NodeAnswer<NodeStatus>, "answer">, status: NodeStatus | undefined): string {
  if (about.pod === "") return "no daemon";
  if (about.isOnDemand) return "on demand";
  if (status?.daemon === undefined) return "no answer";
  return status.daemon.ready ? "ready" : "not ready";
}

const right = (heading: string): Column => ({ heading, align: "right" });
const columns: readonly Column[] = [
  "NODE",
  "STATE",
  "VERSION",
  right("UP"),
  right("RESTARTS"),
  right("MEMORY"),
  right("PODS"),
  right("ATTACHMENTS"),
  right("NATIVE"),
  right("MISSING"),
  right("DELS"),
  right("FAILURES"),
];

/** Rows of lists below the table. */
const failuresShown = 10;
/** Characters of a daemon's version and of a time. */
const longestCell = 40;

/** A pod's text in one line, and no longer than a message: a table has each row as wide as its widest. */
function line(text: string, most: number = longestMessage): string {
  return escapeUnprintable(bounded(text, most));
}

/** @returns text that ends with a newline */
export function formatClusterStatus({ server, nodes, hasAllNodes }: ClusterStatus): string {
  const table = formatTable(columns, nodes.map(cellsOf));
  const problems = nodes
    .filter(({ problem }) => problem !== "")
    .map(
      ({ node, problem }) =>
        `${wrap(`${node}: ${bounded(problem, longestMessage)}`).replaceAll("\n", "\n  ")}\n`,
    );
  const failures = nodes
    .flatMap(({ node, status }) => (status?.daemon?.failures ?? []).map((failure) => ({ node, failure })))
    .sort((one, other) => (one.failure.at < other.failure.at ? 1 : -1));
  const shown = failures
    .slice(0, failuresShown)
    .map(({ node, failure }) => `${line(failure.at, longestCell)} ${node}: ${line(failureText(failure))}\n`);
  const more =
    failures.length > shown.length ? `and ${count(failures.length - shown.length, "further failure")}\n` : "";
  const parts = [
    table,
    ...(problems.length === 0 ? [] : [problems.join("")]),
    ...(shown.length === 0 ? [] : [`${shown.join("")}${more}`]),
  ];
  const ready = nodes.filter(({ state }) => state === "ready").length;
  const unseen = hasAllNodes ? "" : "; nodes without a daemon are not known, as nodes may not be listed";
  return `${parts.join("\n")}\n${server}: ${ready} of ${count(nodes.length, "node")} ready${unseen}\n`;
}

function cellsOf({ node, state, restarts, pod, status }: NodeRow): string[] {
  const daemon = status?.daemon;
  const ofPod = pod === "" ? "-" : String(restarts);
  if (status === undefined) return [node, state, "-", "-", ofPod, ...Array(7).fill("-")];
  const { node: files } = status;
  const networks = (daemon?.timings ?? []).flatMap((timing) => timing.networks);
  return [
    node,
    state,
    daemon === undefined ? "-" : line(daemon.version, longestCell),
    daemon === undefined ? "-" : formatAge(daemon.uptimeSeconds),
    ofPod,
    daemon === undefined ? "-" : `${Math.round(daemon.memoryBytes / 1e6)} MB`,
    String(files.containers),
    String(files.attachments),
    // Of the last requests' networks.
    networks.length === 0 ? "-" : `${networks.filter(({ native }) => native).length}/${networks.length}`,
    daemon === undefined ? "-" : String(daemon.missingNetworks?.length ?? 0),
    files.spool === undefined ? "-" : String(files.spool.waiting + files.spool.failed),
    daemon === undefined ? "-" : String(daemon.failures.length),
  ];
}
