/**
 * Requests that hang or wait stand in nobody's way: what other namespaces ask, and every other kind of request, is answered as fast as on a node where nothing hangs.
 * Two nodes take turns, one with the burden and one without, so that whatever else the machine does slows both.
 */

import { randomBytes, randomUUID } from "node:crypto";
import { once } from "node:events";
import { readdirSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { setImmediate as immediately } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { systemErrorCode } from "../../src/base/system-error.ts";
import type { CniRequest } from "../../src/cni/request.ts";
import type { LaneName } from "../../src/daemon/admission.ts";
import { getFromSocket } from "../../src/socket/client.ts";
import type { LaneStatus } from "../../src/socket/status.ts";
import { plainKubeconfig } from "../support/cluster/kubeconfig.ts";
import { runCommand } from "../support/command.ts";
import { delegateCalls, installDelegate } from "../support/delegates.ts";
import { cniBody, post } from "../support/go-shim.ts";
import { Namespace } from "../support/namespace.ts";
import {
  type CniCommand,
  callPlugin,
  environmentOf,
  type PluginAnswer,
  type PluginCall,
  podArgs,
} from "../support/plugin.ts";
import { PretendedApiServer, podsPath } from "../support/pretended-api-server.ts";
import { ScratchDirectory } from "../support/scratch-directory.ts";
import { debianPlugins, shim, TestNode, type TestNodeOptions } from "../support/test-node.ts";
import { WirePeer } from "../support/wire-peer.ts";

type Json = Readonly<Record<string, unknown>>;

const patience = 60_000;
/** Of each kind of call, on each node. */
const rounds = 15;
const slots = 16;

/** A node with delegates that answer at once, and others that never do. */
class Target implements AsyncDisposable {
  readonly node: TestNode;
  readonly #network: Namespace;

  private constructor(node: TestNode, network: Namespace) {
    this.node = node;
    this.#network = network;
  }

  static async start(options: TestNodeOptions): Promise<Target> {
    const network = await Namespace.create("pod");
    const node = await TestNode.start(options);
    const result = `cat > /dev/null\necho '{"cniVersion":"1.1.0"}'`;
    installDelegate(node, "quick", result);
    installDelegate(node, "hangs", "exec sleep 1000", "exec sleep 1000");
    installDelegate(node, "hangs-at-del", result, "exec sleep 1000");
    return new Target(node, network);
  }

  get socket(): string {
    return join(this.node.socketDir, "multus.sock");
  }

  /** A netconf of a cluster network of that type. */
  netconf(type: string, further: Json = {}): Json {
    return this.node.netconf(
      { cniVersion: "1.1.0", name: "cluster", type },
      { cniVersion: "1.1.0", ...further },
    );
  }

  callOf(command: CniCommand, namespace: string, config: Json, name = "web"): PluginCall {
    const isOfPod = command !== "STATUS";
    const containerId = isOfPod ? randomBytes(32).toString("hex") : "";
    return {
      command,
      containerId,
      netns: isOfPod ? this.#network.path : "",
      ifName: isOfPod ? "eth0" : "",
      args: isOfPod ? podArgs({ namespace, name, containerId, uid: randomUUID() }) : "",
      path: debianPlugins,
      config,
    };
  }

  call(call: PluginCall): Promise<PluginAnswer> {
    return callPlugin(this.node.network.enter(shim), call);
  }

  async lane(name: LaneName): Promise<LaneStatus> {
    const { body } = await getFromSocket(this.socket, "/status", patience);
    const { requests } = JSON.parse(body) as { requests: { lanes: readonly LaneStatus[] } };
    const lane = requests.lanes.find(({ lane }) => lane === name);
    if (lane === undefined) throw new Error(`no lane ${name}`);
    return lane;
  }

  async untilLane(name: LaneName, state: Partial<LaneStatus>): Promise<void> {
    await vi.waitFor(async () => expect(await this.lane(name)).toMatchObject(state), {
      timeout: patience,
      interval: 100,
    });
  }

  async untilQuiet(): Promise<void> {
    for (const lane of ["add", "del", "check", "status"] as const) {
      await this.untilLane(lane, { running: 0, waiting: 0, paused: 0 });
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.node[Symbol.asyncDispose]();
    await this.#network[Symbol.asyncDispose]();
  }
}

/** Calls that nobody waits for: ended, with their plugins, when the test is over. */
class Burden implements AsyncDisposable {
  readonly #target: Target;
  readonly #end = new AbortController();
  readonly #underWay: Promise<unknown>[] = [];

  constructor(target: Target) {
    this.#target = target;
  }

  call(count: number, make: (index: number) => PluginCall): void {
    for (let index = 0; index < count; index++) {
      const call = make(index);
      this.until((signal) =>
        runCommand(this.#target.node.network.enter(shim), {
          env: environmentOf(call),
          stdin: JSON.stringify(call.config),
          timeoutMs: 300_000,
          signal,
        }),
      );
    }
  }

  /** @param work ends when its signal says so, with an error or not */
  until(work: (signal: AbortSignal) => Promise<unknown>): void {
    this.#underWay.push(work(this.#end.signal).catch(() => {}));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#end.abort();
    await Promise.all(this.#underWay);
    await this.#target.untilQuiet();
  }
}

/** Brings a request. The kernel's queue of connections may be full: a shim waits for it, a socket of Node's does not. */
async function bring(socketPath: string, request: Partial<CniRequest>): Promise<WirePeer> {
  for (;;) {
    try {
      const socket = connect(socketPath);
      const peer = new WirePeer(socket);
      // At once, as a shim does.
      peer.request(request);
      await once(socket, "connect");
      return peer;
    } catch (error) {
      if (systemErrorCode(error) !== "EAGAIN") throw error;
      await immediately();
    }
  }
}

type Measured = Record<"STATUS" | "ADD" | "DEL", number[]>;

/** Milliseconds of a STATUS, and of a pod's ADD and DEL in a namespace that nothing hangs in. */
async function measure(target: Target, into: Measured): Promise<void> {
  const config = target.netconf("quick");
  const status = await target.call(target.callOf("STATUS", "", config));
  status.expectSuccess();
  const add = target.callOf("ADD", "other", config);
  const added = await target.call(add);
  added.expectSuccess();
  const deleted = await target.call({ ...add, command: "DEL" });
  deleted.expectSuccess();
  into.STATUS.push(status.milliseconds);
  into.ADD.push(added.milliseconds);
  into.DEL.push(deleted.milliseconds);
}

/** Longest time of the fastest quarter: other load makes some longer, and none shorter. */
const quartile = (values: readonly number[]) =>
  values.toSorted((left, right) => left - right)[values.length >> 2] ?? 0;

/** Measures until it is so, a few times at most: what hangs would be longer each time, other load is not. */
async function expectAsFast(burdened: Target, quiet: Target): Promise<void> {
  const newMeasured = (): Measured => ({ STATUS: [], ADD: [], DEL: [] });
  const [slow, fast] = [newMeasured(), newMeasured()];
  const ratios = () =>
    (["STATUS", "ADD", "DEL"] as const).map((command) => quartile(slow[command]) / quartile(fast[command]));
  for (let time = 0; time < 4 && !(Math.max(...ratios()) < 2); time++) {
    for (let round = 0; round < rounds; round++) {
      const first = round % 2 === 0;
      await (first ? measure(burdened, slow) : measure(quiet, fast));
      await (first ? measure(quiet, fast) : measure(burdened, slow));
    }
  }
  expect(Math.max(...ratios()), `STATUS, ADD, DEL: ${ratios().join(", ")} times`).toBeLessThan(2);
}

const callsOf = (target: Target, plugin: string, command: string) =>
  delegateCalls(target.node).filter((call) => call.plugin === plugin && call.command === command).length;

describe("DEL and STATUS of others, and an ADD of another namespace, are as fast as alone", () => {
  let burdened: Target;
  let quiet: Target;

  beforeAll(async () => {
    const options = { isDaemonInNetwork: true, daemonHasCniDir: true };
    burdened = await Target.start(options);
    quiet = await Target.start(options);
  });

  afterAll(async () => {
    await burdened?.[Symbol.asyncDispose]();
    await quiet?.[Symbol.asyncDispose]();
  });

  test("beside 16 plugins of one namespace that hang, more ADDs behind them, and 20 ADDs that wait for the indicator", async () => {
    await using burden = new Burden(burdened);
    burden.call(20, () => burdened.callOf("ADD", "hostile", burdened.netconf("hangs")));
    const readinessindicatorfile = join(burdened.node.directory, "never");
    const waiting = burdened.netconf("quick", { readinessindicatorfile });
    burden.call(20, () => burdened.callOf("ADD", "waits", waiting));
    await burdened.untilLane("add", { running: slots, waiting: 4, paused: 20 });
    await vi.waitFor(() => expect(callsOf(burdened, "hangs", "ADD")).toBe(slots), patience);
    await expectAsFast(burdened, quiet);
    expect(await burdened.lane("add")).toMatchObject({ running: slots, waiting: 4, paused: 20 });
  });

  test("beside hanging DELs of one namespace", async () => {
    await using burden = new Burden(burdened);
    const config = burdened.netconf("hangs-at-del");
    const adds = Array.from({ length: 20 }, () => burdened.callOf("ADD", "hostile", config));
    for (const answer of await Promise.all(adds.map((add) => burdened.call(add)))) answer.expectSuccess();
    burden.call(adds.length, (index) => ({ ...adds[index], command: "DEL" }) as PluginCall);
    await burdened.untilLane("del", { running: slots, waiting: 4 });
    await expectAsFast(burdened, quiet);
    expect(await burdened.lane("del")).toMatchObject({ running: slots, waiting: 4 });
  });

  test("beside hanging requests of /delegate, those of /delegate too", async () => {
    await using burden = new Burden(burdened);
    const body = (namespace: string, type: string) => {
      const call = { ...burdened.callOf("ADD", namespace, {}), path: burdened.node.binDir };
      const variables = { ...environmentOf(call), CNI_IFNAME: "net1" };
      return cniBody(variables, JSON.stringify({ cniVersion: "1.0.0", name: "plugged", type }));
    };
    for (let index = 0; index < 20; index++) {
      burden.until((signal) => post(burdened.socket, "/delegate", body("hostile", "hangs"), signal));
    }
    await burdened.untilLane("add", { running: slots, waiting: 4 });
    await expectAsFast(burdened, quiet);
    expect(await post(burdened.socket, "/delegate", body("other", "quick"))).toMatchObject({ status: 200 });
    // Its result is among the node's own, not among the machine's.
    expect(readdirSync(join(burdened.node.cniDir, "results"))).toContainEqual(
      expect.stringMatching(/^plugged-/),
    );
    expect(await burdened.lane("add")).toMatchObject({ running: slots, waiting: 4 });
    // Its client is gone, and its plugin is not: until that has ended the container waits. The agents are ended with the daemon.
    await burdened.node.daemon.stop("SIGKILL");
    await burdened.node.daemon.start();
  });

  test("beside a thousand requests of one namespace, of which those that find no room are refused at once", async () => {
    await using burden = new Burden(burdened);
    const refused: string[] = [];
    const config = Buffer.from(JSON.stringify(burdened.netconf("hangs")));
    for (let index = 0; index < 1_000; index++) {
      // One process that opens them all before it writes would not be like a thousand shims.
      const peer = await bring(burdened.socket, { ...burdened.callOf("ADD", "hostile", {}), config });
      burden.until(async (signal) => {
        signal.addEventListener("abort", () => peer.close());
        // An order is never answered: it is a plugin that hangs.
        for (let frame = await peer.next(); frame !== undefined; frame = await peer.next()) {
          if ("stdout" in frame.body) refused.push(String(frame.body.stdout));
        }
      });
    }
    await vi.waitFor(() => expect(refused).toHaveLength(1_000 - 512), { timeout: patience, interval: 100 });
    expect(JSON.parse(refused[0] ?? "")).toMatchObject({
      code: 11,
      msg: "too many requests wait already in lane add of namespace hostile; try again",
    });
    expect(await burdened.lane("add")).toMatchObject({ running: slots, waiting: 512 - slots });
    await expectAsFast(burdened, quiet);
  });
});

test("50 ADDs that wait for an API which does not answer hold up no DEL, no STATUS, and no ADD of a pod that is known", async () => {
  await using api = new PretendedApiServer();
  using directory = new ScratchDirectory("cluster");
  const kubeconfig = directory.write("kubeconfig", plainKubeconfig((await api.start()).url));
  const known = { metadata: { namespace: "other", name: "web" } };
  api.set(podsPath, known);
  api.fault = ({ path }) =>
    path.includes("/namespaces/") && path.includes("/pods/") ? "silence" : undefined;
  const config = { daemonConfig: { kubeconfig, nodeName: "node-1", nadDir: undefined } };
  await using burdened = await Target.start(config);
  await using quiet = await Target.start(config);
  for (const { node } of [burdened, quiet]) await node.untilReady();
  await using burden = new Burden(burdened);
  burden.call(50, (index) => burdened.callOf("ADD", "unknown", burdened.netconf("quick"), `pod-${index}`));
  await burdened.untilLane("add", { running: 0, waiting: 0, paused: 50 });
  await expectAsFast(burdened, quiet);
});
