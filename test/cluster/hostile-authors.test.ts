/**
 * Authors of pods and of NetworkAttachmentDefinitions who take all that Kubernetes gives them, against a daemon with the memory of its manifest: it stays within that, and the pods of others
 * are served as those of a daemon beside it that is left alone.
 */

import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { afterAll, beforeAll, expect, test } from "vitest";
import { parseAllDocuments } from "yaml";
import { buildRunner, Runner } from "../../bench/runner.ts";
import { medianInterval, summarize } from "../../src/ctl/text/statistics.ts";
import { ApiServer } from "../support/cluster/api-server.ts";
import type { AttackPlan, AttackReport } from "../support/cluster/attack.ts";
import { bytesOf } from "../support/container-resources.ts";
import { MemoryGroup } from "../support/memory-group.ts";
import { pauseImageName } from "../support/pause-image.ts";
import { environmentOf, type PluginCall, podArgs } from "../support/plugin.ts";
import { session, sessionVariable } from "../support/session.ts";
import { debianPlugins, shim, TestNode } from "../support/test-node.ts";

const root = join(import.meta.dirname, "..", "..");
const nodeName = "node-1";
const networksAnnotation = "k8s.v1.cni.cncf.io/networks";
const plural = "network-attachment-definitions";
const nadsOf = (namespace: string) => `/apis/k8s.cni.cncf.io/v1/namespaces/${namespace}/${plural}`;
const podsOf = (namespace: string) => `/api/v1/namespaces/${namespace}/pods`;
const patience = { timeout: 120_000, interval: 200 };

/** How much the authors write. */
const largeNads = 260;
const largePods = 200;
const rounds = 100;

interface Container {
  readonly env?: readonly { readonly name: string; readonly value?: string }[];
  readonly resources: { readonly limits: { readonly memory: string } };
}

/** The daemon's container as deploy/thick has it. */
function daemonContainer(): Container {
  const documents = parseAllDocuments(readFileSync(join(root, "deploy/thick/daemonset.yaml"), "utf8"));
  const daemonSet = documents.map((document) => document.toJS()).find(({ kind }) => kind === "DaemonSet");
  return daemonSet.spec.template.spec.containers[0];
}

const container = daemonContainer();
const limit = bytesOf(container.resources.limits.memory);
const environment = Object.fromEntries(
  (container.env ?? []).flatMap(({ name, value }) => (value === undefined ? [] : [[name, value]])),
);

/**
 * The daemons, the plugin that is measured and the attackers' calls get the CPU before everything else: what they wait for is each other. API servers and whatever else runs on the machine
 * would decide the times otherwise.
 */
const first = ["nice", "-n", "-19"];

/** spec.config of so many bytes, by what makes it expensive. */
const configurations: readonly ((name: string, bytes: number) => string)[] = [
  (name, bytes) => sized(bytes, (note) => ({ cniVersion: "1.0.0", name, type: "free", note })),
  // Each character has two bytes, in a text of the engine as well.
  (name, bytes) =>
    sized(bytes, (note) => ({ cniVersion: "1.0.0", name, type: "free", note: note.replaceAll("xxx", "網") })),
  // As many values as there is room for.
  (name, bytes) => manyOf(bytes, (values) => ({ cniVersion: "1.0.0", name, type: "free", values }), 0),
  // As many plugins.
  (name, bytes) => manyOf(bytes, (plugins) => ({ cniVersion: "1.0.0", name, plugins }), { type: "free" }),
  // Broken at its end.
  (name, bytes) => `${sized(bytes - 1, (note) => ({ cniVersion: "1.0.0", name, type: "free", note }))}}`,
];

function sized(bytes: number, make: (note: string) => unknown): string {
  const empty = JSON.stringify(make("")).length;
  return JSON.stringify(make("x".repeat(bytes - empty)));
}

function manyOf(bytes: number, make: (items: unknown[]) => unknown, item: unknown): string {
  const each = JSON.stringify(item).length + 1;
  return JSON.stringify(make(Array(Math.floor((bytes - 100) / each)).fill(item)));
}

interface Measured {
  readonly add: PluginCall;
  readonly del: PluginCall;
}

/** Place of the measured pods: a cluster, a node of it, and the program that runs the plugin. */
class Site implements AsyncDisposable {
  readonly api: ApiServer;
  readonly group: MemoryGroup;
  readonly node: TestNode;
  readonly #runner: Runner;
  readonly #resources: AsyncDisposableStack;
  readonly #measured: Measured;

  private constructor(
    api: ApiServer,
    group: MemoryGroup,
    node: TestNode,
    runner: Runner,
    measured: Measured,
    resources: AsyncDisposableStack,
  ) {
    this.api = api;
    this.group = group;
    this.node = node;
    this.#runner = runner;
    this.#measured = measured;
    this.#resources = resources;
  }

  /** @param populate writes what there is before the daemon starts */
  static async open(populate: (api: ApiServer) => Promise<void>): Promise<Site> {
    await using resources = new AsyncDisposableStack();
    const api = resources.use(await ApiServer.start());
    await api.applyDeployment();
    const networks = ["one", "two"];
    for (const name of networks) await api.createNetwork(name, { cniVersion: "1.0.0", name, type: "free" });
    await populate(api);
    const group = resources.use(MemoryGroup.create(limit));
    const token = await api.createToken("kube-system", "multus");
    const node = resources.use(
      await TestNode.start({
        daemonConfig: { kubeconfig: api.kubeconfigFor({ token }), nadDir: undefined, logLevel: "error" },
        daemonSurroundings: {
          environment: { ...environment, MULTUS_NODE_NAME: nodeName },
          through: [...first, ...group.through],
        },
      }),
    );
    const compiler = process.env.CC ?? "cc";
    execFileSync(compiler, [
      "-O2",
      "-static",
      "-o",
      join(node.binDir, "free"),
      join(root, "bench/fixed-result.c"),
    ]);
    const runnerBinary = join(node.directory, "runner");
    buildRunner(join(root, "bench/runner.c"), runnerBinary);
    const [file = "", ...args] = [...first, ...node.network.enter(runnerBinary)];
    const runner = new Runner([file, ...args]);
    resources.defer(() => runner.close());
    await node.untilReady();
    const pod = await node.pod("measured", networks.join(","));
    const { metadata } = await api.request<{ metadata: { uid: string } }>("POST", podsOf("default"), {
      metadata: { name: pod.name, annotations: pod.annotations },
      spec: { nodeName, containers: [{ name: "main", image: pauseImageName }] },
    });
    const args_ = podArgs({ ...pod, namespace: "default", name: pod.name, uid: metadata.uid });
    const cluster = node.netconf({ cniVersion: "1.0.0", name: "cluster", type: "free" });
    const call = (command: "ADD" | "DEL") => node.podCall(command, pod, cluster, { args: args_ });
    const measured = { add: call("ADD"), del: call("DEL") };
    return new Site(api, group, node, runner, measured, resources.move());
  }

  /** ADD and DEL of the pod that is measured. @returns milliseconds of the ADD */
  async measure(): Promise<number> {
    const run = async (call: PluginCall) => {
      const stdin = Buffer.from(JSON.stringify(call.config));
      const outcome = await this.#runner.run({ program: shim, env: environmentOf(call), stdin });
      expect(outcome.exitCode, outcome.stdout.toString()).toBe(0);
      return outcome.wallMilliseconds;
    };
    const milliseconds = await run(this.#measured.add);
    await run(this.#measured.del);
    return milliseconds;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#resources.disposeAsync();
  }
}

/** Writes the NADs and pods of the authors. */
async function writeHostileObjects(api: ApiServer): Promise<void> {
  await api.createNamespace("greedy");
  const create = async (path: string, body: unknown) => api.request("POST", path, body);
  for (let index = 0; index < largeNads; index++) {
    const name = `large-${index}`;
    const make = configurations[index % configurations.length];
    await create(nadsOf("greedy"), {
      apiVersion: "k8s.cni.cncf.io/v1",
      kind: "NetworkAttachmentDefinition",
      metadata: { name },
      spec: { config: make?.(name, 1_000_000) },
    });
  }
  for (let index = 0; index < largePods; index++) {
    const metadata = { name: `pod-${index}`, annotations: { [networksAnnotation]: hostileSelection(index) } };
    await create(podsOf("greedy"), {
      metadata,
      spec: { nodeName, containers: [{ name: "main", image: pauseImageName }] },
    });
  }
}

/** Nearly all of the 256 KiB that annotations may have. */
const selectionBytes = 250_000;

/** A pod's selection of networks, in ways that cost the daemon the most. */
function hostileSelection(index: number): string {
  const names = Array.from({ length: 20 }, (_, step) => `large-${(index * 7 + step) % largeNads}`);
  // Those that a plan can have.
  const usable = names.filter((_, step) => ((index * 7 + step) % largeNads) % configurations.length < 3);
  switch (index % 4) {
    case 0:
      // Some of the NADs, and blanks.
      return `${" ".repeat(selectionBytes - 200)}${usable.slice(0, 1 + (index % 3)).join(",")}`;
    case 1:
      // As often as there is room for it.
      return Array(Math.floor(selectionBytes / 10))
        .fill(names[0])
        .join(",");
    case 2:
      // Arguments that go into each of its plugins.
      return JSON.stringify([{ name: usable[0], "cni-args": { note: "x".repeat(selectionBytes - 100) } }]);
    default:
      return JSON.stringify(usable.map((name) => ({ name, ips: Array(200).fill("192.0.2.1/24") })));
  }
}

const resources = new AsyncDisposableStack();
let alone: Site;
let attacked: Site;

beforeAll(async () => {
  alone = resources.use(await Site.open(async () => {}));
  attacked = resources.use(await Site.open(writeHostileObjects));
}, 600_000);

afterAll(async () => {
  await resources.disposeAsync();
});

/** The attack: every large NAD is changed, and pods of the namespace are attached, all the time. */
async function attackPlan({ api, node }: Site): Promise<AttackPlan> {
  const calls: PluginCall[] = [];
  for (let index = 0; index < 48; index++) {
    const name = `pod-${index}`;
    const pod = await node.pod(name, hostileSelection(index));
    const { metadata } = await api.request<{ metadata: { uid: string } }>(
      "GET",
      `${podsOf("greedy")}/${name}`,
    );
    const args = podArgs({ ...pod, namespace: "greedy", name, uid: metadata.uid });
    const cluster = node.netconf({ cniVersion: "1.0.0", name: "cluster", type: "free" });
    // Of every other one the annotations come with the request.
    const further = index % 2 === 0 ? {} : { config: { ...cluster, capabilities: {} } };
    calls.push(node.podCall("ADD", pod, cluster, { args, path: debianPlugins, ...further }));
  }
  return {
    kubeconfig: api.adminKubeconfig,
    targets: Array.from({ length: largeNads }, (_, index) => ({
      path: `${nadsOf("greedy")}/large-${index}`,
    })),
    writesAtOnce: 1,
    plugin: node.network.enter(shim),
    calls,
    callsAtOnce: 12,
  };
}

/** Attacks until it is disposed of. */
class Attack implements AsyncDisposable {
  readonly #child;
  report: AttackReport = { writes: 0, adds: {} };
  errors = "";

  constructor(planFile: string) {
    const program = join(root, "test/support/cluster/attack.ts");
    const [command = "", ...args] = [...first, process.execPath, program, planFile];
    this.#child = spawn(command, args, {
      stdio: ["ignore", "pipe", "pipe"],
      env: { ...process.env, [sessionVariable]: session },
    });
    createInterface({ input: this.#child.stdout }).on("line", (line) => {
      this.report = JSON.parse(line);
    });
    this.#child.stderr.on("data", (chunk: Buffer) => {
      this.errors += chunk;
    });
  }

  get isRunning(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.isRunning) return;
    const closed = once(this.#child, "close");
    this.#child.kill("SIGKILL");
    await closed;
  }
}

test("a daemon stays within its memory, and another pod's ADD takes no more than twice as long", async () => {
  const planFile = join(attacked.node.directory, "attack.json");
  writeFileSync(planFile, JSON.stringify(await attackPlan(attacked)));
  for (const site of [alone, attacked]) for (let round = 0; round < 20; round++) await site.measure();
  await using attack = new Attack(planFile);
  const done = () => Object.values(attack.report.adds).reduce((sum, count) => sum + count, 0);
  await expect
    .poll(() => {
      expect(attack.isRunning, attack.errors).toBe(true);
      return attack.report.writes > 20 && done() > 20;
    }, patience)
    .toBe(true);

  const walls: { readonly alone: number; readonly attacked: number }[] = [];
  const begin = { ...attack.report, adds: done() };
  let compactedAt = begin.writes;
  const isEnough = () =>
    walls.length >= rounds && attack.report.writes >= begin.writes + 40 && done() >= begin.adds + 100;
  for (let round = 0; !isEnough() && attack.isRunning; round++) {
    // etcd has a quota for its history.
    if (attack.report.writes > compactedAt + 50) {
      await attacked.api.compact();
      compactedAt = attack.report.writes;
    }
    const isAloneFirst = round % 2 === 0;
    const one = await (isAloneFirst ? alone : attacked).measure();
    const other = await (isAloneFirst ? attacked : alone).measure();
    walls.push(isAloneFirst ? { alone: one, attacked: other } : { alone: other, attacked: one });
  }
  const wallsAlone = summarize(walls.map((wall) => wall.alone));
  const wallsAttacked = summarize(walls.map((wall) => wall.attacked));
  const ratio = wallsAttacked.median / wallsAlone.median;
  const interval = medianInterval(walls.map((wall) => wall.attacked / wall.alone));
  const inMegabytes = (bytes: number) => `${Math.round(bytes / 2 ** 20)} MiB`;
  console.log(
    `ADD: ${wallsAlone.median.toFixed(1)} ms alone (quartiles ${wallsAlone.spread.toFixed(1)} apart), ${wallsAttacked.median.toFixed(1)} ms (${wallsAttacked.spread.toFixed(1)}, p99 ${wallsAttacked.p99.toFixed(1)}) beside the attack: ${ratio.toFixed(2)} times, of pairs ${interval.map((end) => end.toFixed(2)).join(" to ")}; memory ${inMegabytes(alone.group.peak)} and ${inMegabytes(attacked.group.peak)}, resident ${attacked.node.daemon.memory().peak} kB; meanwhile ${attack.report.writes - begin.writes} writes, ${done() - begin.adds} ADDs`,
    attack.report.adds,
  );

  expect(attack.isRunning, attack.errors).toBe(true);
  for (const site of [alone, attacked]) expect(site.group.kills).toBe(0);
  // At the limit itself the kernel takes the pages of files away first: a daemon that comes there is slow before it is killed.
  expect(attacked.group.peak).toBeLessThan(0.9 * limit);
  expect(ratio).toBeLessThanOrEqual(2);
});
