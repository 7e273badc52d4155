/** Lists the attachments of this node from its cache: joins plans and results, of Go multus, too. */

import { join } from "node:path";
import { InputError } from "../../base/input-error.ts";
import { arrayElements, fieldMembers, memberValue, textOf } from "../../base/json.ts";
import { entryOf } from "../../base/map-entry.ts";
import {
  type AttachmentKey,
  type CachedAttachment,
  possibleContainers,
  ResultCache,
  reportedFiles,
  resultsDirectory,
} from "../../cni/cache.ts";
import { KernelError, type Kernels } from "../../kernels/index.ts";
import { errorText } from "../../log/error-text.ts";
import { spoolDirectory } from "../../multus/input/cni-dir.ts";
import { podReference } from "../../multus/input/pod.ts";
import { type RecordedState, recordedContainers } from "../../multus/spool/spool.ts";
import { isAttachmentOf, readContainer, unplannedAttachments } from "../../multus/state/container.ts";
import { plannedContainers, planPath } from "../../multus/state/plan-file.ts";
import { type CacheProblem, problemLog } from "./problem-log.ts";

/** One network of one pod. */
export interface Attachment {
  readonly containerId: string;
  /** `namespace/name`; "" where no result tells. */
  readonly pod: string;
  /** Of the pod; "" where no result tells. */
  readonly podUid: string;
  /** "" where neither plan nor result tells. */
  readonly ifName: string;
  /** `namespace/nad`, or the configuration's name. */
  readonly network: string;
  /** CIDRs. */
  readonly addresses: readonly string[];
  /** "" where the result has none. */
  readonly mac: string;
  /** Types of the network's plugins, in order. */
  readonly plugins: readonly string[];
  /** The Kubernetes resource of the attachment's device; "" for none, and where the plan does not tell. */
  readonly resource: string;
  /** The attachment's device: a PCI address, as a rule; "" for none. */
  readonly device: string;
  /**
   * `attached`: plan and result; `planned`: no result, so an ADD or DEL is under way or was cut off; `unplanned`: a result without a plan; `deleting`: the pod is gone, and its DEL is
   * recorded and retried in the background; `given-up`: the retries have ended.
   */
  readonly state: "attached" | "planned" | "unplanned" | "deleting" | "given-up";
}

export interface NodeAttachments {
  readonly attachments: readonly Attachment[];
  readonly problems: readonly CacheProblem[];
  /** Containers by the path of their network namespace. */
  readonly namespaces: ReadonlyMap<string, ReadonlySet<string>>;
}

/** The listed facts of an entry of the result cache. The entries may be large, and very many. */
interface ResultFacts
  extends Pick<Attachment, "ifName" | "pod" | "podUid" | "addresses" | "mac" | "plugins" | "device"> {
  readonly networkName: string;
}

/**
 * Reads a cache directory, each file once. Reads files of Go multus as well, and the readable part of torn ones.
 * @param cniDir the netconf's cniDir
 */
export async function readAttachments(cniDir: string, kernels: Kernels): Promise<NodeAttachments> {
  const problems: CacheProblem[] = [];
  const cache = new ResultCache(cniDir, problemLog(problems));
  const results = new Map<string, ResultFacts[]>();
  const namespaces = new Map<string, Set<string>>();
  const note = (cached: CachedAttachment) => {
    const { containerId, netns } = cached;
    const onProblem = (problem: string) =>
      problems.push({ file: cniDir, problem: `${containerId}: ${problem}` });
    entryOf(results, containerId, () => []).push(factsOfResult(cached, kernels, onProblem));
    if (netns !== "") entryOf(namespaces, netns, () => new Set<string>()).add(containerId);
  };
  const unknown: string[] = [];
  for await (const cached of cache.entries({ onUnknown: (name) => unknown.push(name) })) note(cached);
  const containers = new Set(results.keys());
  for await (const containerId of plannedContainers(cniDir)) containers.add(containerId);
  const ownerless: string[] = [];
  for (const name of unknown) {
    // With a known container, the name of a torn file tells its network and interface.
    const owner = possibleContainers(name).find((containerId) => containers.has(containerId));
    const cached = owner === undefined ? undefined : cache.readAs(name, owner);
    if (cached !== undefined) note(cached);
    else ownerless.push(name);
  }
  const resultsDir = join(cniDir, resultsDirectory);
  for (const name of ownerless.slice(0, reportedFiles)) {
    problems.push({ file: join(resultsDir, name), problem: "the file belongs to no known container" });
  }
  if (ownerless.length > reportedFiles) {
    const count = ownerless.length - reportedFiles;
    problems.push({ file: resultsDir, problem: `${count} further files belong to no known container` });
  }
  const recorded = await recordedIn(cniDir, problems);
  const attachments = [...containers].sort().flatMap((containerId) => {
    const own = (results.get(containerId) ?? []).sort(byFileName);
    const found = attachmentsOf(cniDir, containerId, own, kernels, problems);
    const record = recorded.get(containerId);
    if (record === undefined) return found;
    const state = record === "recorded" ? ("deleting" as const) : record;
    return found.map((attachment) => ({ ...attachment, state }));
  });
  return { attachments, problems: firstOfEachFile(problems, cniDir), namespaces };
}

/** Containers whose DEL is recorded, or was given up. */
async function recordedIn(
  cniDir: string,
  problems: CacheProblem[],
): Promise<ReadonlyMap<string, RecordedState>> {
  try {
    return await recordedContainers(cniDir);
  } catch (error) {
    problems.push({ file: join(cniDir, spoolDirectory), problem: errorText(error) });
    return new Map();
  }
}

/** Within one container file names differ only in network and interface. */
function byFileName(left: ResultFacts, right: ResultFacts): number {
  const name = ({ networkName, ifName }: ResultFacts) => `${networkName}-${ifName}`;
  return name(left) < name(right) ? -1 : 1;
}

/** Reports a file once even if it is read twice. Problems of the directory occur only once. */
function firstOfEachFile(problems: readonly CacheProblem[], cniDir: string): CacheProblem[] {
  const seen = new Set<string>();
  return problems.filter(({ file }) => {
    if (file === cniDir) return true;
    if (seen.has(file)) return false;
    seen.add(file);
    return true;
  });
}

function factsOfResult(
  cached: CachedAttachment,
  kernels: Kernels,
  onProblem: (problem: string) => void,
): ResultFacts {
  return {
    networkName: cached.networkName,
    ifName: cached.ifName,
    ...podOf(cached),
    ...addressesOf(cached, kernels, onProblem),
    plugins: pluginsOf(cached, kernels),
    device: deviceIn(cached.config),
  };
}

function attachmentsOf(
  cniDir: string,
  containerId: string,
  results: readonly ResultFacts[],
  kernels: Kernels,
  problems: CacheProblem[],
): Attachment[] {
  // The plan does not have CNI_IFNAME; the cluster network's result does.
  const clusterIfName = (networkName: string) =>
    results.find((result) => result.networkName === networkName)?.ifName ?? "";
  const cache = { read: (key: AttachmentKey) => results.find((result) => isAttachmentOf(result, key)) };
  const { plan, attachments } = readContainer(cniDir, containerId, { kernels, cache, clusterIfName });
  if (plan !== undefined && plan.problem !== "") {
    problems.push({ file: planPath(cniDir, containerId), problem: plan.problem });
  }
  const { pod = "", podUid = "" } = results.find((result) => result.pod !== "") ?? {};
  const unplanned = unplannedAttachments(attachments, results);
  return [...attachments, ...unplanned].map(({ name: network, ifName, plugins, planned, cached }) => {
    const { addresses = [], mac = "" } = cached ?? {};
    const state = planned === undefined ? "unplanned" : cached === undefined ? "planned" : "attached";
    const own = planned === undefined ? cached : undefined;
    return {
      containerId,
      pod: own?.pod ?? pod,
      podUid: own?.podUid ?? podUid,
      ifName,
      network,
      addresses,
      mac,
      plugins: own?.plugins ?? plugins,
      resource: planned?.entry.resourceName ?? "",
      device: own?.device ?? planned?.entry.request.deviceID ?? "",
      state,
    };
  });
}

function podOf(result: CachedAttachment): Pick<Attachment, "pod" | "podUid"> {
  const { namespace, name, uid } = podReference(result.args);
  return { pod: name === "" || namespace === "" ? name : `${namespace}/${name}`, podUid: uid };
}

/** The device that a configuration names for its first plugin; "" for none, and where it is torn. */
function deviceIn(configuration: Uint8Array): string {
  try {
    const { plugins } = Object.fromEntries(fieldMembers(configuration, "", (name) => name === "plugins"));
    const [first = configuration] = plugins === undefined ? [] : arrayElements(plugins, "");
    return textOf(
      memberValue(
        fieldMembers(first, "", (name) => name === "deviceID"),
        "deviceID",
      ),
    );
  } catch (error) {
    if (error instanceof InputError) return "";
    throw error;
  }
}

/** Types of the plugins; none of a configuration that is torn. */
function pluginsOf({ config }: CachedAttachment, kernels: Kernels): readonly string[] {
  try {
    return kernels.splitConfig(config).plugins.map(({ type }) => type);
  } catch (error) {
    if (!(error instanceof KernelError)) throw error;
    return [];
  }
}

/** Addresses and MAC of the pod's interface in a result of any version. */
function addressesOf(
  attachment: CachedAttachment,
  kernels: Kernels,
  onProblem: (problem: string) => void,
): Pick<Attachment, "addresses" | "mac"> {
  if (attachment.result === undefined) return { addresses: [], mac: "" };
  try {
    const converted = kernels.convertResult({
      result: attachment.result,
      configVersion: "1.0.0",
      targetVersion: "1.0.0",
    });
    const result = JSON.parse(Buffer.from(converted).toString()) as {
      interfaces?: { name: string; mac?: string }[];
      ips?: { address: string }[];
    };
    return {
      addresses: (result.ips ?? []).map((ip) => ip.address),
      mac: result.interfaces?.find((each) => each.name === attachment.ifName)?.mac ?? "",
    };
  } catch (error) {
    if (!(error instanceof KernelError)) throw error;
    onProblem(`result of ${attachment.networkName} at ${attachment.ifName}: ${error.message}`);
    return { addresses: [], mac: "" };
  }
}
