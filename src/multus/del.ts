/** DEL, and what becomes of one that fails: the runtime is told some times, then a shim records it and it is done in the background (docs/configuration.md, "A DEL that fails"). */

import type { CniError } from "../cni/errors.ts";
import { deleteGivenUp, deleteRecorded, type PodEvent } from "./cluster/pod-events.ts";
import { type Detached, detach } from "./detach.ts";
import type { FailedDels } from "./failed-dels.ts";
import type { DelOnFailure } from "./input/netconf.ts";
import { podKey } from "./input/pod.ts";
import { PodError } from "./input/pod-error.ts";
import type { NetworkCatalog } from "./plan/networks.ts";
import type { Call } from "./request/call.ts";
import { removeDeviceInfo } from "./request/device-info.ts";
import { isTriedEnoughWithoutResult } from "./spool/retry-rule.ts";
import { removeSetAside } from "./spool/spool.ts";
import { readContainer, unplannedAttachments } from "./state/container.ts";
import { planLength, removePlan } from "./state/plan-file.ts";

/**
 * Takes all attachments of the container away. Where that fails, the report says that the DEL is to be recorded, and whether the runtime is told.
 * @param neverStarted an ADD of the container is known to have ended before its first delegate
 * @param failedDels of the netconf's cniDir
 * @throws {CniError} all that failed in one
 */
export async function del(
  catalog: NetworkCatalog,
  call: Call,
  neverStarted: boolean,
  failedDels: FailedDels,
): Promise<void> {
  const { containerId } = call.request;
  const mode = modeOf(call);
  const detached = await detach(catalog, call, { neverStarted, keepsPlan: mode === "retry" });
  if (detached.failure !== undefined) {
    // It says nothing about its plugins, and comes again.
    if (detached.isGone) throw detached.failure;
    await failed(call, mode, detached, failedDels, detached.failure);
    return;
  }
  const before = failedDels.forget(containerId);
  if (before !== undefined && before.state !== "failing") {
    call.chain.log.verbose("a DEL that had failed is done", { tries: before.count, pod: podKey(before) });
  }
}

/** The mode that counts for this request. A recorded DEL comes again whatever it ends with; a DEL from another plugin than ours cannot be recorded. */
function modeOf({ netconf, request }: Call): DelOnFailure {
  const { delOnFailure } = netconf;
  if (delOnFailure === "ignore") return "ignore";
  if (request.triesLeft !== undefined) return "retry";
  return request.canRecord ? delOnFailure : "fail";
}

/**
 * Decides what the runtime is told. The error is thrown also where it is success: with `report.record` "instead" the REPLY has the shim record the DEL and answer success
 * (shim/call.c, `finish_plugin`).
 * @throws {CniError} unless the failure is ignored, or the container is forgotten
 */
async function failed(
  call: Call,
  mode: DelOnFailure,
  { isLeft, wasNeverAttached }: Detached,
  failedDels: FailedDels,
  error: CniError,
): Promise<void> {
  const { request, sandbox, chain, report } = call;
  const { pod } = sandbox;
  const { log } = chain;
  const { containerId, triesLeft } = request;
  if (mode === "ignore") {
    log.error("DEL has failed, which is ignored as delOnFailure says: addresses may stay reserved", {
      error: error.message,
    });
    failedDels.forget(containerId);
    return;
  }
  if (mode === "fail" || !isLeft) throw error;
  const noted = failedDels.note(containerId, pod, triesLeft !== undefined);
  const isKept = await failedDels.keep(containerId, await bytesOf(call), (other) => drop(call, other));
  if (triesLeft !== undefined) {
    if (wasNeverAttached && isTriedEnoughWithoutResult(triesLeft)) {
      await forgetUnattached(call, failedDels, error);
      return;
    }
    if (triesLeft <= 1) await giveUp(call, failedDels, error);
    throw error;
  }
  const isEnough = failedDels.isEnough(noted);
  if (!isKept) {
    log.error("a failed DEL cannot be recorded: its namespace has as many as it may have", {
      namespace: pod.namespace,
      tries: noted.count,
    });
    throw new PodError(
      error.code,
      `${error.message} (it cannot be recorded and retried in the background: failed DELs of namespace ${noted.namespace} take all the room that they may)`,
      error.details,
    );
  }
  // From the first one on: the runtime may not ask again.
  report.record = isEnough ? "instead" : "tell";
  if (isEnough) failedDels.markRecorded(containerId);
  if (isEnough && noted.state === "failing") {
    log.error("a DEL keeps failing: the runtime is told success, and the DEL is retried in the background", {
      tries: noted.count,
      error: error.message,
    });
    send(call, deleteRecorded(noted.count, error.message));
  }
  throw error;
}

/**
 * Ends the tries for a container that has never had a network: a network whose ADD and DEL both fail (its master is misspelt, say) leaves such a container with each sandbox that the
 * kubelet tries, and would soon take all the room of its namespace.
 */
async function forgetUnattached(call: Call, failedDels: FailedDels, error: CniError): Promise<void> {
  const { netconf, request, chain } = call;
  const { containerId } = request;
  chain.log.error("a recorded DEL is not tried again: no network of its container was ever attached", {
    tries: failedDels.forget(containerId)?.count,
    error: error.message,
  });
  await removeDeviceInfoOf(call, containerId);
  removePlan(netconf.cniDir, containerId);
}

/** After the last try nothing comes any more. Plan and results stay as long as there is room for them, for GC and for who tries it by hand. */
async function giveUp(call: Call, failedDels: FailedDels, error: CniError): Promise<void> {
  const { containerId } = call.request;
  const tries = failedDels.get(containerId)?.count;
  if (!failedDels.giveUp(containerId)) await drop(call, containerId);
  call.chain.log.error(
    "a recorded DEL is given up: it has failed for a day, and addresses may stay reserved",
    {
      tries,
      error: error.message,
    },
  );
  send(call, deleteGivenUp(error.message));
}

function send({ cluster, sandbox }: Call, event: PodEvent): void {
  cluster?.sink.event(sandbox.pod, event);
}

/** Bytes on disk of the container while its DEL is recorded: the record is little more than the netconf. */
async function bytesOf({ chain, netconf, request }: Call): Promise<number> {
  const { containerId, config, args } = request;
  const cached = await chain.cache.list(containerId);
  return cached.reduce(
    (sum, one) => sum + one.config.length + (one.result?.length ?? 0),
    config.length + args.length + planLength(netconf.cniDir, containerId),
  );
}

/** Removes what was kept of a container whose DEL was given up: plan, results, the record that is set aside. */
async function drop(call: Call, containerId: string): Promise<void> {
  const { chain, netconf } = call;
  await removeDeviceInfoOf(call, containerId);
  removePlan(netconf.cniDir, containerId);
  await removeSetAside(netconf.cniDir, containerId);
  for (const { networkName, ifName } of await chain.cache.list(containerId)) {
    chain.cache.remove({ networkName, containerId, ifName });
  }
  chain.log.error(
    "plan and results of a container whose DEL was given up are removed: there is no room for them",
    {
      dropped: containerId,
    },
  );
}

/** Removes the device information files of all attachments that a container has on disk. */
async function removeDeviceInfoOf(call: Call, containerId: string): Promise<void> {
  const { chain, netconf } = call;
  const { attachments } = readContainer(netconf.cniDir, containerId, chain);
  const unplanned = unplannedAttachments(attachments, await chain.cache.list(containerId));
  for (const attachment of [...attachments, ...unplanned]) removeDeviceInfo(call, containerId, attachment);
}
