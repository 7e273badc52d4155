/** docs/by-hand.md as somebody goes through it on a node with containerd, and what docs/bench-node.md measures through the runtime of such a node: commands and files as they are written, at the places that the pages name. */

import { type ChildProcess, spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { copyFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { BenchReport } from "../../src/ctl/bench/report.ts";
import { removeCgroups } from "../support/cgroups.ts";
import { HostPlaces } from "../support/cluster/host-places.ts";
import { runCommand, runOrThrow } from "../support/command.ts";
import { Containerd } from "../support/containerd.ts";
import { multusctl } from "../support/multusctl.ts";
import { Namespace } from "../support/namespace.ts";
import { ScratchDirectory } from "../support/scratch-directory.ts";
import { mountsBelow, session, sessionVariable, uniqueName } from "../support/session.ts";
import { debianPlugins } from "../support/test-node.ts";
import { until } from "../support/until.ts";
import { readPage, shellCommands } from "../unit/docs/markdown.ts";

/** Directories that the page names: the commands, the daemon and containerd see the test's own there. */
const placeNames = [
  "/etc/cni/net.d",
  "/etc/multus",
  "/opt/cni/bin",
  "/opt/multus",
  "/run/multus",
  "/var/lib/cni",
];

/** The cluster network that such a node has had until now. */
const clusterNetwork = {
  cniVersion: "1.0.0",
  name: "containerd-net",
  plugins: [
    {
      type: "bridge",
      bridge: "cni0",
      isGateway: true,
      ipam: { type: "host-local", ranges: [[{ subnet: "10.88.0.0/16" }]] },
    },
  ],
};

const page = readPage("docs/by-hand.md");
const { blocks } = page;
const commands = shellCommands(page)
  .filter(({ section }) => section === "Setting up a node by hand")
  .map(({ text }) => text);
const [daemonCommand = ""] = commands.filter((line) => /^node .* --config /.test(line));
const environment = {
  ...process.env,
  PATH: `${dirname(process.execPath)}:${process.env.PATH}`,
  [sessionVariable]: session,
};

const scratch = new ScratchDirectory("by-hand");
const places = Object.fromEntries(
  placeNames.map((place) => [place, join(scratch.path, place.slice(1).replaceAll("/", "-"))]),
);
const resources = new AsyncDisposableStack();
let network: Namespace;
let through: readonly string[];
let containerd: Containerd;
let daemon: ChildProcess;

const own = (path: string) => {
  const place = placeNames.find((each) => path.startsWith(`${each}/`));
  if (place === undefined) throw new Error(`${path} is at no place of this test`);
  return join(places[place] ?? "", path.slice(place.length));
};

/** A file of the page: the block of its language that has this in it. */
function fileOf(language: string, part: string): string {
  const found = blocks.filter((block) => block.language === language && block.text.includes(part));
  expect(found, `one block of ${language} with ${part}`).toHaveLength(1);
  return found[0]?.text ?? "";
}

const run = (command: string) => runOrThrow([...through, "sh", "-e", "-c", command], { env: environment });

beforeAll(async () => {
  resources.use(scratch);
  resources.defer(async () => {
    for (const point of mountsBelow(scratch.path)) await runCommand(["umount", "--lazy", point]);
  });
  network = resources.use(await Namespace.create("node"));
  await network.ip("link", "add", "eth1", "type", "veth", "peer", "name", "wire1");
  for (const name of ["eth1", "wire1"]) await network.ip("link", "set", name, "up");
  const criDirectory = join(scratch.path, "cri");
  mkdirSync(criDirectory);
  through = resources.use(new HostPlaces(places, [criDirectory])).through;
  for (const name of ["loopback", "bridge", "macvlan", "host-local"]) {
    copyFileSync(join(debianPlugins, name), own(`/opt/cni/bin/${name}`));
  }
  writeFileSync(own("/etc/cni/net.d/10-containerd-net.conflist"), JSON.stringify(clusterNetwork));
});

afterAll(async () => {
  await resources.disposeAsync();
});

test("its files are put in place, and are valid", async () => {
  // The build is there already: the suite needs it.
  for (const command of commands.filter((line) => line.startsWith("install "))) await run(command);
  for (const path of ["/opt/cni/bin/multus", "/opt/multus/multusd.mjs", "/opt/multus/multus.wasm"]) {
    expect(existsSync(own(path)), path).toBe(true);
  }
  writeFileSync(own("/etc/multus/daemon.json"), fileOf("json", "nadDir"));
  writeFileSync(own("/etc/cni/net.d/00-multus.conf"), fileOf("json", "clusterNetwork"));
  writeFileSync(own("/etc/multus/nads/storage.yaml"), fileOf("yaml", "NetworkAttachmentDefinition"));
  const [validate = ""] = commands.filter((line) => line.includes("multusctl.mjs validate"));
  const printed = await run(validate);
  for (const path of validate.split(" ").filter((word) => word.startsWith("/"))) {
    expect(printed).toContain(`${path}: ok`);
  }
});

test("the daemon starts, and a pod with the annotation gets eth0 and net1; all goes with it", async () => {
  const [command = "", ...args] = network.enter(...through, "sh", "-c", `exec ${daemonCommand}`);
  daemon = spawn(command, args, { env: environment, stdio: "ignore" });
  const ended = once(daemon, "exit");
  resources.defer(async () => {
    daemon.kill("SIGTERM");
    await ended;
  });
  await until("the daemon's socket", () => existsSync(own("/run/multus/multus.sock")));
  containerd = resources.use(
    await Containerd.start(join(scratch.path, "cri"), network, "/opt/cni/bin", "/etc/cni/net.d", {
      through,
      ownRun: true,
    }),
  );
  const id = await containerd.runPodSandbox({
    metadata: { name: "web", uid: randomUUID(), namespace: "default" },
    annotations: { "k8s.v1.cni.cncf.io/networks": "storage" },
  });
  const { pid } = await containerd.podSandboxStatus(id);
  const links: { readonly ifname: string }[] = JSON.parse(
    await runOrThrow(["nsenter", `--net=/proc/${pid}/ns/net`, "--", "ip", "-j", "link", "show"]),
  );
  expect(links.map(({ ifname }) => ifname)).toEqual(["lo", "eth0", "net1"]);
  const listed = await run("node build/multusctl.mjs ls");
  expect(listed).toMatch(/eth0/);
  expect(listed).toMatch(/net1/);
  const left = [`/var/lib/cni/multus/${id}`, "/var/lib/cni/networks/storage/192.168.7.2"];
  expect(left.map((path) => existsSync(own(path)))).toEqual([true, true]);
  await containerd.stopPodSandbox(id);
  await containerd.removePodSandbox(id);
  expect(left.map((path) => existsSync(own(path)))).toEqual([false, false]);
});

test("a benchmark through the runtime measures the page's network on this node, and leaves nothing", async () => {
  const [command, ...more] = shellCommands(readPage("docs/bench-node.md")).filter(
    ({ section }) => section === "Through the runtime",
  );
  expect(more).toEqual([]);
  const directory = join(scratch.path, "measured");
  const program = `#!/bin/sh\nexec ${process.execPath} ${multusctl} "$@"\n`;
  mkdirSync(directory);
  writeFileSync(join(scratch.path, "multusctl"), program, { mode: 0o755 });
  // The runtime's socket is where the page expects it. The numbers are of no interest here: two rounds will do.
  const withRuntime = resources.use(
    new HostPlaces({ ...places, "/run/containerd": dirname(containerd.socket) }, []),
  );
  const cgroup = uniqueName("bench");
  resources.defer(() => removeCgroups((name) => name === cgroup));
  const fewer = `--rounds 2 --warm-up 0 --cgroup-parent /${cgroup} --json report.json`;
  await runOrThrow([...withRuntime.through, "sh", "-e", "-c", `cd ${directory}\n${command?.text} ${fewer}`], {
    env: { ...environment, PATH: `${scratch.path}:${environment.PATH}` },
    timeoutMs: 300_000,
  });
  const report: BenchReport = JSON.parse(readFileSync(join(directory, "report.json"), "utf8"));
  expect(report).toMatchObject({ state: "complete", rounds: 2, left: [] });
  expect(report.levels.map(({ pods }) => pods)).toEqual([1, 4, 16]);
  for (const { pods, subjects } of report.levels) {
    const shares = subjects[0]?.shares;
    expect(shares?.pods).toBe(2 * pods);
    expect(shares?.networks.map(({ network, ifName }) => [network, ifName])).toEqual([
      ["containerd-net", "eth0"],
      ["default/storage", "net1"],
      ["default/storage", "data1"],
    ]);
  }
  expect(readFileSync(join(directory, "report.html"), "utf8")).toContain("<svg");
  expect(await containerd.listPodSandboxes()).toEqual([]);
});
