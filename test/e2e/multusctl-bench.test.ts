/** `multusctl bench` measures pods through the plugin alone, reports them, and leaves nothing, whatever becomes of it. */

import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { BenchReport, SubjectReport } from "../../src/ctl/bench/report.ts";
import { Daemon } from "../support/daemon.ts";
import { expectNoTraces, RunningMultusctl, type RunningOptions, scratchNames } from "../support/multusctl.ts";
import { Namespace } from "../support/namespace.ts";
import { ScratchDirectory } from "../support/scratch-directory.ts";
import { debianPlugins, shim } from "../support/test-node.ts";
import { until } from "../support/until.ts";

let scratch: ScratchDirectory;
let temporary: string;
/** Names of scratch nodes, as they were seen while multusctl ran. */
let seen: string[];

beforeEach(() => {
  scratch = new ScratchDirectory("bench");
  temporary = join(scratch.path, "tmp");
  mkdirSync(temporary);
  seen = [];
});

afterEach(() => scratch[Symbol.dispose]());

const start = (args: readonly string[], wrap?: RunningOptions["wrap"]) =>
  new RunningMultusctl(["bench", ...args], { temporary, ...(wrap === undefined ? {} : { wrap }) });

/** Runs it to its end. */
const bench = (...args: string[]) => start(args).end();

const file = (name: string) => join(scratch.path, name);
const reportIn = (name: string): BenchReport => JSON.parse(readFileSync(file(name), "utf8"));

const nad = (name: string, config: object, resource?: string) => ({
  apiVersion: "k8s.cni.cncf.io/v1",
  kind: "NetworkAttachmentDefinition",
  metadata: {
    name,
    annotations: resource === undefined ? {} : { "k8s.v1.cni.cncf.io/resourceName": resource },
  },
  spec: { config: JSON.stringify({ cniVersion: "1.0.0", name, ...config }) },
});

/** A plugin that writes down each call: what it was asked, and what it was given. */
function writeRecordedPlugin(): { readonly binDir: string; readonly calls: () => Record<string, string>[] } {
  const binDir = file("bin");
  const calls = file("calls");
  mkdirSync(calls, { recursive: true });
  scratch.write(
    "bin/recorded",
    `#!/bin/sh
printf '{"command":"%s","container":"%s","stdin":' "$CNI_COMMAND" "$CNI_CONTAINERID" > ${calls}/.$$
cat >> ${calls}/.$$
echo '}' >> ${calls}/.$$
mv ${calls}/.$$ ${calls}/$(date +%s%N).$$
[ "$CNI_COMMAND" = ADD ] && echo '{"cniVersion":"1.0.0"}'
exit 0
`,
  );
  chmodSync(join(binDir, "recorded"), 0o755);
  return {
    binDir,
    calls: () =>
      readdirSync(calls)
        // Those that begin with a dot are still written.
        .filter((name) => !name.startsWith("."))
        .sort()
        .map((name) => JSON.parse(readFileSync(join(calls, name), "utf8"))),
  };
}

/** A plugin that says when it was started, in a file, and then does nothing for long. */
function writeSlowPlugin(): string {
  scratch.write("bin/slow", `#!/bin/sh\necho $$ > ${file("started")}\nexec sleep 300\n`);
  chmodSync(file("bin/slow"), 0o755);
  return scratch.write("10-slow.conf", JSON.stringify({ cniVersion: "1.0.0", name: "slow", type: "slow" }));
}

/** That of ours with so many pods at once. */
function ours({ levels }: BenchReport, pods: number): SubjectReport {
  const own = levels.find((level) => level.pods === pods)?.subjects.find(({ kind }) => kind === "multus");
  if (own === undefined) throw new Error(`nothing of ours with ${pods} pods at once`);
  return own;
}

/** Our ADD less the cluster network's, of one or three pods by round: medians, sorted. */
function differencesByRound({ samples }: BenchReport, pods: number): number[] {
  const medians = (subject: string) =>
    samples
      .find((each) => each.pods === pods && each.subject === subject)
      ?.rounds.map(({ add }) => add.toSorted((a, b) => a - b)[(pods - 1) / 2] ?? Number.NaN) ?? [];
  const alone = medians("cluster network alone");
  return medians("multus-wasm")
    .map((ours, round) => ours - (alone[round] ?? Number.NaN))
    .sort((a, b) => a - b);
}

const sumOf = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0);

describe("measures", () => {
  test("the demonstration's bridge and macvlan networks, beside the cluster network alone", async () => {
    const files = ["--json", file("bench.json"), "--report", file("bench.html")];
    const options = ["--pods", "1,3", "--rounds", "6", "--warm-up", "1", "--without-multus"];
    const running = start([...options, ...files]);
    await until("the scratch node", () => scratchNames(temporary).length > 0);
    seen = scratchNames(temporary);
    const { exitCode, stdout, stderr } = await running.end();
    expect(exitCode, stderr).toBe(0);
    expect(stdout).toMatch(/^ +3 +multus-wasm +\d/m);
    expect(stdout).toMatch(/^ +1 +default\/macvlan-b +data0 +macvlan +\d/m);

    const report = reportIn("bench.json");
    expect(report).toMatchObject({ form: 1, state: "complete", reason: "", rounds: 6, left: [] });
    expect(report.setting).toMatchObject({ through: "plugin", networks: 3, levels: [1, 3], warmUps: 1 });
    // The machine was looked at, between rounds.
    expect(report.load.looks).toBeGreaterThan(0);
    expect(report.load.others).toBeGreaterThanOrEqual(0);
    expect(report.load.others).toBeLessThanOrEqual(1);
    expect(report.setting.versions.multusd).toBe(report.setting.versions.multusctl);
    expect(report.levels.map(({ pods, subjects }) => [pods, subjects.map(({ kind }) => kind)])).toEqual([
      [1, ["multus", "cluster-network"]],
      [3, ["multus", "cluster-network"]],
    ]);
    for (const pods of [1, 3]) {
      const { add, del, shares } = ours(report, pods);
      expect(add.pod.count).toBe(6 * pods);
      expect(del?.pod.count).toBe(6 * pods);
      // The daemon's account of each pod, and all parts of a pod's time add up to it.
      expect(shares?.pods).toBe(6 * pods);
      const samples = report.samples.find((each) => each.pods === pods && each.subject === "multus-wasm");
      const adds = samples?.rounds.flatMap((round) => round.add) ?? [];
      expect(adds).toHaveLength(6 * pods);
      const dels = samples?.rounds.flatMap((round) => round.del) ?? [];
      const mean = sumOf(adds) / adds.length;
      expect(sumOf(shares?.waits.map(({ milliseconds }) => milliseconds) ?? [])).toBeCloseTo(mean, 0);
      expect(sumOf(shares?.stopWaits.map(({ milliseconds }) => milliseconds) ?? [])).toBeCloseTo(
        sumOf(dels) / dels.length,
        0,
      );
      expect(shares?.networks.map(({ network, ifName, plugins }) => [network, ifName, plugins])).toEqual([
        ["demo-bridge", "eth0", ["bridge"]],
        ["default/macvlan-a", "net1", ["macvlan"]],
        ["default/macvlan-b", "data0", ["macvlan"]],
      ]);
      for (const { pluginTime, ownTime } of shares?.networks ?? []) {
        expect(pluginTime.median).toBeGreaterThan(0);
        // A network's plugin may have run while the daemon worked on the one before.
        expect(ownTime.median).toBeGreaterThanOrEqual(0);
      }
      const alone = report.levels.find((level) => level.pods === pods)?.subjects[1];
      expect(alone?.shares).toBeUndefined();
      const differences = differencesByRound(report, pods);
      expect(differences).toHaveLength(6);
      // Of six rounds the interval has all. Samples are reported to 0.01 ms.
      expect(alone?.oursLessThis?.interval?.[0]).toBeCloseTo(differences[0] ?? Number.NaN, 1);
      expect(alone?.oursLessThis?.interval?.[1]).toBeCloseTo(differences[5] ?? Number.NaN, 1);
      expect(alone?.oursLessThis?.median).toBeCloseTo(sumOf(differences.slice(2, 4)) / 2, 1);
    }
    expect(readFileSync(file("bench.html"), "utf8")).toContain("default/macvlan-b");
    await expectNoTraces(temporary, seen);
  });

  test("pods with a device each: in every plugin of their networks, and none twice at the same time", async () => {
    const { binDir, calls } = writeRecordedPlugin();
    const plugins = [{ type: "recorded" }, { type: "recorded" }];
    scratch.write("vf.json", JSON.stringify(nad("vf", { plugins }, "example.com/vf")));
    scratch.write("plain.json", JSON.stringify(nad("plain", { type: "recorded" })));
    const ids = Array.from({ length: 6 }, (_, index) => `0000:03:00.${index}`);
    const { exitCode, stderr } = await bench(
      ...["--nad", file("vf.json"), file("plain.json"), "--networks", "vf,plain@other,vf@second"],
      ...["--devices", `vf=${ids.join(",")}`, "--pods", "3", "--rounds", "2", "--warm-up", "0"],
      ...["--bin-dir", binDir, debianPlugins, "--json", file("bench.json")],
    );
    expect(exitCode, stderr).toBe(0);
    const report = reportIn("bench.json");
    expect(ours(report, 3).shares?.networks.map(({ network, ifName }) => [network, ifName])).toEqual([
      ["demo-bridge", "eth0"],
      ["default/vf", "net1"],
      ["default/plain", "other"],
      ["default/vf", "second"],
    ]);
    const adds = calls()
      .filter(({ command }) => command === "ADD")
      .map(({ container, stdin }) => ({ container, ...(stdin as unknown as Record<string, string>) }));
    // 2 rounds of 3 pods: two networks of two plugins with a device, and one of one plugin without.
    expect(adds).toHaveLength(2 * 3 * 5);
    const withDevice = adds.filter((each) => "deviceID" in each) as unknown as {
      container: string;
      deviceID: string;
      pciBusID: string;
    }[];
    expect(withDevice).toHaveLength(2 * 3 * 4);
    for (const { deviceID, pciBusID } of withDevice) expect(pciBusID).toBe(deviceID);
    const byContainer = Map.groupBy(withDevice, ({ container }) => container);
    expect(byContainer.size).toBe(6);
    const sets = Array.from(byContainer.values(), (own) => [...new Set(own.map(({ deviceID }) => deviceID))]);
    expect(sets.map((own) => own.length)).toEqual([2, 2, 2, 2, 2, 2]);
    expect(sets.slice(0, 3).flat().sort()).toEqual(ids);
    await expectNoTraces(temporary, []);
  });

  test("a peer in the same rounds, with the networks inline", async () => {
    const { binDir } = writeRecordedPlugin();
    scratch.write(
      "bin/peer",
      `#!/bin/sh
[ "$1" = --version ] && { echo 'other 1.2'; exit; }
cat > ${file("peer-stdin")}
[ "$CNI_COMMAND" = ADD ] && echo '{"cniVersion":"1.0.0"}'
exit 0
`,
    );
    chmodSync(file("bin/peer"), 0o755);
    scratch.write("peer.json", JSON.stringify({ logLevel: "debug" }));
    scratch.write("one.json", JSON.stringify(nad("one", { type: "recorded" })));
    const { exitCode, stderr } = await bench(
      ...["--nad", file("one.json"), "--bin-dir", binDir, debianPlugins, "--json", file("bench.json")],
      ...["--peer", `other=${file("bin/peer")},${file("peer.json")}`],
      ...["--pods", "1", "--rounds", "6", "--warm-up", "0"],
    );
    expect(exitCode, stderr).toBe(0);
    const { levels, setting } = reportIn("bench.json");
    const [level] = levels;
    expect(setting.versions.other).toBe("other 1.2");
    expect(level?.subjects.map(({ subject, kind }) => [subject, kind])).toEqual([
      ["multus-wasm", "multus"],
      ["other", "peer"],
    ]);
    expect(level?.subjects[1]?.oursLessThis?.interval).toHaveLength(2);
    const netconf = JSON.parse(readFileSync(file("peer-stdin"), "utf8"));
    expect(netconf).toMatchObject({ type: "multus", logLevel: "debug" });
    expect(netconf.delegates.map(({ name }: { name: string }) => name)).toEqual(["demo-bridge", "one"]);
  });

  test("delegates in the host's network: it is as before afterwards", async () => {
    const { binDir, calls } = writeRecordedPlugin();
    await using host = await Namespace.create("host");
    const before = await host.ip("link");
    scratch.write("vf.json", JSON.stringify(nad("vf", { type: "recorded" }, "example.com/vf")));
    const options = ["--host-network", "--nad", file("vf.json"), "--devices", "vf=a,b"];
    const running = start(
      [...options, "--pods", "2", "--rounds", "2", "--warm-up", "0", "--bin-dir", binDir, debianPlugins],
      (command) => host.enter(...command),
    );
    const { exitCode, stdout, stderr } = await running.end();
    expect(exitCode, stderr).toBe(0);
    expect(stdout).toMatch(/multusctl-bench +eth0 +ptp/);
    expect(calls().filter(({ command }) => command === "DEL")).toHaveLength(4);
    expect(await host.ip("link")).toEqual(before);
    await expectNoTraces(temporary, []);
  });

  test("through a daemon that runs, of whose cache nothing is left", async () => {
    const [socketDir, cniDir, nadDir] = [file("run"), file("cache"), file("nads")];
    const { binDir } = writeRecordedPlugin();
    scratch.write("nads/one.json", JSON.stringify(nad("one", { type: "recorded" })));
    await using daemon = new Daemon(scratch.path, { socketDir, cniDir, nadDir });
    await daemon.start();
    const { exitCode, stderr } = await bench(
      ...["--socket-dir", socketDir, "--cni-dir", cniDir, "--networks", "one", "--pods", "2"],
      ...["--rounds", "2", "--bin-dir", binDir, debianPlugins, "--json", file("bench.json")],
    );
    expect(exitCode, stderr).toBe(0);
    const { shares } = ours(reportIn("bench.json"), 2);
    expect(shares?.networks.map(({ network }) => network)).toEqual(["demo-bridge", "default/one"]);
    const left = readdirSync(cniDir, { recursive: true, withFileTypes: true }).filter((each) =>
      each.isFile(),
    );
    expect(left).toEqual([]);
    await daemon.stop();
  });
});

describe("interrupted", () => {
  test("by Ctrl-C after some rounds: it reports these, marked, and leaves nothing", async () => {
    const { binDir, calls } = writeRecordedPlugin();
    scratch.write("recorded.json", JSON.stringify(nad("recorded", { type: "recorded" })));
    const options = ["--pods", "1,2", "--rounds", "40", "--warm-up", "0"];
    const networks = ["--nad", file("recorded.json"), "--bin-dir", binDir, debianPlugins];
    const running = start([
      ...[...options, ...networks, "--json", file("bench.json"), "--report", file("bench.html")],
    ]);
    const adds = () => calls().filter(({ command }) => command === "ADD").length;
    await until("the fourth round", () => adds() > 3 * (1 + 2));
    expect(running.stderr).toMatch(/^\[\.{20}\] {3}0 %: round 1, 1 pod at once through multus-wasm$/m);
    seen = scratchNames(temporary);
    expect(seen).toHaveLength(1);
    running.process.kill("SIGINT");
    const { exitCode, stdout, stderr } = await running.end();
    expect(exitCode).toBe(130);
    expect(stderr).toContain("stopping pods and removing everything");
    const report = reportIn("bench.json");
    expect(report).toMatchObject({ state: "interrupted", reason: "interrupted by SIGINT", left: [] });
    expect(report.rounds).toBeGreaterThanOrEqual(3);
    expect(report.rounds).toBeLessThan(40);
    expect(ours(report, 2).add.pod.count).toBe(2 * report.rounds);
    expect(stdout).toContain(`Interrupted: ${report.rounds} of 40 rounds are measured.`);
    expect(readFileSync(file("bench.html"), "utf8")).toContain(
      `Interrupted: ${report.rounds} of 40 rounds are measured.`,
    );
    await expectNoTraces(temporary, seen);
  });

  test("by a network that begins to fail: it reports the complete rounds, and why it ended", async () => {
    scratch.write(
      "bin/failing",
      `#!/bin/sh
[ "$CNI_COMMAND" = ADD ] || exit 0
echo >> ${file("adds")}
[ $(wc -l < ${file("adds")}) -le 4 ] && { echo '{"cniVersion":"1.0.0"}'; exit; }
echo '{"cniVersion":"1.0.0","code":999,"msg":"no VF is free"}'
exit 1
`,
    );
    chmodSync(file("bin/failing"), 0o755);
    scratch.write("failing.json", JSON.stringify(nad("failing", { type: "failing" })));
    const { exitCode, stdout } = await bench(
      ...["--nad", file("failing.json"), "--bin-dir", file("bin"), debianPlugins, "--pods", "2"],
      ...["--rounds", "5", "--warm-up", "0", "--json", file("bench.json")],
    );
    expect(exitCode).toBe(1);
    const report = reportIn("bench.json");
    expect(report).toMatchObject({ state: "failed", rounds: 2, left: [] });
    expect(report.reason).toMatch(/ADD of pod \d failed with CNI error 999: .*no VF is free/);
    expect(stdout).toContain("Failed: 2 of 5 rounds are measured.");
    await expectNoTraces(temporary, []);
  });

  test("while a delegate hangs: it ends the delegate, and writes no report of nothing", async () => {
    const clusterNetwork = writeSlowPlugin();
    const running = start([
      ...["--cluster-network", clusterNetwork, "--bin-dir", file("bin"), "--pods", "2"],
      ...["--report", file("bench.html")],
    ]);
    await until("the delegate's start", () => existsSync(file("started")));
    seen = scratchNames(temporary);
    running.process.kill("SIGINT");
    const { exitCode, stderr } = await running.end();
    expect(exitCode).toBe(130);
    expect(stderr).toContain("interrupted before anything was measured; everything is removed");
    expect(existsSync(file("bench.html"))).toBe(false);
    await expectNoTraces(temporary, seen);
  });

  test("killed: the next call removes what is left, and nothing of one that runs", async () => {
    const clusterNetwork = writeSlowPlugin();
    const hanging = ["--cluster-network", clusterNetwork, "--bin-dir", file("bin"), "--pods", "1"];
    const living = start(hanging);
    await until("the delegate's start", () => existsSync(file("started")));
    const [own = ""] = scratchNames(temporary);
    const killed = start(["--pods", "2", "--rounds", "1000", "--warm-up", "0"]);
    await until("a round", () => killed.stderr.includes("round 1"));
    seen = scratchNames(temporary).filter((name) => name !== own);
    expect(seen).toHaveLength(1);
    killed.process.kill("SIGKILL");
    await killed.end();
    expect(scratchNames(temporary).sort()).toEqual([own, ...seen].sort());

    const cleaned = await bench("--clean-up");
    expect(cleaned.exitCode, cleaned.stderr).toBe(0);
    expect(cleaned.stderr).toContain(
      `removing what a killed multusctl has left: ${join(temporary, seen[0] ?? "")}`,
    );
    expect(scratchNames(temporary)).toEqual([own]);
    expect(living.process.exitCode).toBe(null);
    living.process.kill("SIGINT");
    expect((await living.end()).exitCode).toBe(130);
    await expectNoTraces(temporary, [own, ...seen]);
  });
});

describe("refuses", () => {
  test("a plugin that fails: with pod, plugin and advice, and leaves nothing", async () => {
    scratch.write("absent.json", JSON.stringify(nad("absent", { type: "no-such-plugin" })));
    const { exitCode, stderr } = await bench("--nad", file("absent.json"), "--pods", "2");
    expect(exitCode).toBe(1);
    expect(stderr).toMatch(/^! ADD of pod \d failed with CNI error \d+: .*no-such-plugin/m);
    expect(stderr).toContain("--bin-dir");
    await expectNoTraces(temporary, []);
  });

  test("a cluster network that is none", async () => {
    const clusterNetwork = scratch.write("10-broken.conf", '{"cniVersion":"1.0.0","name":"broken"}');
    const { exitCode, stderr } = await bench("--cluster-network", clusterNetwork, "--without-multus");
    expect(exitCode).toBe(1);
    expect(stderr).toMatch(/^! .*10-broken\.conf: must have a type/m);
    await expectNoTraces(temporary, []);
  });

  test("a NAD that there is not", async () => {
    const { exitCode, stderr } = await bench("--networks", "nowhere");
    expect(exitCode).toBe(1);
    expect(stderr).toMatch(/ADD of pod 0 failed with CNI error \d+: .*default\/nowhere/);
    await expectNoTraces(temporary, []);
  });

  test("a user who is not root, but for a dry run", async () => {
    const asNobody = (command: readonly string[]) => ["unshare", "--user", ...command];
    const refused = await start(["--pods", "1"], asNobody).end();
    expect(refused.exitCode).toBe(1);
    expect(refused.stderr).toContain("! pods and network namespaces need root\n  run it with sudo");
    const dry = await start(["--dry-run"], asNobody).end();
    expect(dry.exitCode, dry.stderr).toBe(0);
    await expectNoTraces(temporary, []);
  });

  test("too few devices, before anything is started", async () => {
    scratch.write("vf.json", JSON.stringify(nad("vf", { type: "recorded" }, "example.com/vf")));
    const { exitCode, stderr } = await bench("--nad", file("vf.json"), "--devices", "vf=a,b", "--pods", "3");
    expect(exitCode).toBe(1);
    expect(stderr).toContain("--devices vf: 3 pods at once need 3 devices, and 2 are named");
    await expectNoTraces(temporary, []);
  });
});

test("--dry-run says what it would do, and changes nothing", async () => {
  scratch.write("one.json", JSON.stringify(nad("one", { type: "recorded" })));
  const { exitCode, stdout, stderr } = await bench(
    ...["--dry-run", "--nad", file("one.json"), "--pods", "1,4", "--rounds", "5", "--warm-up", "1"],
    ...["--peer", `other=${shim}`, "--without-multus", "--report", file("bench.html")],
  );
  expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: "" });
  expect(stdout).toContain("networks: the cluster network, and one\n");
  expect(stdout).toContain(`compared: multus-wasm, other (${shim}), the cluster network's plugins alone\n`);
  expect(stdout).toContain("in all: 90 pods started and stopped, within 30 min\n");
  expect(readdirSync(temporary)).toEqual([]);
  expect(existsSync(file("bench.html"))).toBe(false);
});
