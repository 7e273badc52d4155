/** `multusctl try` shows what the whole path does, and leaves nothing, whatever becomes of it. */

import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { TrialReport } from "../../src/ctl/try/report.ts";
import { runOrThrow } from "../support/command.ts";
import { Daemon } from "../support/daemon.ts";
import { expectNoTraces as expectNoTracesOf, RunningMultusctl, scratchNames } from "../support/multusctl.ts";
import { referencePluginPath } from "../support/reference-plugins.ts";
import { ScratchDirectory } from "../support/scratch-directory.ts";
import { markedProcesses } from "../support/session.ts";
import { debianPlugins } from "../support/test-node.ts";
import { until } from "../support/until.ts";

let scratch: ScratchDirectory;
/** multusctl's temporary directory: what it leaves on disk is here. */
let temporary: string;

beforeEach(() => {
  scratch = new ScratchDirectory("try");
  temporary = join(scratch.path, "tmp");
  mkdirSync(temporary);
});

afterEach(() => scratch[Symbol.dispose]());

const start = (args: readonly string[]) => new RunningMultusctl(args, { temporary });
const run = (...args: string[]) => start(args).end();

/** Looks itself, and does not take multusctl's word for it. */
async function expectNothingLeft(output: string): Promise<void> {
  expect(output).toContain("Nothing is left: no link, namespace, process or file.");
  await expectNoTraces();
}

const expectNoTraces = () => expectNoTracesOf(temporary, seenScratchNames);

/** Names of scratch directories, which are those of the namespaces too, as they were seen while multusctl ran. */
let seenScratchNames: string[] = [];
const noteScratchNames = () => {
  seenScratchNames = scratchNames(temporary);
};

/** A plugin that says when it was started, in a file, and then does nothing for long. */
function writeSlowPlugin(): { binDir: string; started: string; clusterNetwork: string } {
  const binDir = join(scratch.path, "bin");
  const started = join(scratch.path, "started");
  const clusterNetwork = join(scratch.path, "10-slow.conf");
  mkdirSync(binDir);
  writeFileSync(join(binDir, "slow"), `#!/bin/sh\necho $$ > ${started}\nexec sleep 300\n`, { mode: 0o755 });
  writeFileSync(clusterNetwork, JSON.stringify({ cniVersion: "1.0.0", name: "slow", type: "slow" }));
  return { binDir, started, clusterNetwork };
}

const nad = (name: string, config: object) => ({
  apiVersion: "k8s.cni.cncf.io/v1",
  kind: "NetworkAttachmentDefinition",
  metadata: { name },
  spec: { config: JSON.stringify({ cniVersion: "1.0.0", ...config }) },
});

const macvlan = (subnet: string) => ({
  type: "macvlan",
  master: "uplink9",
  ipam: { type: "host-local", subnet },
});

describe("without options", () => {
  it("shows three interfaces, CHECK and DEL, and leaves nothing", async () => {
    const { exitCode, stdout, stderr } = await run("try");
    expect(stderr).toBe("");
    expect(exitCode).toBe(0);
    expect(stdout).toMatch(/^INTERFACE +ADDRESSES +MAC +NETWORK +MS$/m);
    expect(stdout).toMatch(/^eth0 +10\.88\.0\.\d+\/16 +[0-9a-f:]{17} +demo-bridge +\d+\.\d+$/m);
    expect(stdout).toMatch(/^net1 +192\.168\.11\.\d+\/24 +[0-9a-f:]{17} +default\/macvlan-a +\d+\.\d+$/m);
    expect(stdout).toMatch(/^data0 +192\.168\.12\.\d+\/24 +[0-9a-f:]{17} +default\/macvlan-b +\d+\.\d+$/m);
    for (const command of ["ADD", "CHECK", "DEL"]) {
      expect(stdout).toMatch(new RegExp(`^${command} +ok +\\d+\\.\\d+ ms through multus$`, "m"));
    }
    await expectNothingLeft(stdout);
  });

  it("prints the same as one JSON object, over several runs", async () => {
    const { exitCode, stdout } = await run("try", "--json", "--repeat", "3");
    const report = JSON.parse(stdout) as TrialReport;
    expect(exitCode).toBe(0);
    expect(report).toMatchObject({ ok: true, error: "", left: [] });
    expect(report.interfaces.map(({ ifName }) => ifName)).toEqual(["eth0", "net1", "data0"]);
    expect(report.commands.map(({ command, runs }) => [command, runs])).toEqual([
      ["ADD", 3],
      ["CHECK", 3],
      ["DEL", 3],
    ]);
    const networks = report.interfaces.reduce(
      (sum, { milliseconds }) => sum + (milliseconds ?? Number.NaN),
      0,
    );
    expect(networks).toBeGreaterThan(0);
    await expectNoTraces();
  });
});

describe("with --native", () => {
  it("attaches natively from the second pod of the node on, and says why a network's plugins are run", async () => {
    const file = join(scratch.path, "networks.json");
    writeFileSync(file, JSON.stringify(nad("one", macvlan("10.1.0.0/24"))));
    const binDirs = (await referencePluginPath()).split(":");
    const { exitCode, stdout, stderr } = await run(
      ...["try", "--native", "--nad", file, "--repeat", "2", "--bin-dir", ...binDirs],
    );
    expect(exitCode, stderr).toBe(0);
    expect(stdout).toMatch(/^eth0 .* natively$/m);
    expect(stdout).toMatch(/^net1 .* natively$/m);
    await expectNothingLeft(stdout);
    const chain = { plugins: [macvlan("10.3.0.0/24"), { type: "tuning" }, { type: "tuning" }] };
    writeFileSync(file, JSON.stringify(nad("chain", chain)));
    const executed = await run("try", "--native", "--nad", file, "--repeat", "2");
    expect(executed.stdout).toMatch(/^eth0 .* by its plugins$/m);
    expect(executed.stdout).toMatch(/^net1 .* by its plugins: a chain of 3 plugins$/m);
    expect(executed.stdout).toContain("The daemon's log says which, at level verbose.");
    await expectNothingLeft(executed.stdout);
  });
});

describe("the user's networks", () => {
  it("attaches all of --nad, on a master that is made for them", async () => {
    const file = join(scratch.path, "networks.json");
    const items = [nad("one", macvlan("10.1.0.0/24")), nad("two", macvlan("10.2.0.0/24"))];
    writeFileSync(file, JSON.stringify({ apiVersion: "v1", kind: "List", items }));
    const { exitCode, stdout } = await run("try", "--json", "--nad", file);
    const report = JSON.parse(stdout) as TrialReport;
    expect(report.error).toBe("");
    expect(exitCode).toBe(0);
    expect(report.interfaces.map(({ network }) => network)).toEqual([
      "demo-bridge",
      "default/one",
      "default/two",
    ]);
    await expectNoTraces();
  });

  it("attaches the network of the first example, whose file has a pod as well", async () => {
    const file = join(import.meta.dirname, "..", "..", "docs", "examples", "macvlan.yaml");
    const { exitCode, stdout } = await run("try", "--json", "--nad", file);
    const report = JSON.parse(stdout) as TrialReport;
    expect(report.error).toBe("");
    expect(exitCode).toBe(0);
    expect(report.interfaces.map(({ network }) => network)).toEqual(["demo-bridge", "default/storage"]);
  });

  it("takes the networks alone of a file with other objects, and names the plugins that ran", async () => {
    const file = join(scratch.path, "all.yaml");
    const others = [
      {
        apiVersion: "v1",
        kind: "ConfigMap",
        metadata: { name: "a" },
        data: { config: '{"master":"db.example:5432"}' },
      },
      {
        apiVersion: "apps/v1",
        kind: "Deployment",
        metadata: { name: "b" },
        spec: { master: "of-many-replicas" },
      },
      { master: "a text of some other program", metadata: { name: "c" } },
    ];
    const documents = [others[0], nad("one", macvlan("10.1.0.0/24")), ...others.slice(1)];
    writeFileSync(file, documents.map((document) => JSON.stringify(document)).join("\n---\n"));
    const { exitCode, stdout, stderr } = await run("try", "--nad", file);
    expect(stderr).toBe("");
    expect(exitCode).toBe(0);
    expect(stdout).toMatch(/^net1 +10\.1\.0\.\d+\/24 .* default\/one +\d/m);
    const ran = ["bridge", "host-local", "macvlan"].map((plugin) => join(debianPlugins, plugin));
    expect(stdout).toContain(`Plugins that ran: ${ran.join(", ")}\n`);
    await expectNothingLeft(stdout);
  });

  it("fails where a plugin answers success and its interface is not there", async () => {
    const binDir = join(scratch.path, "bin");
    mkdirSync(binDir);
    const answer = '{"cniVersion":"1.0.0","interfaces":[{"name":"net1","sandbox":"/run/netns/x"}],"ips":[]}';
    writeFileSync(join(binDir, "idle"), `#!/bin/sh\ncat > /dev/null\necho '${answer}'\n`, { mode: 0o755 });
    const file = join(scratch.path, "idle.json");
    writeFileSync(file, JSON.stringify(nad("idle", { type: "idle" })));
    const { exitCode, stdout, stderr } = await run("try", "--nad", file, "--bin-dir", binDir, debianPlugins);
    expect(exitCode).toBe(1);
    expect(stderr).toContain("! ADD succeeded, and the pod has no interface net1 (network default/idle)\n");
    expect(stdout).toContain(join(binDir, "idle"));
    await expectNothingLeft(stdout);
  });

  it("says how to try a network that wants a device, whatever kubelet the machine has", async () => {
    const { metadata, ...rest } = nad("vf", macvlan("10.1.0.0/24"));
    const annotations = { "k8s.v1.cni.cncf.io/resourceName": "intel.com/sriov" };
    const file = scratch.write(
      "vf.json",
      JSON.stringify({ ...rest, metadata: { ...metadata, annotations } }),
    );
    const { exitCode, stdout, stderr } = await run("try", "--nad", file);
    expect(exitCode).toBe(1);
    const said = stdout + stderr;
    expect(said).toContain("the devices of pod default/");
    expect(said).toContain("no kubelet knows the pod of a try");
    expect(readdirSync(temporary)).toEqual([]);
  });

  it("says that a file has no network", async () => {
    const file = join(scratch.path, "pod.json");
    writeFileSync(file, JSON.stringify({ apiVersion: "v1", kind: "Pod", metadata: { name: "web" } }));
    const { exitCode, stderr } = await run("try", "--nad", file);
    expect(stderr).toContain(`! no NetworkAttachmentDefinition in ${file}\n`);
    expect(exitCode).toBe(1);
    await expectNoTraces();
  });

  it("takes a selection in JSON form", async () => {
    const file = join(scratch.path, "one.yaml");
    writeFileSync(file, JSON.stringify(nad("one", macvlan("10.1.0.0/24"))));
    const networks = JSON.stringify([{ name: "one", interface: "storage" }]);
    const { stdout } = await run("try", "--json", "--nad", file, "--networks", networks);
    const report = JSON.parse(stdout) as TrialReport;
    expect(report.error).toBe("");
    expect(report.interfaces.map(({ ifName }) => ifName)).toEqual(["eth0", "storage"]);
  });

  it("says what is wrong and what to do, and leaves nothing", async () => {
    const file = join(scratch.path, "absent.json");
    writeFileSync(file, JSON.stringify(nad("absent", { type: "no-such-plugin" })));
    const { exitCode, stdout, stderr } = await run("try", "--nad", file);
    expect(exitCode).toBe(1);
    expect(stderr).toMatch(/^! ADD failed with CNI error \d+: .*no-such-plugin/m);
    expect(stderr).toContain("--bin-dir");
    await expectNothingLeft(stdout);
  });

  it.each([
    [
      "--nad",
      "json.yaml",
      'spec:\n  config: |\n    {\n      "type": "macvlan"\n      "mode": "x"\n    }\n',
      "8:7",
    ],
    ["--nad", "type.yaml", 'spec:\n  config: \'{"cniVersion": "1.0.0", "type": 5}\'\n', "5:44"],
    ["--nad", "quote.yaml", 'spec:\n  config: \'{"type": "macvlan"}\n', "6:1"],
    ["--cluster-network", "10-json.conf", '{"cniVersion": "1.0.0",\n "name": "a" "type": "bridge"}', "2:14"],
    ["--cluster-network", "10-type.conf", '{"cniVersion": "1.0.0",\n "name": "a", "type": 7}', "2:23"],
  ])("names the place of an error as validate does: %s %s", async (option, name, text, place) => {
    const head =
      "apiVersion: k8s.cni.cncf.io/v1\nkind: NetworkAttachmentDefinition\nmetadata: {name: storage}\n";
    const file = scratch.write(name, option === "--nad" ? head + text : text);
    const { exitCode, stdout, stderr } = await run("try", option, file);
    expect(exitCode).toBe(1);
    const validated = await run("validate", file);
    const [error] = validated.stdout.split("\n");
    expect(error).toMatch(new RegExp(`^${file}:${place}: error: `));
    expect(stderr).toBe(`! ${error}\n  multusctl validate ${file} checks it alone\n`);
    await expectNothingLeft(stdout);
  });

  it("says so where a file is not there", async () => {
    const { exitCode, stdout, stderr } = await run("try", "--nad", join(scratch.path, "none.yaml"));
    expect(exitCode).toBe(1);
    expect(stderr).toContain("none.yaml does not exist");
    await expectNothingLeft(stdout);
  });
});

describe("interrupted", () => {
  it("stands with --keep until Ctrl-C, then goes on to CHECK and DEL", async () => {
    const trial = start(["try", "--keep"]);
    await until("standing", () => trial.stdout.includes("It stands until Ctrl-C"));
    noteScratchNames();
    const [name = ""] = seenScratchNames;
    const links = await runOrThrow(["ip", "-n", `${name}-pod`, "-br", "link"]);
    expect(links).toMatch(/^eth0/m);
    expect(links).toMatch(/^data0/m);
    trial.process.kill("SIGINT");
    const { exitCode, stdout, stderr } = await trial.end();
    expect(stderr).toBe("");
    expect(exitCode).toBe(0);
    expect(stdout).toMatch(/^DEL +ok/m);
    await expectNothingLeft(stdout);
  });

  it("ends a delegate that is running", async () => {
    const { binDir, started, clusterNetwork } = writeSlowPlugin();
    const trial = start(["try", "--cluster-network", clusterNetwork, "--bin-dir", binDir]);
    await until("the delegate's start", () => existsSync(started) && readFileSync(started, "utf8") !== "");
    noteScratchNames();
    const pid = readFileSync(started, "utf8").trim();
    trial.process.kill("SIGINT");
    const { exitCode, stdout, stderr } = await trial.end();
    expect(exitCode).toBe(130);
    expect(stderr).toContain("interrupted by SIGINT");
    // Killed before multusctl ends; it is init that takes it out of the process table.
    await until("the delegate's end", () => !existsSync(`/proc/${pid}`));
    await expectNothingLeft(stdout);
  });

  it("survives the end of the daemon in the middle of an ADD", async () => {
    const { binDir, started, clusterNetwork } = writeSlowPlugin();
    const trial = start(["try", "--cluster-network", clusterNetwork, "--bin-dir", binDir]);
    await until("the delegate's start", () => existsSync(started) && readFileSync(started, "utf8") !== "");
    noteScratchNames();
    const daemon = markedProcesses().find(
      ({ command }) => command.includes("multusd.mjs") && command.includes(temporary),
    );
    process.kill(daemon?.pid ?? Number.NaN, "SIGKILL");
    const { exitCode, stdout, stderr } = await trial.end();
    expect(exitCode).toBe(1);
    expect(stderr).toMatch(/^! ADD failed with CNI error 11:/m);
    await expectNothingLeft(stdout);
  });
});

describe("with a daemon that is running", () => {
  it("uses it, and leaves nothing in its cache", async () => {
    const socketDir = join(scratch.path, "run");
    const cniDir = join(scratch.path, "cache");
    const nadDir = join(scratch.path, "nads");
    mkdirSync(nadDir);
    writeFileSync(join(nadDir, "one.json"), JSON.stringify(nad("one", macvlan("10.1.0.0/24"))));
    await using daemon = new Daemon(scratch.path, { socketDir, cniDir, nadDir });
    await daemon.start();
    const clusterNetwork = join(scratch.path, "10-cluster.conf");
    const ipam = { type: "host-local", subnet: "10.3.0.0/24" };
    const cluster = { cniVersion: "1.0.0", name: "cluster", type: "bridge", ipam };
    writeFileSync(clusterNetwork, JSON.stringify(cluster));
    const { stdout } = await run(
      ...["try", "--json", "--socket-dir", socketDir, "--cni-dir", cniDir],
      ...["--cluster-network", clusterNetwork, "--networks", "one", "--bin-dir", debianPlugins],
      ...["--master", "uplink9"],
    );
    const report = JSON.parse(stdout) as TrialReport;
    expect(report.error).toBe("");
    expect(report.interfaces.map(({ ifName, network }) => [ifName, network])).toEqual([
      ["eth0", "cluster"],
      ["net1", "default/one"],
    ]);
    for (const { milliseconds } of report.interfaces) expect(milliseconds).toBeGreaterThan(0);
    const files = readdirSync(cniDir, { recursive: true, withFileTypes: true }).filter((each) =>
      each.isFile(),
    );
    expect(files).toEqual([]);
    await daemon.stop();
  });

  it("says that none listens", async () => {
    const { exitCode, stdout, stderr } = await run("try", "--socket-dir", join(scratch.path, "nobody"));
    expect(exitCode).toBe(1);
    expect(stderr).toContain("multusd cannot be reached");
    expect(stderr).toContain("does the daemon run");
    expect(stdout).toContain("Nothing is left");
  });
});
