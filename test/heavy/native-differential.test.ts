/**
 * Native networks against the plugins: generated pods with one to four networks, ADD, CHECK, DEL, DEL, with wrong states before and in between. Answers,
 * links, addresses, routes, sysctls, bridge ports and files are the same after each call, whichever way the networks were attached.
 */

import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import {
  type Change,
  ipamPlace,
  type NetworksCase,
  networksCases,
} from "../generated/arbitraries/networks.ts";
import { differences } from "../support/native/compare.ts";
import { nativeCount, networkCount, reasons } from "../support/native/log.ts";
import { type CaseOutcome, Side } from "../support/native/side.ts";
import { referencePluginPath } from "../support/reference-plugins.ts";

/** Seed of the first case; each one after it has the next, so that one case is repeated by NATIVE_SEED=its seed NATIVE_CASES=1. The seeds from 13 to 1012 are those that a release is tried with. */
const seed = Number(process.env.NATIVE_SEED ?? 13);
const count = Number(process.env.NATIVE_CASES ?? 300);
/** Pairs of nodes that work at once. */
const pairCount = Math.min(4, count);

function caseOf(caseSeed: number): NetworksCase {
  const [one] = fc.sample(networksCases, { seed: caseSeed, numRuns: 1 });
  if (one === undefined) throw new Error("no case was generated");
  return one;
}

class Pair implements AsyncDisposable {
  readonly #executed: Side;
  readonly #other: Side;

  private constructor(executed: Side, other: Side) {
    this.#executed = executed;
    this.#other = other;
  }

  static async start(path: string, native: boolean): Promise<Pair> {
    return new Pair(await Side.start(path, false), await Side.start(path, native));
  }

  /** @param changed what the other side gets, if not the same */
  async run(
    one: NetworksCase,
    changed: NetworksCase = one,
  ): Promise<{ readonly executed: CaseOutcome; readonly other: CaseOutcome }> {
    const [executed, other] = await Promise.all([this.#executed.run(one), this.#other.run(changed)]);
    return { executed, other };
  }

  /** The log of the other side's daemon. */
  get log(): string {
    return this.#other.node.daemon.output;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#executed[Symbol.asyncDispose]();
    await this.#other[Symbol.asyncDispose]();
  }
}

/** A pod on a bridge and a macvlan network, on a prepared node. */
const plainCase: NetworksCase = {
  cniVersion: "1.0.0",
  clusterNetwork: {
    cniVersion: "1.0.0",
    name: "cluster",
    type: "bridge",
    bridge: "br0",
    isGateway: true,
    ipam: {
      type: "host-local",
      dataDir: ipamPlace,
      ranges: [[{ subnet: "10.100.0.0/24" }], [{ subnet: "fd00:100::/120" }]],
      routes: [{ dst: "0.0.0.0/0" }],
    },
  },
  runtimeConfig: {},
  definitions: [
    {
      name: "net-a",
      config: {
        cniVersion: "1.0.0",
        name: "net-a",
        type: "macvlan",
        master: "uplink0",
        ipam: { type: "host-local", dataDir: ipamPlace, subnet: "10.110.0.0/24" },
      },
    },
  ],
  selections: [{ name: "net-a" }],
  nodeLinks: [
    "link add br0 address 02:00:00:00:01:00 type bridge",
    "link set br0 up",
    "addr add 10.100.0.1/24 dev br0",
    "addr add fd00:100::1/120 dev br0 nodad",
  ],
  podLinks: [],
  quiet: ["br0"],
  forwards: true,
  directories: ["cluster", "net-a"],
  files: [],
  changes: [],
  nativeAdd: true,
  nativeDel: true,
};

const podChange = (line: string): Change => ({ kind: "ip", where: "pod", line });
const nodeChange = (line: string): Change => ({ kind: "ip", where: "node", line });

/** Of the plain case, on one side alone: each has to be seen. */
const seen: readonly (readonly [what: string, change: Partial<NetworksCase>])[] = [
  ["an MTU", { clusterNetwork: { ...plainCase.clusterNetwork, mtu: 1400 } }],
  ["hairpin mode", { clusterNetwork: { ...plainCase.clusterNetwork, hairpinMode: true } }],
  ["port isolation", { clusterNetwork: { ...plainCase.clusterNetwork, portIsolation: true } }],
  [
    "an address that another container has",
    { files: [{ path: "cluster/10.100.0.2", content: "other\r\neth0" }] },
  ],
  ["the last address given", { files: [{ path: "cluster/last_reserved_ip.0", content: "10.100.0.5" }] }],
  ["the version of the answer", { cniVersion: "0.4.0" }],
  ["an address", { changes: [podChange("addr add 10.110.0.99/32 dev net1")] }],
  ["flags of an address", { changes: [podChange("addr add fd00:110::9/64 dev net1 nodad")] }],
  ["a route", { changes: [podChange("route add 203.0.113.0/24 dev net1")] }],
  ["a link that is down", { changes: [podChange("link set net1 down")] }],
  ["the length of a queue", { changes: [podChange("link set net1 txqlen 7")] }],
  ["a group", { changes: [podChange("link set eth0 group 7")] }],
  ["a link of the pod", { changes: [podChange("link add more0 type bridge")] }],
  ["a link of the node", { changes: [nodeChange("link add veth01234567 type veth peer name veth12345678")] }],
  ["promiscuous mode of a parent", { changes: [nodeChange("link set uplink0 promisc on")] }],
  ["an address of the bridge", { changes: [nodeChange("addr add 10.100.0.9/24 dev br0")] }],
  ["address files", { changes: [{ kind: "no-address-files", network: "net-a" }] }],
  ["the plan", { changes: [{ kind: "no-plan" }] }],
];

describe("the comparison", () => {
  let pair: Pair;

  beforeAll(async () => {
    pair = await Pair.start(await referencePluginPath(), false);
  });

  afterAll(async () => {
    await pair?.[Symbol.asyncDispose]();
  });

  test("is silent where the plugins ran on both sides", async () => {
    for (let caseSeed = seed; caseSeed < seed + 12; caseSeed += 1) {
      const one = caseOf(caseSeed);
      const { executed, other } = await pair.run(one);
      expect(differences(one, executed, other), `seed ${caseSeed}`).toEqual([]);
    }
  });

  test.each(seen)("sees %s", async (_what, change) => {
    const { executed, other } = await pair.run(plainCase, { ...plainCase, ...change });
    expect(executed.steps.map(({ exitCode }) => exitCode)).toEqual([0, 0, 0, 0]);
    expect(differences(plainCase, executed, other)).not.toEqual([]);
  });
});

describe("native networks and the plugins", () => {
  const pairs: Pair[] = [];

  beforeAll(async () => {
    const path = await referencePluginPath();
    for (let index = 0; index < pairCount; index += 1) pairs.push(await Pair.start(path, true));
  });

  afterAll(async () => {
    for (const pair of pairs) await pair[Symbol.asyncDispose]();
  });

  test(`${count} generated pods, seeds from ${seed}`, async () => {
    console.log(`seeds ${seed} to ${seed + count - 1}`);
    const found: string[] = [];
    let next = 0;
    let succeeded = 0;
    await Promise.all(
      pairs.map(async (pair) => {
        while (next < count) {
          const caseSeed = seed + next;
          next += 1;
          const one = caseOf(caseSeed);
          const { executed, other } = await pair.run(one);
          if (executed.steps[0]?.exitCode === 0) succeeded += 1;
          const lines = differences(one, executed, other);
          if (lines.length > 0)
            found.push(
              `seed ${caseSeed}:\n  ${lines.join("\n  ")}\n  case: ${JSON.stringify(one)}\n${other.log}`,
            );
        }
      }),
    );
    const logs = pairs.map(({ log }) => log).join("\n");
    const added = nativeCount(logs, "ADD");
    const removed = nativeCount(logs, "DEL");
    const all = networkCount(logs, "ADD");
    console.log(
      `${succeeded} of ${count} ADDs succeeded, with ${all} networks: ${added} added natively, ${removed} removed`,
    );
    console.log(`plugins were run:\n${reasons(logs).slice(0, 30).join("\n")}`);
    expect(found.slice(0, 5).join("\n\n"), `${found.length} of ${count} cases differ`).toBe("");
    // A few repeated ones say nothing of the share.
    if (count < 100) return;
    // The rest are configurations that only the plugins understand, nodes that were not prepared, and calls of those that may not.
    expect(added).toBeGreaterThan(0.4 * all);
    expect(removed).toBeGreaterThan(0.3 * all);
  });
});
