/**
 * Cases in which Go multus started no delegate, and ours attaches the pod: allowed-differences.ts has the reasons. There is nothing recorded to
 * compare with, so that what has to happen follows from the case's configurations.
 */

import { beforeAll, describe, expect, test } from "vitest";
import type { Kernels } from "../../src/kernels/index.ts";
import { loadKernels } from "../../src/kernels/load.ts";
import { goesOn } from "./allowed-differences.ts";
import { addOf } from "./attachments.ts";
import { cases, type GoldenCase, isObject, type Json, type JsonObject, type Step } from "./cases.ts";
import { Replay } from "./replay.ts";
import { ScratchHost } from "./scratch-host.ts";
import { surroundings } from "./surroundings.ts";

let kernels: Kernels;

beforeAll(() => {
  kernels = loadKernels();
});

/** A network that the pod has to get. */
interface Expected {
  /** In network-status. */
  readonly name: string;
  readonly ifName: string;
  readonly networkName: string;
  readonly cniVersion: string;
  readonly plugins: readonly JsonObject[];
  readonly address: string;
}

function expectedNetwork(config: Json, nadName: string, position: number): Expected {
  const { cniVersion, name, plugins, ...rest } = isObject(config) ? config : {};
  const networkName = String(name ?? nadName.split("/").at(-1));
  return {
    name: nadName === "" ? networkName : nadName,
    ifName: position === 0 ? "eth0" : `net${position}`,
    networkName,
    cniVersion: String(cniVersion),
    plugins: Array.isArray(plugins) ? (plugins as readonly JsonObject[]) : [rest],
    address: `198.51.100.${position + 1}/24`,
  };
}

/** The cluster network, and each NAD of the case: every one is selected once. */
function expectedNetworks({ hostFiles = {}, nads = [] }: GoldenCase): readonly Expected[] {
  const [cluster = null] = Object.values(hostFiles);
  return [
    expectedNetwork(cluster, "", 0),
    ...nads.map(({ namespace, name, config }, index) =>
      expectedNetwork(config, `${namespace}/${name}`, index + 1),
    ),
  ];
}

function resultOf({ cniVersion, ifName, address }: Expected): JsonObject {
  return {
    cniVersion,
    interfaces: [{ name: ifName, sandbox: "/run/netns/x" }],
    ips: [{ address, interface: 0 }],
  };
}

/** A static pod's UID is a hash of its manifest: the recordings have one UID for all pods. */
function withUid(step: Step, { pod }: GoldenCase): Step {
  if (pod.absent !== true) return step;
  const { env } = step.given;
  const CNI_ARGS = (env.CNI_ARGS ?? "").replace(
    /(K8S_POD_UID)=[^;]*/u,
    "$1=0123456789abcdef0123456789abcdef",
  );
  return { ...step, given: { ...step.given, env: { ...env, CNI_ARGS } } };
}

/** The ADD with delegates that answer. */
function answered(step: Step, networks: readonly Expected[]): Step {
  const calls = networks.flatMap((network) =>
    network.plugins.map(({ type }) => ({
      plugin: String(type),
      env: { CNI_COMMAND: "ADD", CNI_IFNAME: network.ifName },
      stdin: {},
      exit: 0,
      stdout: resultOf(network),
    })),
  );
  return { ...step, calls };
}

/** Plugin, interface and stdin of each call of a command. */
function expectedCalls(networks: readonly Expected[]): readonly (readonly [string, string, JsonObject])[] {
  return networks.flatMap(({ networkName: name, cniVersion, plugins, ifName }) =>
    plugins.map(
      ({ capabilities: _left, ...plugin }) =>
        [String(plugin.type), ifName, { ...plugin, name, cniVersion }] as const,
    ),
  );
}

describe.each(cases.filter(goesOn))("$name: $about", (golden) => {
  test.each(surroundings)("attaches the pod, and takes it off again, with %s", async (where) => {
    using host = new ScratchHost(golden);
    const replay = new Replay(golden, host, kernels, where);
    const networks = expectedNetworks(golden);
    const del = golden.steps.find(({ command }) => command === "DEL");
    if (del === undefined) throw new Error(`${golden.name} has no DEL`);

    const added = await replay.run(withUid(answered(addOf(golden), networks), golden));
    expect(added.error).toBeUndefined();
    const given = added.calls.map(({ plugin, ifName, stdin: { prevResult: _result, ...stdin } }) => [
      plugin,
      ifName,
      stdin,
    ]);
    expect(given).toEqual(expectedCalls(networks));
    if (where === "cluster" && golden.pod.absent !== true) {
      expect(added.networkStatus).toMatchObject(
        networks.map(({ name, ifName, address }) => ({
          name,
          interface: ifName,
          ips: [address.slice(0, address.indexOf("/"))],
        })),
      );
    }

    const deleted = await replay.run(withUid(del, golden));
    expect(deleted.error).toBeUndefined();
    expect(deleted.calls.map(({ plugin, ifName, stdin }) => [plugin, ifName, stdin])).toMatchObject(
      [...expectedCalls(networks)].reverse(),
    );
    expect(deleted.calls.every(({ stdin }) => isObject(stdin.prevResult))).toBe(true);
    expect(deleted.files).toEqual({});
  });
});
