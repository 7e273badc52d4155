/** In which version of the spec networks are run whose configuration names none: the plugins are asked (docs/behaviour.md, "What a delegate is given"). */

import { type VersionQuestion, withVersion } from "../../cni/plugin-versions.ts";
import type { NetworkConfigList } from "../../cni/types.ts";
import { commonVersion } from "../../cni/versions.ts";
import { podError } from "../input/pod-error.ts";
import { type Delegate, interfaceName, isClusterNetwork } from "../plan/delegate.ts";
import type { Call, Sandbox } from "./call.ts";

/**
 * A plan's delegates, each with the version that it is run in. The netconf's is the newest that any has; where it names none, the cluster network's.
 * @param isForgiving as of {@link VersionQuestion}
 * @throws {CniError} 1, or that of a plugin that cannot be asked, naming the pod and the network
 */
export async function delegatesWithVersions(
  { chain, netconf }: Pick<Call, "chain" | "netconf">,
  sandbox: Sandbox,
  delegates: readonly Delegate[],
  isForgiving = false,
): Promise<readonly Delegate[]> {
  if (delegates.every(({ network }) => network.saysVersion)) return delegates;
  const versioned: Delegate[] = [];
  let newest = netconf.cniVersion || commonVersion;
  for (const [place, delegate] of delegates.entries()) {
    const ifName = interfaceName(delegate.request, place, sandbox.ifName);
    try {
      const parameters = parametersOf({ ...sandbox, ifName });
      const network = await withVersion(chain, delegate.network, { parameters, newest, isForgiving });
      versioned.push({ ...delegate, network });
      if (isClusterNetwork(place) && netconf.cniVersion === "") newest = network.cniVersion;
    } catch (error) {
      throw podError(error, sandbox.pod, delegate.name);
    }
  }
  return versioned;
}

/**
 * One network, for a request about its attachment, or about the network alone.
 * @param sandbox of the attachment; undefined: the request is about none
 * @param isForgiving as of {@link VersionQuestion}
 */
export function networkWithVersion(
  { chain, netconf }: Pick<Call, "chain" | "netconf">,
  sandbox: Sandbox | undefined,
  network: NetworkConfigList,
  isForgiving = false,
): Promise<NetworkConfigList> {
  const newest = netconf.cniVersion || commonVersion;
  return withVersion(chain, network, { parameters: sandbox && parametersOf(sandbox), newest, isForgiving });
}

/** The parameters of the call, which programs from before VERSION want to have. */
function parametersOf({ containerId, netns, ifName }: Sandbox): VersionQuestion["parameters"] {
  return { CNI_CONTAINERID: containerId, CNI_NETNS: netns, CNI_IFNAME: ifName };
}
