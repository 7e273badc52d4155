/** The attachments of this node as its cache has them: plans and results put together, whoever wrote them. */

import { type CachedAttachment, ResultCache } from "../../cni/cache.ts";
import { KernelError, type Kernels } from "../../kernels/index.ts";
import { interfaceName } from "../../multus/delegate.ts";
import { plannedContainers, planPath, readPlan } from "../../multus/plan-file.ts";
import { podReference } from "../../multus/pod.ts";
import { problemLog } from "./problem-log.ts";

/** One network of one pod. */
export interface Attachment {
  readonly containerId: string;
  /** `namespace/name`; "" where no result tells. */
  readonly pod: string;
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
  /** `attached`: plan and result; `planned`: no result, so an ADD or DEL is under way or was cut off; `unplanned`: a result without a plan. */
  readonly state: "attached" | "planned" | "unplanned";
}

/** A file that could not be read whole. */
export interface CacheProblem {
  readonly file: string;
  readonly problem: string;
}

export interface NodeAttachments {
  readonly attachments: readonly Attachment[];
  readonly problems: readonly CacheProblem[];
}

/** What a configuration says, as far as it is listed. */
interface NetworkFacts {
  readonly name: string;
  readonly plugins: readonly string[];
}

/**
 * Reads a cache directory. Files of Go multus read the same; torn ones as far as they make sense.
 * @param cniDir the netconf's cniDir
 */
export function readAttachments(cniDir: string, kernels: Kernels): NodeAttachments {
  const problems: CacheProblem[] = [];
  const cache = new ResultCache(cniDir, problemLog(problems));
  const withResults = cache.list().map((result) => result.containerId);
  const containers = new Set([...plannedContainers(cniDir), ...withResults]);
  const attachments = [...containers].sort().flatMap((containerId) =>
    // Read for the container: where it is known, the name of a torn file says the rest of what it belongs to.
    attachmentsOf(cniDir, containerId, cache.list(containerId), kernels, problems),
  );
  return { attachments, problems: firstOfEachFile(problems, cniDir) };
}

/** The cache is read twice: each file is reported once. What is said of the directory is said once anyway. */
function firstOfEachFile(problems: readonly CacheProblem[], cniDir: string): CacheProblem[] {
  return problems.filter(
    ({ file }, index) => file === cniDir || problems.findIndex((other) => other.file === file) === index,
  );
}

function attachmentsOf(
  cniDir: string,
  containerId: string,
  results: readonly CachedAttachment[],
  kernels: Kernels,
  problems: CacheProblem[],
): Attachment[] {
  const plan = readPlan(cniDir, containerId);
  if (plan !== undefined && plan.problem !== "") {
    problems.push({ file: planPath(cniDir, containerId), problem: plan.problem });
  }
  const onProblem = (problem: string) =>
    problems.push({ file: cniDir, problem: `${containerId}: ${problem}` });
  const pod = results.map(podOf).find((name) => name !== "") ?? "";
  const unclaimed = new Set(results);
  const planned = (plan?.entries ?? []).map((entry, position) => {
    const facts = factsOf(entry.configurations, kernels);
    // The plan does not say what CNI_IFNAME was; the cluster network's result does.
    const cniIfName = results.find((result) => result.networkName === facts.name)?.ifName ?? "";
    const ifName = interfaceName({ request: entry.request, isCluster: position === 0 }, position, cniIfName);
    const result = results.find((each) => each.ifName === ifName && each.networkName === facts.name);
    if (result !== undefined) unclaimed.delete(result);
    const network = entry.name === "" ? facts.name : entry.name;
    const state = result === undefined ? ("planned" as const) : ("attached" as const);
    return {
      ...{ containerId, pod, ifName, network },
      ...addressesOf(result, kernels, onProblem),
      plugins: facts.plugins,
      state,
    };
  });
  const unplanned = [...unclaimed].map((result) => ({
    containerId,
    pod: podOf(result),
    ifName: result.ifName,
    network: result.networkName,
    ...addressesOf(result, kernels, onProblem),
    plugins: factsOf([result.config], kernels).plugins,
    state: "unplanned" as const,
  }));
  return [...planned, ...unplanned];
}

function podOf(result: CachedAttachment): string {
  const { namespace, name } = podReference(result.args);
  return name === "" || namespace === "" ? name : `${namespace}/${name}`;
}

/** Name and plugin types of the first configuration that can be read. */
function factsOf(configurations: readonly Uint8Array[], kernels: Kernels): NetworkFacts {
  for (const configuration of configurations) {
    try {
      const parts = kernels.splitConfig(configuration);
      return { name: parts.name, plugins: parts.plugins.map((plugin) => plugin.type) };
    } catch (error) {
      // A configuration may be torn while another one of the same entry is whole.
      if (!(error instanceof KernelError)) throw error;
    }
  }
  return { name: "", plugins: [] };
}

/** Addresses and MAC of the pod's interface in a result of any version. */
function addressesOf(
  attachment: CachedAttachment | undefined,
  kernels: Kernels,
  onProblem: (problem: string) => void,
): Pick<Attachment, "addresses" | "mac"> {
  if (attachment?.result === undefined) return { addresses: [], mac: "" };
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
