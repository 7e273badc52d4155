/**
 * kill -9 of the shim at system calls of a native ADD and DEL, and of the daemon at bytes of the conversation and at moments of the call: the next DEL,
 * native or by the plugins, removes everything, links under temporary names and address files among it.
 */

import { mkdirSync, readFileSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Traces, traces } from "../support/leaks.ts";
import { writeTunedAndRouted } from "../support/native/definitions.ts";
import { KillingRelay } from "../support/native/killing-relay.ts";
import { nativeCount } from "../support/native/log.ts";
import { type CniCommand, callPlugin, type PluginAnswer } from "../support/plugin.ts";
import { referencePluginPath } from "../support/reference-plugins.ts";
import { stayingBelow } from "../support/staying.ts";
import { masterLink, type Pod, shim, TestNode } from "../support/test-node.ts";
import { until } from "../support/until.ts";

interface Scenario {
  readonly about: string;
  /** Plugin of the cluster network. */
  readonly clusterPlugin: string;
  readonly networks: string;
  readonly nativeNetworks: number;
  readonly further: Json;
  /** How often what is killed in which call. */
  readonly kills: Readonly<Record<"shim" | "bytes" | "moments", Readonly<Record<Killed, number>>>>;
}

const scenarios: readonly Scenario[] = [
  // 300 kills.
  {
    about: "a native call",
    clusterPlugin: "bridge",
    networks: "storage,video,dual,routed",
    nativeNetworks: 5,
    further: {},
    kills: {
      shim: { ADD: 150, DEL: 70 },
      bytes: { ADD: 25, DEL: 15 },
      moments: { ADD: 25, DEL: 15 },
    },
  },
  // The shim is not killed: its plugins die with it, and may leave a link under a temporary name.
  {
    about: "a call of native and executed networks, with orders that wait for others",
    clusterPlugin: "other-bridge",
    networks: "storage,executed,video,dual",
    nativeNetworks: 3,
    further: { attachConcurrency: 4 },
    kills: {
      shim: { ADD: 0, DEL: 0 },
      bytes: { ADD: 12, DEL: 8 },
      moments: { ADD: 12, DEL: 8 },
    },
  },
];

type Json = Readonly<Record<string, unknown>>;
type Killed = "ADD" | "DEL";

/** A node's traces, and how often something wants its parent link promiscuous: macvlans leave nothing of that. */
type Left = Traces & { readonly promiscuity: number };

/** `count` numbers spread evenly over 1 to `total`, each in the middle of its part. */
function spread(count: number, total: number): number[] {
  return Array.from({ length: count }, (_, index) => 1 + Math.floor(((index + 0.5) * total) / count));
}

/** A system call of a program: the which-th of that name. */
interface SystemCall {
  readonly name: string;
  readonly time: number;
}

/** @param trace what strace wrote of one process */
function systemCalls(trace: string): readonly SystemCall[] {
  const times = new Map<string, number>();
  return trace.split("\n").flatMap((line) => {
    const name = /^(\w+)\(/.exec(line)?.[1];
    if (name === undefined) return [];
    const time = (times.get(name) ?? 0) + 1;
    times.set(name, time);
    return [{ name, time }];
  });
}

describe.each(scenarios)("kill -9 in $about", (scenario) => {
  const { networks, kills } = scenario;
  let node: TestNode;
  let relay: KillingRelay;
  let path: string;
  let netconf: Json;
  let throughRelay: Json;

  beforeAll(async () => {
    path = await referencePluginPath();
    node = await TestNode.start({ daemonConfig: { logLevel: "verbose" } });
    // The same plugins by names that are not known.
    for (const plugin of ["bridge", "macvlan"]) {
      const directory = path.split(":").find((each) => each.includes(`/${plugin}-`)) ?? "";
      symlinkSync(join(directory, plugin), join(node.binDir, `other-${plugin}`));
    }
    node.writeMacvlan("executed", "10.164.0.0/24", "other-macvlan");
    node.writeMacvlan("storage", "10.161.0.0/24");
    node.writeMacvlan("video", "10.162.0.0/24");
    const ranges = [[{ subnet: "10.163.0.0/24" }], [{ subnet: "fd00:163::/120" }]];
    writeTunedAndRouted(node, ranges, "10.164.0.0/24");
    const relayDirectory = join(node.directory, "relay");
    mkdirSync(relayDirectory);
    relay = await KillingRelay.listen(relayDirectory, node.daemon, join(node.socketDir, "multus.sock"));
    await node.network.ip("link", "add", "cni0", "type", "bridge");
    netconf = {
      ...node.netconf({
        ...{ cniVersion: "1.0.0", name: "cluster", type: scenario.clusterPlugin, bridge: "cni0" },
        ...{ isGateway: true, ipam: node.hostLocal("10.160.0.0/24") },
      }),
      ...scenario.further,
      nativeNetworks: "auto",
      daemonWaitSeconds: 1,
    };
    throughRelay = { ...netconf, daemonSocketDir: relayDirectory };
    // Its plugins make the bridges and the address directories, which stay.
    await using first = await node.pod("first", networks);
    // Then once natively: the daemon asks plugins for their versions, once.
    for (const nativeNetworks of ["off", "auto"]) {
      for (const command of ["ADD", "DEL"] as const) {
        (await call(command, first, { ...netconf, nativeNetworks })).expectSuccess();
      }
    }
  });

  afterAll(async () => {
    await relay?.[Symbol.asyncDispose]();
    await node?.[Symbol.asyncDispose]();
  });

  /** @param through words before the plugin */
  function call(
    command: CniCommand,
    pod: Pod,
    config: Json,
    through: readonly string[] = [],
  ): Promise<PluginAnswer> {
    return callPlugin(
      node.network.enter(...through, shim),
      node.podCall(command, pod, config, { path }),
      120_000,
    );
  }

  async function left(): Promise<Left> {
    const [parent]: { readonly promiscuity: number }[] = JSON.parse(
      await node.network.ip("-j", "-d", "link", "show", "dev", masterLink),
    );
    return { ...(await traces(node)), promiscuity: parent?.promiscuity ?? -1 };
  }

  /** A process that deletes links may go on for a moment after its shim has ended, or was killed. */
  async function untilNothingRuns(): Promise<void> {
    await until("no process stays for records", () => stayingBelow(node.directory).length === 0);
    const deadline = performance.now() + 10_000;
    while ((await traces(node)).processes.length > 0 && performance.now() < deadline) await sleep(20);
  }

  /** Runs a whole ADD and DEL of a pod. @param run makes the call that is looked at @returns what `run` said of it */
  async function measured<T>(command: Killed, run: (pod: Pod) => Promise<T>): Promise<T> {
    await using pod = await node.pod("measured", networks);
    const logged = node.daemon.output.length;
    if (command === "DEL") (await call("ADD", pod, netconf)).expectSuccess();
    const value = await run(pod);
    if (command === "ADD") (await call("DEL", pod, netconf)).expectSuccess();
    // Otherwise this test says nothing of native networks. The daemon logs a request after its answer.
    const counts = () => {
      const output = node.daemon.output.slice(logged);
      return { added: nativeCount(output, "ADD"), removed: nativeCount(output, "DEL") };
    };
    const { nativeNetworks: all } = scenario;
    const isAll = () => counts().added === all && counts().removed === all;
    await until(() => `${all} networks native: ${JSON.stringify(counts())}`, isAll, 10_000);
    return value;
  }

  /**
   * A pod whose ADD or DEL is interrupted, and its next DEL.
   * @param interrupted makes the call
   * @returns a line for each thing that is left
   */
  async function problemsAfter(
    command: Killed,
    what: string,
    native: boolean,
    interrupted: (pod: Pod) => Promise<unknown>,
  ): Promise<readonly string[]> {
    // Also of the call before: its process would be missing afterwards.
    await untilNothingRuns();
    const before = await left();
    await using pod = await node.pod("unlucky", networks);
    if (command === "DEL") (await call("ADD", pod, netconf)).expectSuccess();
    await interrupted(pod);
    const next = await call("DEL", pod, { ...netconf, nativeNetworks: native ? "auto" : "off" });
    await untilNothingRuns();
    const place = `${command}, ${what}, then a DEL ${native ? "native" : "by the plugins"}`;
    const links = (await pod.network.links()).map(({ ifname }) => ifname);
    const after = await left();
    const expected = new Map(Object.entries(before).map(([key, value]) => [key, JSON.stringify(value)]));
    return [
      ...(next.exitCode === 0 ? [] : [`${place}: ${next.stdout}`]),
      ...(links.length === 0 ? [] : [`${place}: the pod has ${links.join(", ")}`]),
      ...Object.entries(after)
        .filter(([key, value]) => JSON.stringify(value) !== expected.get(key))
        .map(([key, value]) => `${place}: ${key} ${JSON.stringify(value)}`),
    ];
  }

  const whoseShimIsKilled = (["ADD", "DEL"] as const).filter((command) => kills.shim[command] > 0);

  test.each(whoseShimIsKilled)("the shim, at system calls of the %s", async (command) => {
    const trace = join(node.directory, "trace");
    const steps = await measured(command, async (pod) => {
      (await call(command, pod, netconf, ["strace", "-qq", "-o", trace])).expectSuccess();
      return systemCalls(readFileSync(trace, "utf8"));
    });
    const problems: string[] = [];
    let killed = 0;
    for (const [index, place] of spread(kills.shim[command], steps.length).entries()) {
      const step = steps[place - 1];
      if (step === undefined) throw new Error(`no system call ${place}`);
      // Every other time what the shim has started is killed at its own call of that number.
      const following = index % 2 === 0 ? [] : ["-f"];
      const injected = `inject=${step.name}:signal=SIGKILL:when=${step.time}`;
      const through = ["strace", "-qq", ...following, "-o", "/dev/null", "-e", injected];
      const what = `the shim killed at call ${place}, ${step.name} ${step.time}`;
      problems.push(
        ...(await problemsAfter(command, what, index % 4 < 2, async (pod) => {
          const { exitCode } = await call(command, pod, netconf, through);
          if (exitCode === 128 + 9) killed += 1;
        })),
      );
    }
    console.log(`${command}: ${steps.length} system calls, killed at ${killed} of them`);
    expect(problems).toEqual([]);
    // Two runs differ by some calls: those at the end may not come.
    expect(killed).toBeGreaterThan(0.9 * kills.shim[command]);
  });

  test.each(["ADD", "DEL"] as const)("the daemon, at bytes of the %s", async (command) => {
    const bytes = await measured(command, async (pod) => {
      relay.killAfter(Number.POSITIVE_INFINITY);
      (await call(command, pod, throughRelay)).expectSuccess();
      return relay.passed;
    });
    const problems: string[] = [];
    let killed = 0;
    for (const [index, byte] of spread(kills.bytes[command], bytes).entries()) {
      problems.push(
        ...(await problemsAfter(
          command,
          `the daemon killed at byte ${byte}`,
          index % 2 === 0,
          async (pod) => {
            relay.killAfter(byte);
            await call(command, pod, throughRelay);
            if (await relay.wasKilled()) {
              killed += 1;
              await node.daemon.start();
            }
          },
        )),
      );
    }
    console.log(`${command}: ${bytes} bytes, killed at ${killed} of them`);
    expect(problems).toEqual([]);
    expect(killed).toBeGreaterThan(0.9 * kills.bytes[command]);
  });

  test.each(["ADD", "DEL"] as const)("the daemon, at moments of the %s", async (command) => {
    const milliseconds = await measured(command, async (pod) => {
      const answer = await call(command, pod, netconf);
      return answer.expectSuccess().milliseconds;
    });
    const problems: string[] = [];
    for (let index = 0; index < kills.moments[command]; index += 1) {
      const moment = ((index + Math.random()) * milliseconds) / kills.moments[command];
      const what = `the daemon killed after ${moment.toFixed(1)} ms`;
      problems.push(
        ...(await problemsAfter(command, what, index % 2 === 0, async (pod) => {
          const calling = call(command, pod, netconf);
          await sleep(moment);
          await node.daemon.stop("SIGKILL");
          await calling;
          await node.daemon.start();
        })),
      );
    }
    expect(problems).toEqual([]);
  });
});
