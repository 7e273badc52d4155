/** In which version of the spec networks are run whose configuration names none: the plugins are asked (docs/behaviour.md, "What a delegate is given"). */

import { type VersionQuestion, withVersion } from "../../cni/plugin-versions.ts";
import type { NetworkConfigList } from "../../cni/types.ts";
import { commonVersion } from "../../cni/versions.ts";
import { podError } from "../input/pod-error.ts";
import { type Delegate, interfaceName } from "../plan/delegate.ts";
import type { RequestContext } from "./context.ts";

/**
 * A plan's delegates, each with the version that it is run in. The netconf's is the newest that any has; where it names none, the cluster network's.
 * @param isForgiving as of {@link VersionQuestion}
 * @throws {CniError} 1, or that of a plugin that cannot be asked, naming the pod and the network
 */
export async function delegatesWithVersions(
  context: RequestContext,
  delegates: readonly Delegate[],
  isForgiving = false,
): Promise<readonly Delegate[]> {
  if (delegates.every(({ network }) => network.saysVersion)) return delegates;
  const { netconf, request, chain, pod } = context;
  const versioned: Delegate[] = [];
  let newest = netconf.cniVersion || commonVersion;
  for (const [position, delegate] of delegates.entries()) {
    const { name } = delegate;
    const ifName = interfaceName(delegate, position, request.ifName);
    try {
      const asking = { env: variables(context, ifName), newest, isForgiving };
      const network = await withVersion(chain, delegate.network, asking);
      versioned.push({ ...delegate, network });
      if (delegate.isCluster && netconf.cniVersion === "") newest = network.cniVersion;
    } catch (error) {
      throw podError(error, pod, name);
    }
  }
  return versioned;
}

/** One network, for a request about its attachment, or about the network alone. @param options as of {@link VersionQuestion} */
export function networkWithVersion(
  context: RequestContext,
  network: NetworkConfigList,
  { isForgiving }: Pick<VersionQuestion, "isForgiving"> = {},
): Promise<NetworkConfigList> {
  const newest = context.netconf.cniVersion || commonVersion;
  const env = variables(context, context.request.ifName);
  return withVersion(context.chain, network, { env, newest, isForgiving });
}

/** The parameters of the call, which programs from before VERSION want to have. GC and STATUS are about no attachment. */
function variables({ request, path }: RequestContext, ifName: string): VersionQuestion["env"] {
  const { command, containerId, netns } = request;
  return command === "GC" || command === "STATUS"
    ? { CNI_PATH: path }
    : { CNI_CONTAINERID: containerId, CNI_NETNS: netns, CNI_IFNAME: ifName, CNI_PATH: path };
}
