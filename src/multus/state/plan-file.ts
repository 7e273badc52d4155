/**
 * The plan on disk: `<cniDir>/<containerId>`, in Go multus's form both ways, so that either can undo what the other did
 * (docs/behaviour.md, "DEL").
 */

import { statSync } from "node:fs";
import { join } from "node:path";
import { removeFile, removeFileThatIs, writeFileAtomically } from "../../base/atomic-file.ts";
import { directoryEntries } from "../../base/directory.ts";
import { ioAction } from "../../base/input-error.ts";
import { arrayElements, joinElements, joinMembers, objectMembers } from "../../base/json.ts";
import { readFileStart } from "../../base/regular-file.ts";
import { isMissingFile } from "../../base/system-error.ts";
import { isContainerId } from "../../cni/names.ts";
import { longestPlan, longestPlanRead } from "../input/bounds.ts";
import { askedRoutes } from "../plan/default-route.ts";
import { type Delegate, interfaceName, usualClusterIfName } from "../plan/delegate.ts";
import { encodeEntry, encodePlan, entryLength, planTooLarge } from "../plan/plan-encoding.ts";
import { decodeEntry, decodePlan, type PlanFile } from "./plan-decoding.ts";

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** Where the plan of a container is. @param containerId checked */
export function planPath(cniDir: string, containerId: string): string {
  return join(cniDir, containerId);
}

/** Writes the plan; a reader never sees half of it. @throws {CniError} 5; 7 a configuration that does not go into it */
export function writePlan(cniDir: string, containerId: string, delegates: readonly Delegate[]): void {
  writeFileAtomically(
    planPath(cniDir, containerId),
    encoder.encode(encodePlan(delegates)),
    temporaryPath(cniDir, containerId),
  );
}

/** Bytes of a container's plan on disk; 0 where there is none, or it cannot be looked at. */
export function planLength(cniDir: string, containerId: string): number {
  try {
    return statSync(planPath(cniDir, containerId), { throwIfNoEntry: false })?.size ?? 0;
  } catch {
    return 0;
  }
}

/** The plan of a container; undefined if there is none. A file that cannot be read is a plan with a problem. Never throws. */
export function readPlan(cniDir: string, containerId: string): PlanFile | undefined {
  try {
    const { bytes, size } = readFileStart(planPath(cniDir, containerId), longestPlanRead);
    const plan = decodePlan(bytes);
    return size <= longestPlanRead
      ? plan
      : { ...plan, problem: `longer than ${longestPlanRead} bytes; ${plan.problem}` };
  } catch (error) {
    return isMissingFile(error) ? undefined : { entries: [], problem: String(error) };
  }
}

/**
 * Adds a network to the plan of a container, as its last. The other entries stay byte for byte, whichever program wrote them.
 * @param delegate with the interface that it is for: places in the plan say nothing about it
 * @returns false: there is no whole plan to add it to
 * @throws {CniError} 5; 7 a configuration that does not go into it
 */
export function addToPlan(cniDir: string, containerId: string, delegate: Delegate): boolean {
  const entries = rawEntries(cniDir, containerId);
  if (entries === undefined) return false;
  const length = entries.reduce((sum, entry) => sum + entry.length, entryLength(delegate));
  if (length > longestPlan) throw planTooLarge(delegate.name, `${length} bytes`, longestPlan);
  const added = encoder.encode(encodeEntry(delegate, askedRoutes([delegate])));
  rewritePlan(cniDir, containerId, [...entries, added]);
  return true;
}

/**
 * Takes one network out of the plan of a container. Those behind it keep their interfaces: the ones that had them by their place say so from now on. A plan that is not
 * whole stays as it is: the pod's DEL makes the most of it, and may ask this network's plugins once more.
 * @param position of the network, not the first's
 * @throws {CniError} 5
 */
export function removeFromPlan(cniDir: string, containerId: string, position: number): void {
  const entries = rawEntries(cniDir, containerId);
  if (entries === undefined) return;
  const kept = entries.flatMap((entry, place) => {
    if (place === position) return [];
    return place < position ? [entry] : [withInterface(entry, place)];
  });
  rewritePlan(cniDir, containerId, kept);
}

/** The entry with its interface written into it, where it is there by its place. */
function withInterface(entry: Uint8Array, place: number): Uint8Array {
  const members = objectMembers(entry, "entry of a plan");
  const decoded = decodeEntry(JSON.parse(decoder.decode(entry)));
  if (decoded === undefined || decoded.request.ifName !== undefined) return entry;
  const ifName = interfaceName(decoded.request, place, usualClusterIfName);
  return joinMembers(members.set("ifnameRequest", encoder.encode(JSON.stringify(ifName))));
}

/** The elements of a plan as they are written; undefined where there is no whole one. */
function rawEntries(cniDir: string, containerId: string): Uint8Array[] | undefined {
  if (readPlan(cniDir, containerId)?.problem !== "") return undefined;
  const path = planPath(cniDir, containerId);
  return arrayElements(readFileStart(path, longestPlanRead).bytes, path);
}

function rewritePlan(cniDir: string, containerId: string, entries: readonly Uint8Array[]): void {
  writeFileAtomically(
    planPath(cniDir, containerId),
    joinElements(entries),
    temporaryPath(cniDir, containerId),
  );
}

/**
 * Ids of the containers that have a plan, whole or not, in no order; those whose plan comes or goes meanwhile may be among them or not. Gives way to other work.
 * Never throws: a directory that cannot be read has none.
 */
export async function* plannedContainers(cniDir: string): AsyncGenerator<string> {
  const entries = directoryEntries(cniDir);
  try {
    for await (const entry of entries) if (entry.isFile() && isContainerId(entry.name)) yield entry.name;
  } catch {
    // As documented.
  }
}

/** Where a plan is written before it gets its name. A container id starts with a letter or digit, so this name is no container's. */
function temporaryPath(cniDir: string, containerId: string): string {
  return join(cniDir, `.${containerId}`);
}

/** Removes a plan, and what a daemon that was killed while writing it left; one that is not there is no error. @throws {CniError} 5 */
export function removePlan(cniDir: string, containerId: string): void {
  const path = planPath(cniDir, containerId);
  ioAction("remove", path, () => {
    removeFileThatIs(path);
    removeFile(temporaryPath(cniDir, containerId));
  });
}
