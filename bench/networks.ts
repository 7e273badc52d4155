/** The networks that the attachment benchmarks add: one bridge as cluster network, macvlan for the rest, each with host-local; or a delegate of minimal cost. */

import { join } from "node:path";
import { masterLink } from "../test/support/test-node.ts";

type Json = Readonly<Record<string, unknown>>;

export interface BenchNetwork {
  readonly name: string;
  readonly plugin: string;
  readonly config: Json;
}

/** Name of the delegate made from bench/fixed-result.c. */
export const fixedResultPlugin = "fixed-result";

/**
 * @param count at least 1
 * @param ipamDir where host-local keeps its reservations
 * @param prefix of the names, for those that are in one cluster with others
 */
export function realNetworks(count: number, ipamDir: string, prefix = "bench"): BenchNetwork[] {
  return Array.from({ length: count }, (_, index) => {
    const name = `${prefix}${index}`;
    const ipam = { type: "host-local", dataDir: join(ipamDir, name), subnet: `10.${100 + index}.0.0/16` };
    const kind =
      index === 0
        ? { type: "bridge", bridge: "benchbr0", isGateway: true }
        : { type: "macvlan", master: masterLink, mode: "bridge" };
    return { name, plugin: kind.type, config: { cniVersion: "1.0.0", name, ...kind, ipam } };
  });
}

/** @param count at least 1 */
export function freeNetworks(count: number): BenchNetwork[] {
  return Array.from({ length: count }, (_, index) => {
    const name = `free${index}`;
    return {
      name,
      plugin: fixedResultPlugin,
      config: { cniVersion: "1.0.0", name, type: fixedResultPlugin },
    };
  });
}

/** The annotation of a pod that selects all networks but the first, which is the cluster network. */
export function selection(networks: readonly BenchNetwork[]): string {
  return networks
    .slice(1)
    .map(({ name }) => name)
    .join(",");
}
