/** STATUS: can this node serve an ADD? (behaviour page, section 9; CNI spec, "STATUS"). Runtimes ask every few seconds: no wait, no process but the plugins' own. */

import { statusNetworkList } from "../cni/chain.ts";
import { CniError, CniErrorCode } from "../cni/errors.ts";
import type { RequestContext } from "./context.ts";
import type { FoundNetwork } from "./networks.ts";
import { isReady } from "./readiness.ts";

/** @throws {CniError} 50 where the cluster network is not there, or what its plugins say */
export async function status(context: RequestContext): Promise<void> {
  const { netconf, chain, path } = context;
  if (!isReady(netconf.readinessIndicatorFile)) {
    throw new CniError(
      CniErrorCode.pluginNotAvailable,
      `readinessindicatorfile ${netconf.readinessIndicatorFile} is not there: the cluster network is not ready`,
    );
  }
  await statusNetworkList(chain, (await clusterNetwork(context)).network, path);
}

/** The cluster network of the netconf. @throws {CniError} 50 where there is none, or it cannot be used */
export async function clusterNetwork({ netconf, catalog }: RequestContext): Promise<FoundNetwork> {
  try {
    const [inline] = netconf.delegates;
    return inline === undefined
      ? await catalog.named(netconf.clusterNetwork, "clusterNetwork", netconf, () => {})
      : catalog.inline(inline, 0, netconf);
  } catch (error) {
    if (error instanceof CniError) {
      throw new CniError(CniErrorCode.pluginNotAvailable, error.message, error.details, { cause: error });
    }
    throw error;
  }
}
