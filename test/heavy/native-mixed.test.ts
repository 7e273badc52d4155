/**
 * A node that is being switched to native networks, or back: 200 pods at once, each of whose calls comes to a daemon with native networks or to one without,
 * at random. No address is anyone else's at any moment, each way checks and removes what the other has attached, and nothing is left.
 */

import { mkdirSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { Daemon } from "../support/daemon.ts";
import { traces } from "../support/leaks.ts";
import { cidrs } from "../support/namespace.ts";
import { writeTunedAndRouted } from "../support/native/definitions.ts";
import { nativeCount } from "../support/native/log.ts";
import { type CniCommand, type CniResult, callPlugin, type PluginAnswer } from "../support/plugin.ts";
import { referencePluginPath } from "../support/reference-plugins.ts";
import { type Pod, shim, TestNode } from "../support/test-node.ts";

const podCount = 200;
/** Of them are taken away and attached again while the others stay. */
const churnCount = 50;
const seed = Number(process.env.NATIVE_SEED ?? 13);

type Json = Readonly<Record<string, unknown>>;

describe(`${podCount} pods, native and executed`, () => {
  let node: TestNode;
  let second: Daemon;
  let path: string;
  let executed: Json;
  let netconfs: readonly Json[];
  const pods: Pod[] = [];

  beforeAll(async () => {
    path = await referencePluginPath();
    node = await TestNode.start({ daemonConfig: { logLevel: "verbose", nativeNetworks: "auto" } });
    const secondDirectory = join(node.directory, "second");
    mkdirSync(secondDirectory);
    const socketDir = join(secondDirectory, "run");
    second = new Daemon(secondDirectory, {
      socketDir,
      nadDir: node.nadDir,
      logLevel: "verbose",
      nativeNetworks: "off",
    });
    await second.start();
    // Little more room than pods: both ways look for what the other leaves.
    node.writeMacvlan("storage", "10.151.0.0/24");
    const ranges = [
      [
        { subnet: "10.152.0.0/25", rangeStart: "10.152.0.10" },
        { subnet: "10.153.0.0/25", rangeEnd: "10.153.0.110" },
      ],
      [{ subnet: "fd00:152::/120" }],
    ];
    writeTunedAndRouted(node, ranges, "10.154.0.0/24");
    const netconf = await node.bridgeNetconf("10.150.0.0/24");
    executed = { ...netconf, daemonSocketDir: socketDir };
    netconfs = [netconf, executed];
    // Its plugins make the bridges and the address directories, which stay.
    await using first = await node.pod("first", "storage,dual,routed");
    for (const command of ["ADD", "DEL"] as const) (await call(command, first, executed)).expectSuccess();
    for (let index = 0; index < podCount; index += 1)
      pods.push(await node.pod(`pod-${index}`, "storage,dual,routed"));
  });

  afterAll(async () => {
    await second?.[Symbol.asyncDispose]();
    await node?.[Symbol.asyncDispose]();
  });

  function call(command: CniCommand, pod: Pod, netconf: Json): Promise<PluginAnswer> {
    return callPlugin(node.network.enter(shim), node.podCall(command, pod, netconf, { path }), 300_000);
  }

  /** The addresses of all networks of a pod, as `network address`, from the result cache. */
  function addressesOf(pod: Pod): string[] {
    const directory = join(node.cniDir, "results");
    return readdirSync(directory)
      .filter((file) => file.includes(pod.containerId))
      .flatMap((file) => {
        const { networkName, result }: { networkName: string; result: CniResult } = JSON.parse(
          readFileSync(join(directory, file), "utf8"),
        );
        return (result.ips ?? []).map(({ address }) => `${networkName} ${address}`);
      });
  }

  test("no address twice, CHECK and DEL by either way, nothing left", async () => {
    console.log(`seed ${seed}`);
    const before = await traces(node);
    const random = fc.sample(fc.infiniteStream(fc.noBias(fc.boolean())), { seed, numRuns: 1 })[0];
    const either = (): Json => (random?.next().value === true ? netconfs[0] : executed) ?? executed;
    /** Address to the pod that was told that it has it, until its DEL begins. */
    const owners = new Map<string, string>();
    const twice: string[] = [];

    const add = async (pod: Pod): Promise<void> => {
      (await call("ADD", pod, either())).expectSuccess();
      const addresses = addressesOf(pod);
      expect(addresses).toHaveLength(5);
      for (const address of addresses) {
        const owner = owners.get(address);
        if (owner !== undefined) twice.push(`${address}: ${owner} and ${pod.name}`);
        owners.set(address, pod.name);
      }
      (await call("CHECK", pod, either())).expectSuccess();
    };
    const remove = async (pod: Pod): Promise<void> => {
      for (const [address, owner] of owners) if (owner === pod.name) owners.delete(address);
      (await call("DEL", pod, either())).expectSuccess();
    };

    await Promise.all(pods.map(add));
    const inPods = async () =>
      (await Promise.all(pods.map((pod) => pod.network.links())))
        .flat()
        .flatMap((link) => [...cidrs(link), ...cidrs(link, "inet6")]);
    const first = await inPods();
    expect(first).toHaveLength(5 * podCount);
    expect(new Set(first).size).toBe(5 * podCount);

    await Promise.all(
      pods.slice(0, churnCount).map(async (pod) => {
        await remove(pod);
        expect(await pod.network.links()).toEqual([]);
        await add(pod);
      }),
    );
    const then = await inPods();
    expect(new Set(then).size).toBe(5 * podCount);
    expect(twice).toEqual([]);

    await Promise.all(pods.map(remove));
    const gone = await Promise.all(pods.map((pod) => pod.network.links()));
    expect(gone.flat()).toEqual([]);
    expect(await traces(node)).toEqual(before);

    const added = nativeCount(node.daemon.output, "ADD");
    const removed = nativeCount(node.daemon.output, "DEL");
    console.log(`native: ${added} networks added and ${removed} removed`);
    // Half of the pods' calls come to the daemon with native networks; each has four networks.
    const calls = podCount + churnCount;
    expect(added).toBeGreaterThan(calls);
    expect(removed).toBeGreaterThan(calls);
    expect(nativeCount(second.output, "ADD") + nativeCount(second.output, "DEL")).toBe(0);
  });
});
