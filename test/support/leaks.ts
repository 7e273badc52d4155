/** The traces of pods on a node: taken before and after, it shows what an ADD made and a DEL left. */

import { existsSync, readdirSync } from "node:fs";
import { join, relative } from "node:path";
import { runOrThrow } from "./command.ts";
import type { Namespace } from "./namespace.ts";
import { markedProcesses, session } from "./session.ts";

/** A node as far as a leak check looks at it. */
export interface TracedNode {
  /** Of its links, rules and queues. */
  readonly network: Namespace;
  readonly daemon: { readonly pidIfRunning: number | undefined };
  readonly cniDir: string;
  /** host-local's data directory. */
  readonly ipamDir: string;
}

export interface Traces {
  /** Names of links in the node's namespace. */
  readonly links: readonly string[];
  /** iptables rules and chains, both families, without counters. */
  readonly rules: readonly string[];
  /** `tc` disciplines that somebody set, as `device kind`. */
  readonly qdiscs: readonly string[];
  /** Reservations of host-local, within the IPAM directory. */
  readonly reservations: readonly string[];
  /** Files in cniDir: plans and cached results. */
  readonly state: readonly string[];
  /** Commands of this session that still run, the daemon and this test not counted. */
  readonly processes: readonly string[];
}

/** Files of plugins that stay by design: host-local's lock and its memory of the last address. */
const lasting = /(^|\/)(lock|last_reserved_ip\.\d+)$/;

/** Every file below a directory, relative, sorted. */
function filesBelow(directory: string): string[] {
  if (!existsSync(directory)) return [];
  return readdirSync(directory, { recursive: true, withFileTypes: true })
    .filter((entry) => !entry.isDirectory())
    .map((entry) => relative(directory, join(entry.parentPath, entry.name)))
    .sort();
}

/** Addresses that host-local has given out, as `network/address`. */
export function reservations(node: TracedNode): string[] {
  return filesBelow(node.ipamDir).filter((file) => !lasting.test(file));
}

async function iptablesRules(node: TracedNode): Promise<string[]> {
  const rules: string[] = [];
  for (const command of ["iptables-save", "ip6tables-save"]) {
    const text = await runOrThrow(node.network.enter(command));
    rules.push(
      ...text
        .split("\n")
        // Rules and chains of somebody's; not the kernel's own chains, which appear with the first use of a table.
        .filter((line) => /^-A |^:\S+ - /.test(line))
        .map((line) => line.replace(/ \[\d+:\d+\]/, "")),
    );
  }
  return rules.sort();
}

interface Qdisc {
  readonly dev: string;
  readonly kind: string;
}

/** `noqueue` and the kernel's default ones come and go with links. */
async function qdiscs(node: TracedNode): Promise<string[]> {
  const all: Qdisc[] = JSON.parse(await runOrThrow(node.network.enter("tc", "-j", "qdisc", "show")));
  return all
    .filter(({ kind }) => ["tbf", "ingress", "htb", "clsact"].includes(kind))
    .map(({ dev, kind }) => `${dev} ${kind}`)
    .sort();
}

/** Looks at everything. Links that plugins leave by design (a bridge) are in it too: compare with a snapshot taken after the bridge was made. */
export async function traces(node: TracedNode): Promise<Traces> {
  const ours = [process.pid, node.daemon.pidIfRunning];
  return {
    links: (await node.network.links()).map(({ ifname }) => ifname).sort(),
    rules: await iptablesRules(node),
    qdiscs: await qdiscs(node),
    reservations: reservations(node),
    state: filesBelow(node.cniDir),
    processes: markedProcesses()
      .filter((candidate) => candidate.session === session && !ours.includes(candidate.pid))
      .map(({ command }) => command)
      .sort(),
  };
}
