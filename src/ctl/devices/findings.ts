/** Findings of multusctl devices about a node's devices, beside its tables. */

import type { NodeInventory } from "../../devices/node-inventory.ts";
import { bounded, escapeUnprintable } from "../../log/quoted.ts";
import type { Attachment } from "../node/attachments.ts";
import type { Finding } from "../text/finding.ts";
import { count, listed } from "../text/quantities.ts";
import { type Assignments, type DeviceRow, nameOf } from "./assignments.ts";
import type { KnownClaims } from "./claim-names.ts";
import type { LeftFile } from "./device-info-files.ts";

export type DeviceFinding = Finding<string>;

/** Length of abbreviated container ids, as in runtimes' own tools. */
const shortId = 13;
/** Attachments and files that a finding names. */
const mostNamed = 8;

/** A name from outside, on one line. */
export function shown(name: string): string {
  return escapeUnprintable(bounded(name));
}

export function shortContainerId({ containerId }: Pick<Attachment, "containerId">): string {
  return containerId.slice(0, shortId);
}

/** Errors: devices that several attachments have. Warnings: stale ones. */
export function assignmentFindings({ rows, shared }: Assignments): DeviceFinding[] {
  const findings: DeviceFinding[] = [];
  for (const uses of shared) {
    const attachments = uses.flatMap((row) => row.attachments);
    findings.push({
      code: "devices/shared",
      severity: "error",
      subject: listed([...new Set(uses.map(subjectOf))], mostNamed),
      message: `${count(attachments.length, "attachment")} have it: ${listed(attachments.map(described), mostNamed)}`,
      remedy: uses.some(({ state }) => state === "stale")
        ? 'delete the pod of the stale one; where it is gone already, its DEL gives the device back: multusctl status, docs/operations.md, "DELs that wait"'
        : "a device serves one attachment: the pods must not share a claim, nor two resources have one device",
    });
  }
  for (const row of rows) {
    if (row.state !== "stale") continue;
    findings.push({
      code: "devices/stale",
      severity: "warning",
      subject: subjectOf(row),
      message: `${listed(row.attachments.map(described), mostNamed)} has it, and ${row.why}`,
      remedy: row.attachments.some(({ state }) => state === "deleting" || state === "given-up")
        ? 'its DEL is recorded and not done: multusctl status, docs/operations.md, "DELs that wait"'
        : "while a pod ends this is so for a moment; if it stays, delete the pod, or look why its DEL does not come: kubectl describe pod, the runtime's log",
    });
  }
  return findings;
}

/** How far what is said can be relied on. */
export function sourceFindings(
  { source, path, socketProblem, problems }: NodeInventory,
  claims: KnownClaims,
): DeviceFinding[] {
  const findings: DeviceFinding[] = [];
  if (source === "checkpoint") {
    findings.push({
      code: "devices/source",
      severity: "warning",
      subject: "kubelet",
      message: `this is from its checkpoint ${shown(path)}, which has pods that are gone until the next device is given out, and no devices of claims: ${shown(socketProblem)}`,
      remedy: "--pod-resources-socket names its pod-resources socket; a kubelet that runs answers there",
    });
  }
  for (const problem of problems) {
    findings.push({
      code: "devices/source",
      severity: "warning",
      subject: "kubelet",
      message: problem,
      remedy: "",
    });
  }
  if (claims.problem !== "") {
    findings.push({
      code: "devices/claims",
      severity: "skip",
      subject: "cluster",
      message: `which networks use the devices of claims cannot be told: ${claims.problem}`,
      remedy: claims.advice,
    });
  }
  return findings;
}

/** Of device plugins' files a note: a device that is not healthy now is not offered either. */
export function fileFindings(left: readonly LeftFile[]): DeviceFinding[] {
  return Object.entries(Object.groupBy(left, ({ why }) => why)).map(([why, files = []]) => ({
    code: "devices/information-files",
    severity: files[0]?.kind === "dp" ? "note" : "warning",
    subject: count(files.length, "device information file"),
    message: `${why}: ${listed(
      files.map(({ file }) => shown(file)),
      mostNamed,
    )}`,
    remedy:
      files[0]?.kind === "dp"
        ? "a device that is not healthy is not offered either, nor one of a device plugin that starts; where it is gone for good, the files can be removed"
        : "nothing reads them; they can be removed, and are gone when the node starts again",
  }));
}

function subjectOf(row: DeviceRow): string {
  return `${shown(row.resource)} ${shown(nameOf(row))}`;
}

/** `net1 of pod default/web (network default/fast, sandbox c0ffee0123456)` */
function described(attachment: Attachment): string {
  const { ifName, pod, network, state } = attachment;
  const owner = pod === "" ? "" : ` of pod ${shown(pod)}`;
  const doing = state === "attached" ? "" : `, ${state}`;
  return `${shown(ifName)}${owner} (network ${shown(network)}, sandbox ${shortContainerId(attachment)}${doing})`;
}
