/** Formats the status of a node as text. */

import type { WatchState } from "../../kube/cluster-state.ts";
import type { LaneStatus } from "../../socket/status.ts";
import type { DaemonStatus } from "../node/daemon-socket.ts";
import { failureText, missingText } from "../text/daemon-status.ts";
import { count, formatAge } from "../text/quantities.ts";
import { formatTable } from "../text/table.ts";
import type { NodeSummary } from "./node-summary.ts";

export interface NodeStatus {
  /** undefined: none answers. */
  readonly daemon: DaemonStatus | undefined;
  /** Why none answers, and advice; "" if one does. */
  readonly problem: string;
  readonly advice: string;
  readonly node: NodeSummary;
}

/** Rows of lists that text shows; JSON has all. */
const networksShown = 10;
const failuresShown = 5;

/** @returns text that ends with a newline */
export function formatStatus({ daemon, problem, node }: NodeStatus): string {
  const rows = [
    ...(daemon === undefined ? [["daemon", problem]] : daemonRows(daemon)),
    ["attachments", `${count(node.attachments, "attachment")} of ${count(node.containers, "container")}`],
    ...node.networks
      .slice(0, networksShown)
      .map(({ network, attachments }) => ["", `${network === "" ? "(unknown)" : network}: ${attachments}`]),
    ...(node.networks.length > networksShown
      ? [["", `and ${count(node.networks.length - networksShown, "further network")}`]]
      : []),
    ["spool", spoolText(node)],
    ...(daemon === undefined ? [] : missingRows(daemon)),
    ...node.problems.map((text, index) => [index === 0 ? "problems" : "", text]),
    ...(daemon === undefined ? [] : failureRows(daemon)),
  ];
  // The first row's cells stand where a table has its headings.
  const [[heading = "", first = ""] = [], ...others] = rows;
  return formatTable([heading, first], others);
}

function daemonRows(daemon: DaemonStatus): string[][] {
  const { version, pid, nodeName, requests, clusters } = daemon;
  const facts = [
    `${version}${nodeName === "" ? "" : ` on ${nodeName}`}`,
    ...(daemon.onDemand ? ["on demand"] : []),
    daemon.ready ? "ready" : `not ready (${daemon.notReady})`,
    `up ${formatAge(daemon.uptimeSeconds)}`,
    `${Math.round(daemon.memoryBytes / 1e6)} MB`,
    `process ${pid}`,
  ];
  return [
    ["daemon", facts.join(", ")],
    ["requests", `${requests.running} under way, ${requests.waiting} waiting`],
    ...(requests.lanes ?? []).flatMap(laneRow),
    ...(clusters.length === 0 ? [["cluster", "none is open"]] : []),
    ...clusters.flatMap(({ server, watches, deliveries }) => [
      ["cluster", server],
      ...watches.map((watch) => ["", watchText(watch)]),
      ...deliveries.map(({ kind, pending, delivered, givenUp }) => [
        "",
        `${kind} deliveries: ${pending} pending, ${delivered} done, ${givenUp} given up`,
      ]),
    ]),
  ];
}

/** A kind of request that there are any of. */
function laneRow({ lane, running, waiting, paused, slots, allSlots }: LaneStatus): string[][] {
  if (running + waiting + paused === 0) return [];
  const limits = `${slots} for one namespace, ${allSlots} for all`;
  return [["", `${lane}: ${running} running (${limits}), ${waiting} waiting, ${paused} paused`]];
}

function watchText({ resource, size, connected, synced, heardAt, memory }: WatchState): string {
  const state = !synced
    ? "not listed yet"
    : connected
      ? "watched"
      : "NOT watched: the kept objects may be outdated";
  const heard = heardAt === undefined ? "" : `, heard of ${formatAge((Date.now() - heardAt) / 1000)} ago`;
  const leftOut = memory.leftOut === 0 ? "" : `, ${memory.leftOut} do not fit into memory`;
  return `${resource}: ${size} known, ${state}${heard}${leftOut}`;
}

function spoolText({ spool }: NodeSummary): string {
  if (spool === undefined) return "cannot be read";
  const { waiting, failed, oldestSeconds } = spool;
  const oldest = oldestSeconds === undefined ? "" : `, the oldest for ${formatAge(oldestSeconds)}`;
  return `${count(waiting, "DEL")} waiting${oldest}${failed === 0 ? "" : `, ${failed} given up`}`;
}

function missingRows({ missingNetworks = [] }: DaemonStatus): string[][] {
  if (missingNetworks.length === 0) return [];
  return [["missing", `${missingText(missingNetworks)} (multusctl ls --missing)`]];
}

function failureRows({ failures }: DaemonStatus): string[][] {
  if (failures.length === 0) return [["failures", "none since it was started, of the last requests"]];
  const shown = failures.slice(0, failuresShown);
  return shown.map((failure, index) => [
    index === 0 ? "failures" : "",
    `${failure.at} ${failureText(failure)}`,
  ]);
}
