/** The report of multusctl devices: tables, and one JSON object. */

import { entryOf } from "../../base/map-entry.ts";
import { byteOrder } from "../../devices/byte-order.ts";
import type { NodeInventory } from "../../devices/node-inventory.ts";
import { type Finding, formatFinding } from "../text/finding.ts";
import { listed } from "../text/quantities.ts";
import { type Column, formatTable } from "../text/table.ts";
import { type DeviceRow, nameOf } from "./assignments.ts";
import type { LeftFile } from "./device-info-files.ts";
import { type DeviceFinding, shortContainerId, shown } from "./findings.ts";

/** The devices of one resource, counted: each once, whatever it is used by. */
export interface ResourceCounts {
  readonly resource: string;
  /** Healthy devices of device plugins; null: not known, or those of a DRA driver. */
  readonly allocatable: number | null;
  /** Given to pods. */
  readonly assigned: number;
  /** Given to pods, and an attachment of that pod has it. */
  readonly used: number;
  readonly unused: number;
  /** Allocatable, and given to no pod; null where allocatable is. */
  readonly free: readonly string[] | null;
}

export interface DevicesReport {
  readonly inventory: NodeInventory;
  readonly cniDir: string;
  readonly rows: readonly DeviceRow[];
  readonly resources: readonly ResourceCounts[];
  readonly leftFiles: readonly LeftFile[];
  readonly findings: readonly DeviceFinding[];
  /** Files and directories that could not be read whole. */
  readonly problems: readonly { readonly file: string; readonly problem: string }[];
}

/** Rows of containers that a cell names, and findings that text shows; JSON has all. */
const containersShown = 4;
const findingsShown = 20;

/** @param rows all of the node */
export function resourceCounts(
  { allocatable }: Pick<NodeInventory, "allocatable">,
  rows: readonly DeviceRow[],
): ResourceCounts[] {
  const given = new Map<string, Map<string, boolean>>();
  for (const resource of allocatable?.keys() ?? []) given.set(resource, new Map());
  for (const { resource, device, containers, attachments } of rows) {
    if (resource === "" || containers.length === 0) continue;
    const devices = entryOf(given, resource, () => new Map<string, boolean>());
    devices.set(device, devices.get(device) === true || attachments.length > 0);
  }
  return [...given]
    .sort(([one], [other]) => byteOrder(one, other))
    .map(([resource, devices]) => {
      const used = [...devices.values()].filter((isUsed) => isUsed).length;
      const healthy = allocatable?.get(resource);
      return {
        resource,
        allocatable: healthy?.size ?? null,
        assigned: devices.size,
        used,
        unused: devices.size - used,
        free: healthy === undefined ? null : [...healthy].filter((id) => !devices.has(id)).sort(byteOrder),
      };
    });
}

export function isGood(findings: readonly Finding<unknown>[]): boolean {
  return findings.every(({ severity }) => severity !== "error");
}

/** The form of `devices --json`. */
export function reportJson(report: DevicesReport) {
  const { inventory, cniDir, rows, resources, leftFiles, findings, problems } = report;
  const { source, path, socketProblem } = inventory;
  return {
    ok: isGood(findings),
    source: { kind: source, path, socketProblem },
    cniDir,
    devices: rows.map(({ attachments, why, ...row }) => ({
      ...row,
      attachments: attachments.map(({ containerId, ifName, network, state }) => ({
        containerId,
        ifName,
        network,
        state,
      })),
    })),
    resources,
    leftFiles,
    findings: findings.map(({ code, severity, subject, message, remedy }) => ({
      code,
      severity,
      subject,
      message,
      remedy,
    })),
    problems,
  };
}

const deviceColumns = ["RESOURCE", "DEVICE", "POD", "CONTAINERS", "NETWORK", "INTERFACE", "SANDBOX", "STATE"];
const countColumns: readonly Column[] = [
  "RESOURCE",
  ...["ALLOCATABLE", "ASSIGNED", "USED", "UNUSED", "FREE"].map((heading) => ({
    heading,
    align: "right" as const,
  })),
];

/** Tables of devices and resources, and the findings. @returns text that ends with a newline */
export function formatReport({ rows, resources, findings }: DevicesReport): string {
  const texts = [formatTable(deviceColumns, rows.map(deviceCells))];
  if (resources.length > 0) texts.push(formatTable(countColumns, resources.map(countCells)));
  if (findings.length > 0) texts.push(`${findingLines(findings).join("\n")}\n`);
  return texts.join("\n");
}

function deviceCells(row: DeviceRow): string[] {
  const { resource, pod, podUid, containers, attachments, state } = row;
  const each = (text: (attachment: (typeof attachments)[number]) => string) =>
    attachments.map((attachment) => shown(text(attachment)) || "-").join("\n");
  return [
    shown(resource),
    shown(nameOf(row)),
    shown(pod || podUid),
    listed(containers.map(shown), containersShown),
    each(({ network }) => network),
    each(({ ifName }) => ifName),
    each(shortContainerId),
    state,
  ].map((cell) => cell || "-");
}

function countCells({ resource, allocatable, assigned, used, unused, free }: ResourceCounts): string[] {
  const counts = [allocatable, assigned, used, unused, free?.length];
  return [shown(resource), ...counts.map((each) => String(each ?? "-"))];
}

function findingLines(findings: readonly DeviceFinding[]): string[] {
  const lines = findings
    .slice(0, findingsShown)
    .flatMap((finding) => [
      formatFinding(finding),
      ...(finding.remedy === "" ? [] : [`  → ${finding.remedy}`]),
    ]);
  const further = findings.length - findingsShown;
  return further > 0 ? [...lines, `${further} further findings: --json has all`] : lines;
}
