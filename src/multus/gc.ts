/** GC: what the runtime no longer counts valid is undone, and every network's plugins are told what is left (docs/behaviour.md, "GC"; CNI spec, "GC"). */

import { objectMembers, parseJson } from "../base/json.ts";
import { entryOf } from "../base/map-entry.ts";
import { type CachedAttachment, ResultCache } from "../cni/cache.ts";
import { gcNetworkList, type ValidAttachment } from "../cni/chain.ts";
import { parseNetworkConfig } from "../cni/config.ts";
import { CniError, CniErrorCode, cniErrorOf, configError } from "../cni/errors.ts";
import type { NetworkConfigList } from "../cni/types.ts";
import { silentLogger } from "../log/logger.ts";
import { deleteAttachments, oneError } from "./detach.ts";
import { podReference } from "./input/pod.ts";
import { usualClusterIfName } from "./plan/delegate.ts";
import type { NetworkCatalog } from "./plan/networks.ts";
import type { Call } from "./request/call.ts";
import { pluginArgs } from "./request/plugin-environment.ts";
import { plannedContainers, removePlan } from "./state/plan-file.ts";
import { recoverAttachments } from "./state/recover.ts";
import { clusterNetwork } from "./status-command.ts";

/** Key of the attachments that the runtime counts valid (CNI spec 1.1.0, section 2, "GC"). */
const validAttachmentsKey = "cni.dev/valid-attachments";

/** Networks whose plugins are asked: nodes have some, and foreign files in the cache can name any number. */
const maxNetworks = 256;
/** Errors that are told one by one; the others are only counted. */
const maxErrors = 20;

/**
 * Collects what is stale on this node. The result cache is gone through twice, an entry at a time, and may hold far more than is valid.
 * @param touched containers that have had a request since the runtime made its list: what is found of them is not stale
 * @throws {CniError} all that failed in one
 */
export async function collectGarbage(
  catalog: NetworkCatalog,
  call: Call,
  touched: ReadonlySet<string>,
): Promise<void> {
  const { request, netconf, chain } = call;
  const valid = validContainers(request.config);
  if (valid === undefined) {
    chain.log.error(`GC without ${validAttachmentsKey}: nothing is known to be stale, nothing is collected`);
    return;
  }
  const isStale = (containerId: string) => !valid.has(containerId) && !touched.has(containerId);
  const failures = new Failures();
  const networks = await dropStale(catalog, call, isStale, failures);
  const attachments = await attachmentsByNetwork(netconf.cniDir, (containerId) => !isStale(containerId));
  for (const network of networks.all) {
    const known = attachments.get(network.name) ?? new Map<string, ValidAttachment>();
    // An ADD may have come since they were gone through.
    for (const containerId of touched) {
      // GC itself is about none.
      if (containerId === "") continue;
      for (const cached of await chain.cache.list(containerId)) {
        if (cached.networkName === network.name) note(known, cached);
      }
    }
    try {
      await gcNetworkList(chain, network, [...known.values()]);
    } catch (error) {
      failures.add(
        cniErrorOf(error) ?? new CniError(CniErrorCode.internal, String(error), "", { cause: error }),
      );
    }
  }
  failures.throwAny();
}

class Failures {
  readonly #errors: CniError[] = [];
  #passedOver = 0;

  add(...errors: readonly CniError[]): void {
    for (const error of errors) {
      if (this.#errors.length < maxErrors) this.#errors.push(error);
      else this.#passedOver += 1;
    }
  }

  /** @throws {CniError} all in one, if there are any */
  throwAny(): void {
    const rest = new CniError(CniErrorCode.internal, `${this.#passedOver} further failures`);
    const failure = oneError(this.#passedOver > 0 ? [...this.#errors, rest] : this.#errors);
    if (failure !== undefined) throw failure;
  }
}

/** Takes away what stale containers have. @returns the networks that the node had state of, and the cluster network */
async function dropStale(
  catalog: NetworkCatalog,
  call: Call,
  isStale: (containerId: string) => boolean,
  failures: Failures,
): Promise<NetworksOfNode> {
  const { netconf, chain } = call;
  const networks = await NetworksOfNode.withCluster(catalog, call);
  /** Stale containers of which something stays. */
  const tried = new Set<string>();
  const drop = async (containerId: string, found?: CachedAttachment) => {
    if (tried.has(containerId) || !isStale(containerId)) return;
    const { errors, isGone } = await dropContainer(catalog, call, containerId, found);
    if (!isGone) tried.add(containerId);
    failures.add(...errors);
  };
  for await (const attachment of chain.cache.entries()) {
    networks.add(attachment);
    await drop(attachment.containerId, attachment);
  }
  for await (const containerId of plannedContainers(netconf.cniDir)) await drop(containerId);
  networks.reportRest();
  return networks;
}

/** The attachments in the result cache that are valid, by network, each once. */
async function attachmentsByNetwork(
  cniDir: string,
  isValid: (containerId: string) => boolean,
): Promise<Map<string, Map<string, ValidAttachment>>> {
  const attachments = new Map<string, Map<string, ValidAttachment>>();
  // Problems of files were reported when they were first gone through.
  const cache = new ResultCache(cniDir, silentLogger);
  for await (const cached of cache.entries({ mayBe: isValid })) {
    const { networkName, containerId } = cached;
    if (!isValid(containerId)) continue;
    const known = entryOf(attachments, networkName, () => new Map<string, ValidAttachment>());
    note(known, cached);
  }
  return attachments;
}

function note(known: Map<string, ValidAttachment>, { containerId, ifName }: CachedAttachment): void {
  known.set(`${containerId} ${ifName}`, { containerID: containerId, ifname: ifName });
}

/**
 * Containers with an attachment that the runtime counts valid. A list that is null is empty: libcni makes that of one without elements.
 * @returns undefined where the runtime sends no list, as cnitool does: all that the node has may be valid
 * @throws {CniError} 7 where the list is something else
 */
function validContainers(config: Uint8Array): Set<string> | undefined {
  const key = validAttachmentsKey;
  const members = objectMembers(config, "netconf on stdin");
  const list = members.get(key) ?? members.get("cni.dev/attachments");
  if (list === undefined) return undefined;
  const attachments: unknown = parseJson(list, key) ?? [];
  if (!Array.isArray(attachments)) {
    throw configError(`GC needs ${key}: a list of attachments`);
  }
  const containers = attachments.map((attachment: unknown, index) => {
    const containerId: unknown =
      typeof attachment === "object" && attachment !== null
        ? Reflect.get(attachment, "containerID")
        : undefined;
    if (typeof containerId !== "string") {
      throw configError(`${key}[${index}].containerID is not a text`);
    }
    return containerId;
  });
  return new Set(containers);
}

/**
 * Takes away what a container still has, but for networks that want no garbage collection.
 * @param found an entry of it in the result cache; undefined: it has a plan
 * @returns what failed, and whether nothing of it is left
 */
async function dropContainer(
  catalog: NetworkCatalog,
  call: Call,
  containerId: string,
  found: CachedAttachment | undefined,
): Promise<{ readonly errors: readonly CniError[]; readonly isGone: boolean }> {
  const { netconf } = call;
  const chain = { ...call.chain, log: call.chain.log.with({ container: containerId }) };
  const cached = await chain.cache.list(containerId);
  const { args = [], netns = "" } = cached[0] ?? found ?? {};
  const pod = podReference(args);
  const sandbox = { containerId, netns, ifName: usualClusterIfName, pod, args: pluginArgs(pod, args) };
  const { attachments, hasPlan } = await recoverAttachments({ ...call, chain }, sandbox, {
    catalog,
    annotations: undefined,
    neverStarted: true,
    podCanBeAsked: false,
    withUnplanned: true,
  });
  const collected = attachments.filter(({ network }) => !network.disableGC);
  const errors = await deleteAttachments({ ...call, chain }, sandbox, collected);
  // Of a torn file only the name says whose it is, and a name can be read in more than one way.
  const whole = cached.filter(({ config }) => config.length > 0);
  for (const { networkName, ifName } of found === undefined ? whole : [...whole, found]) {
    if (!attachments.some((known) => known.network.name === networkName && known.ifName === ifName)) {
      // Nothing can be made of it, now or later.
      chain.cache.remove({ networkName, containerId, ifName });
    }
  }
  const isGone = errors.length === 0 && collected.length === attachments.length;
  if (hasPlan && isGone) removePlan(netconf.cniDir, containerId);
  return { errors, isGone };
}

/** The networks that this node had state of, and the cluster network. */
class NetworksOfNode {
  readonly #call: Call;
  readonly #networks = new Map<string, NetworkConfigList>();
  #passedOver = 0;

  private constructor(call: Call) {
    this.#call = call;
  }

  static async withCluster(catalog: NetworkCatalog, call: Call): Promise<NetworksOfNode> {
    const networks = new NetworksOfNode(call);
    try {
      const network = await clusterNetwork(catalog, call);
      networks.#networks.set(network.name, network);
    } catch (error) {
      call.chain.log.error("GC without the cluster network", { error: String(cniErrorOf(error) ?? error) });
    }
    return networks;
  }

  get all(): readonly NetworkConfigList[] {
    return [...this.#networks.values()];
  }

  /** Adds the network of an attachment, as the first one has it. */
  add({ networkName, config }: CachedAttachment): void {
    if (this.#networks.has(networkName)) return;
    if (this.#networks.size >= maxNetworks) {
      this.#passedOver += 1;
      return;
    }
    const { netconf, chain } = this.#call;
    try {
      const where = `network ${networkName} of the result cache`;
      const known = { cniVersion: netconf.cniVersion || undefined, toBeUndone: true };
      this.#networks.set(networkName, parseNetworkConfig(config, where, chain.kernels, known));
    } catch (error) {
      chain.log.error("GC skips an attachment", { error: String(cniErrorOf(error) ?? error) });
    }
  }

  reportRest(): void {
    if (this.#passedOver === 0) return;
    this.#call.chain.log.error("GC does not ask the plugins of all networks: there are too many", {
      asked: this.#networks.size,
      attachmentsOfOthers: this.#passedOver,
    });
  }
}
