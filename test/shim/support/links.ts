/** Links for tests: a veth pair inside one namespace, as not every kernel has dummies. */

import type { Namespace } from "../../support/namespace.ts";

/** Whether network namespaces can be made. */
export const isRoot = process.geteuid?.() === 0;

/** Makes the link `ifName`; its other end is `p-<ifName>`. Both are up, so that routes through it hold. */
export async function addLink(namespace: Namespace, ifName: string): Promise<void> {
  const peer = `p-${ifName}`;
  await namespace.ip("link", "add", ifName, "type", "veth", "peer", "name", peer);
  for (const end of [ifName, peer]) await namespace.ip("link", "set", end, "up");
}
