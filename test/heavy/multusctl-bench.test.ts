/** `multusctl bench --runtime` against a real containerd: sandboxes with networks, compared with another runtime handler, and nothing of them stays. */

import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import type { BenchReport } from "../../src/ctl/bench/report.ts";
import { removeCgroups } from "../support/cgroups.ts";
import { Containerd } from "../support/containerd.ts";
import { traces } from "../support/leaks.ts";
import { RunningMultusctl } from "../support/multusctl.ts";
import { uniqueName } from "../support/session.ts";
import { debianPlugins, shim, TestNode } from "../support/test-node.ts";
import { until } from "../support/until.ts";

let node: TestNode;
let containerd: Containerd;
let temporary: string;

beforeAll(async () => {
  node = await TestNode.start();
  await node.network.ip("link", "add", "cni0", "type", "bridge");
  node.writeMacvlan("storage", "10.171.0.0/24");
  node.writeMacvlan("video", "10.172.0.0/24");
  const configDirectory = join(node.directory, "runtime-net.d");
  const binDirectory = join(node.directory, "runtime-bin");
  for (const directory of [configDirectory, binDirectory]) mkdirSync(directory);
  copyFileSync(shim, join(binDirectory, "multus"));
  copyFileSync(join(debianPlugins, "loopback"), join(binDirectory, "loopback"));
  const cluster = { type: "bridge", bridge: "cni0", isGateway: true, ipam: node.hostLocal("10.170.0.0/24") };
  const netconf = node.netconf(
    { cniVersion: "1.0.0", name: "cluster", ...cluster },
    { binDir: debianPlugins },
  );
  writeFileSync(join(configDirectory, "00-multus.conf"), JSON.stringify(netconf));
  containerd = await Containerd.start(
    join(node.directory, "cri"),
    node.network,
    binDirectory,
    configDirectory,
  );
  temporary = join(node.directory, "tmp");
  mkdirSync(temporary);
});

afterAll(async () => {
  await containerd?.[Symbol.asyncDispose]();
  await node?.[Symbol.asyncDispose]();
  await removeCgroups((name) => name === cgroup);
});

/** The node's traces without any sandbox. */
let before: Awaited<ReturnType<typeof traces>>;

beforeEach(async () => {
  expect(await containerd.listPodSandboxes()).toEqual([]);
  before = await traces(node);
});

async function expectNoTraces(): Promise<void> {
  expect(await containerd.listPodSandboxes()).toEqual([]);
  expect(await traces(node)).toEqual(before);
}

const start = (...args: string[]) =>
  new RunningMultusctl(
    [
      ...["bench", "--runtime-endpoint", `unix://${containerd.socket}`, "--socket-dir", node.socketDir],
      ...args,
    ],
    { temporary },
  );

/** Of the sandboxes: the runtime leaves it when they are gone. */
const cgroup = uniqueName("bench");
const measuring = ["--cgroup-parent", `/${cgroup}`, "--networks", "storage,video@vid0"];
const file = (name: string) => join(node.directory, name);
const reportIn = (name: string): BenchReport => JSON.parse(readFileSync(file(name), "utf8"));

test("pods with three networks: the runtime's time, ours, and each network's", async () => {
  const { exitCode, stdout, stderr } = await start(
    ...[...measuring, "--pods", "1,4", "--rounds", "6", "--warm-up", "1", "--peer", "again=runc"],
    ...["--json", file("bench.json"), "--report", file("bench.html")],
  ).end();
  expect(exitCode, stderr).toBe(0);
  expect(stdout).toMatch(/^Through pod sandboxes of containerd \S+; 3 networks a pod; 6 rounds/);
  const report = reportIn("bench.json");
  expect(report).toMatchObject({ state: "complete", rounds: 6, left: [] });
  expect(report.setting.versions.multusd).toBe(report.setting.versions.multusctl);
  for (const { pods, subjects } of report.levels) {
    const [ours, again] = subjects;
    expect(ours?.add.pod.count).toBe(6 * pods);
    expect(again?.oursLessThis?.interval).toHaveLength(2);
    expect(again?.shares).toBeUndefined();
    // The daemon knows each sandbox by the id that the runtime has answered.
    expect(ours?.shares?.pods).toBe(6 * pods);
    expect(ours?.shares?.networks.map(({ network, ifName, plugins }) => [network, ifName, plugins])).toEqual([
      ["cluster", "eth0", ["bridge"]],
      ["default/storage", "net1", ["macvlan"]],
      ["default/video", "vid0", ["macvlan"]],
    ]);
    const waits = ours?.shares?.waits ?? [];
    const outside = waits.find(({ part }) => part === "outside")?.milliseconds ?? 0;
    // A sandbox is a container with its own shim and runc: most of the time is the runtime's.
    expect(outside).toBeGreaterThan((ours?.shares?.ours.median ?? 0) / 2);
    expect(ours?.shares?.ours.median).toBeLessThan(ours?.add.pod.median ?? 0);
  }
  expect(readFileSync(file("bench.html"), "utf8")).toContain("runtime and plugin&#39;s process");
  await expectNoTraces();
});

test("Ctrl-C in the middle: no sandbox is left, and the complete rounds are reported", async () => {
  const running = start(
    ...[...measuring, "--pods", "3", "--rounds", "100", "--warm-up", "0", "--json", file("interrupted.json")],
  );
  await until("a line of a later round", () => /: round (?:[3-9]|\d\d),/.test(running.stderr));
  running.process.kill("SIGINT");
  const { exitCode, stderr } = await running.end();
  expect(exitCode, stderr).toBe(130);
  const report = reportIn("interrupted.json");
  expect(report).toMatchObject({ state: "interrupted", left: [] });
  expect(report.rounds).toBeGreaterThanOrEqual(2);
  expect(report.rounds).toBeLessThan(100);
  await expectNoTraces();
});

test("killed: --clean-up removes its sandboxes, and leaves the kubelet's alone", async () => {
  const labels = { "multusctl.bench/sandbox": "true", "io.kubernetes.pod.uid": "0" };
  const metadata = { name: "web", uid: "0", namespace: "default" };
  const kubelets = await containerd.runPodSandbox({ metadata, annotations: {}, labels });
  const killed = start(...measuring, "--pods", "4", "--rounds", "100", "--warm-up", "0");
  // When all of them run: containerd itself leaves the shim of a sandbox whose start is called off.
  for (let running = 0; running < 4 + 1; ) {
    running = (await containerd.sandboxes()).filter(({ isReady }) => isReady).length;
  }
  killed.process.kill("SIGKILL");
  await killed.end();
  const { exitCode, stderr } = await start("--clean-up").end();
  expect(exitCode, stderr).toBe(0);
  expect(stderr).toMatch(/removed \d+ sandbox(es)? that a killed benchmark has left/);
  expect(await containerd.listPodSandboxes()).toEqual([kubelets]);
  await containerd.stopPodSandbox(kubelets);
  await containerd.removePodSandbox(kubelets);
  await expectNoTraces();
});

test("a network that there is not: named, with the runtime's message, and nothing is left", async () => {
  const { exitCode, stderr } = await start(
    "--networks",
    "nowhere",
    "--pods",
    "2",
    ...measuring.slice(0, 2),
  ).end();
  expect(exitCode).toBe(1);
  expect(stderr).toMatch(/! RunPodSandbox: .*default\/nowhere/);
  await expectNoTraces();
});

test("a socket that serves no CRI, and one that is not there", async () => {
  const noRuntime = new RunningMultusctl(
    ["bench", "--runtime-endpoint", join(node.socketDir, "multus.sock")],
    { temporary },
  );
  const served = await noRuntime.end();
  expect(served.exitCode).toBe(1);
  expect(served.stderr).toMatch(/! (ListPodSandbox|Version): /);
  const absent = await new RunningMultusctl(["bench", "--runtime-endpoint", "/nowhere.sock"], {
    temporary,
  }).end();
  expect(absent.exitCode).toBe(1);
  expect(absent.stderr).toContain("--runtime-endpoint /nowhere.sock: /nowhere.sock does not exist");
});
