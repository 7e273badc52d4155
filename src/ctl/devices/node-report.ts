/** Makes the report of multusctl devices about a node: asks the kubelet, reads the cache and, for claims, the cluster. */

import { setTimeout as sleep } from "node:timers/promises";
import { ExpectedError } from "../../base/input-error.ts";
import type { KubeletPaths } from "../../devices/kubelet-devices.ts";
import { type NodeInventory, takeInventory } from "../../devices/node-inventory.ts";
import type { Kernels } from "../../kernels/index.ts";
import { readPlan } from "../../multus/state/plan-file.ts";
import { UserError } from "../command/user-error.ts";
import { type Attachment, readAttachments } from "../node/attachments.ts";
import { cacheMissingAdvice, isCacheThere } from "../node/cache-directory.ts";
import { type Assignments, assignmentsOf, type DeviceRow } from "./assignments.ts";
import { type ClusterOptions, claimNames } from "./claim-names.ts";
import { leftDeviceInfo } from "./device-info-files.ts";
import { assignmentFindings, type DeviceFinding, fileFindings, sourceFindings } from "./findings.ts";
import { type DevicesReport, resourceCounts } from "./report.ts";

export interface ReportOptions {
  readonly kubelet: KubeletPaths;
  readonly cniDir: string;
  /** With `dp` and `cni`. */
  readonly deviceInfoDir: string;
  /** The only resource of interest; undefined: all. */
  readonly resource: string | undefined;
  readonly cluster: ClusterOptions;
  /** Milliseconds, for tests: of the kubelet's answers, and between two looks at what is stale or shared. */
  readonly limits?: {
    readonly deadlineMs?: number;
    readonly patienceMs?: number;
    readonly secondLookMs?: number;
  };
}

/** A kubelet that has just been started knows no pods for about a second, and what ends or begins takes its time: what is stale or shared gets a second look after so many milliseconds. */
const usualSecondLookMs = 2_000;

/** @throws {UserError} where the kubelet tells nothing, or the cache cannot be read */
export async function reportOf(options: ReportOptions, kernels: Kernels): Promise<DevicesReport> {
  const { cniDir, deviceInfoDir, resource } = options;
  const isThere = isCacheThere(cniDir);
  // Before the kubelet is asked: what is attached meanwhile is unused then, rather than stale.
  const { attachments, problems } = await readAttachments(cniDir, kernels);
  let inventory = await inventoryOf(options);
  const claimed = inventory.pods.flatMap((pod) => pod.claimed);
  const claims = await claimNames(claimed, options.cluster);
  const withDevice = attachments.filter(({ device }) => device !== "");
  let all = assignmentsOf(inventory, withDevice, claims.namesOf);
  const doubtful = doubtfulAttachments(all);
  if (doubtful.size > 0) {
    await sleep(options.limits?.secondLookMs ?? usualSecondLookMs);
    const lasting = withDevice.filter((each) => !doubtful.has(each) || isStillThere(cniDir, each));
    inventory = await inventoryOf(options);
    all = assignmentsOf(inventory, lasting, claims.namesOf);
  }
  const isAsked = (each: Pick<DeviceRow, "resource">) => resource === undefined || each.resource === resource;
  const files =
    resource === undefined
      ? await leftDeviceInfo({
          directory: deviceInfoDir,
          cniDir,
          containers: new Set(attachments.map(({ containerId }) => containerId)),
          devices: knownDevices(inventory, all.rows),
        })
      : { left: [], problems: [] };
  const assignments = {
    rows: all.rows.filter(isAsked),
    shared: all.shared.filter((uses) => uses.some(isAsked)),
  };
  return {
    inventory,
    cniDir,
    rows: assignments.rows,
    resources: resourceCounts(inventory, all.rows).filter(isAsked),
    leftFiles: files.left,
    findings: [
      ...sourceFindings(inventory, claims),
      ...(isThere ? [] : [cacheMissing(cniDir)]),
      ...assignmentFindings(assignments),
      ...fileFindings(files.left),
    ],
    problems: [...problems, ...files.problems],
  };
}

async function inventoryOf({ kubelet, limits }: ReportOptions): Promise<NodeInventory> {
  try {
    return await takeInventory(kubelet, limits);
  } catch (error) {
    if (!(error instanceof ExpectedError)) throw error;
    throw new UserError(
      `the kubelet does not tell its devices: ${error.message}`,
      process.getuid?.() === 0
        ? "--pod-resources-socket and --device-plugins-dir name other places; the daemon's pod has both directories with the component devices"
        : "run it with sudo",
      { cause: error },
    );
  }
}

function cacheMissing(cniDir: string): DeviceFinding {
  return {
    code: "devices/attachments",
    severity: "warning",
    subject: cniDir,
    message: "it does not exist, so no attachment is known",
    remedy: cacheMissingAdvice,
  };
}

function doubtfulAttachments({ rows, shared }: Assignments): ReadonlySet<Attachment> {
  const stale = rows.filter(({ state }) => state === "stale");
  return new Set([...stale, ...shared.flat()].flatMap(({ attachments }) => attachments));
}

/** Has the plan the device still? A device that only a result names counts as there. */
function isStillThere(cniDir: string, { containerId, device, resource }: Attachment): boolean {
  if (resource === "") return true;
  const entries = readPlan(cniDir, containerId)?.entries ?? [];
  return entries.some(({ request }) => request.deviceID === device);
}

/** @returns undefined where the node may have others */
function knownDevices(
  { allocatable, source }: NodeInventory,
  rows: readonly DeviceRow[],
): { readonly resource: string; readonly device: string }[] | undefined {
  const isWhole = source === "pod-resources" && rows.every(({ state }) => state !== "unknown");
  if (allocatable === undefined || !isWhole) return undefined;
  const offered = Array.from(allocatable, ([resource, ids]) =>
    Array.from(ids, (device) => ({ resource, device })),
  );
  return [...offered.flat(), ...rows];
}
