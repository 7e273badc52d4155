/** The API server at the address of its Service, in a node's network namespace: what kube-proxy does on a real node, for pods in the host's network. */

import type { Namespace } from "../namespace.ts";
import { Crossing } from "./crossing.ts";

/** The first address of the API server's --service-cluster-ip-range: that of the Service `kubernetes`. */
const address = { host: "10.96.0.1", port: 443 };

export const serviceUrl = `https://${address.host}:${address.port}`;

/** @param socket path for a unix socket @param port that connections are to reach on the machine's loopback */
export async function startServiceAddress(
  network: Namespace,
  socket: string,
  port: number,
): Promise<Crossing> {
  await network.ip("addr", "add", `${address.host}/32`, "dev", "lo");
  const between = { path: socket };
  const outside = { listen: between, to: { host: "127.0.0.1", port } };
  return Crossing.start(network, outside, { listen: address, to: between });
}
