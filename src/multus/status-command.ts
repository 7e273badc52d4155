/** STATUS: can this node serve an ADD? (docs/behaviour.md, "STATUS"; CNI spec, "STATUS"). Runtimes ask every few seconds: no process but the plugins' own, and no wait but for a cluster that was just opened. */

import { statusNetworkList } from "../cni/chain.ts";
import { CniError, CniErrorCode, cniErrorOf } from "../cni/errors.ts";
import { usualNameProblem } from "../cni/names.ts";
import type { NetworkConfigList } from "../cni/types.ts";
import { usualClusterIfName } from "./plan/delegate.ts";
import type { FoundNetwork, NetworkCatalog, ReportedNads } from "./plan/networks.ts";
import type { Call } from "./request/call.ts";
import { networkWithVersion } from "./request/network-version.ts";
import { isReady } from "./request/readiness.ts";

/** @throws {CniError} 50 where the cluster network is not there or the Kubernetes cluster cannot serve, or what the network's plugins say */
export async function status(catalog: NetworkCatalog, call: Call): Promise<void> {
  const { netconf, chain, cluster, pause } = call;
  if (!isReady(netconf.readinessIndicatorFile)) {
    throw new CniError(
      CniErrorCode.pluginNotAvailable,
      `readinessindicatorfile ${netconf.readinessIndicatorFile} is not there: the cluster network is not ready`,
    );
  }
  if (cluster !== undefined) await pause(cluster.untilListed());
  const problem = cluster?.problem();
  if (problem !== undefined) throw new CniError(CniErrorCode.pluginNotAvailable, problem);
  const network = await clusterNetwork(catalog, call);
  const nameProblem = usualNameProblem(network.name, usualClusterIfName);
  if (nameProblem !== undefined) throw new CniError(CniErrorCode.pluginNotAvailable, nameProblem);
  await statusNetworkList(chain, network);
}

/** The cluster network of the netconf, with the version that it is run in. @throws {CniError} 50 where there is none, or it cannot be used */
export async function clusterNetwork(catalog: NetworkCatalog, call: Call): Promise<NetworkConfigList> {
  const { network } = await call.pause(foundClusterNetwork(catalog, call));
  try {
    return await networkWithVersion(call, undefined, network);
  } catch (error) {
    throw notAvailable(error);
  }
}

async function foundClusterNetwork(
  catalog: NetworkCatalog,
  { netconf, nads, chain }: Call,
): Promise<FoundNetwork> {
  const unreported: ReportedNads = {
    source: nads,
    onMissing() {},
    onInvalid() {},
    onPassedOver() {},
    largeWork: chain.largeWork,
  };
  try {
    const [inline] = netconf.delegates;
    return inline === undefined
      ? await catalog.named(netconf.clusterNetwork, "clusterNetwork", netconf, unreported)
      : catalog.inline(inline, 0);
  } catch (error) {
    throw notAvailable(error);
  }
}

/** The same error with code 50, STATUS's code for anything that keeps an ADD from being served. A defect of the program stays as it is. */
export function notAvailable(error: unknown): unknown {
  const known = cniErrorOf(error);
  if (known === undefined) return error;
  return new CniError(CniErrorCode.pluginNotAvailable, known.message, known.details, { cause: error });
}
