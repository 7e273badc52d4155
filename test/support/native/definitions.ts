/** Networks of every kind that can be native, beside those that a node has. */

import { join } from "node:path";
import type { TestNode } from "../test-node.ts";

type Json = Readonly<Record<string, unknown>>;

/**
 * Writes `default/dual`, a bridge with tuning behind it, and `default/routed`, a ptp.
 * @param ranges host-local's, of the bridge
 * @param subnet of the ptp
 */
export function writeTunedAndRouted(
  node: TestNode,
  ranges: readonly (readonly Json[])[],
  subnet: string,
): void {
  const ipam = { type: "host-local", dataDir: node.ipamDir };
  node.writeNetwork("default/dual", {
    cniVersion: "1.0.0",
    name: "dual",
    plugins: [
      { type: "bridge", bridge: "dual0", ipam: { ...ipam, ranges } },
      { type: "tuning", dataDir: join(node.ipamDir, "tuning"), mtu: 1400, promisc: true },
    ],
  });
  node.writeNetwork("default/routed", {
    cniVersion: "1.0.0",
    name: "routed",
    type: "ptp",
    ipam: { ...ipam, subnet },
  });
}
