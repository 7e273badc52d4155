/** docs/on-demand.md as somebody goes through it on a node with containerd's cluster network, and the doctor of docs/operations.md there: commands and files as they are written, at the places that the pages name. */

import { copyFileSync, existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { buildExecutable } from "../../tools/build/executable.mjs";
import { HostPlaces } from "../support/cluster/host-places.ts";
import { runCommand, runOrThrow } from "../support/command.ts";
import { KnownPod } from "../support/known-pod.ts";
import { Namespace } from "../support/namespace.ts";
import { nadsPath, PretendedApiServer } from "../support/pretended-api-server.ts";
import { ScratchDirectory } from "../support/scratch-directory.ts";
import { markedProcesses, session } from "../support/session.ts";
import { debianPlugins, shim } from "../support/test-node.ts";
import { until } from "../support/until.ts";
import { readPage, shellCommands } from "../unit/docs/markdown.ts";

/** Directories that the pages name: commands, plugin and daemon see the test's own there. */
const placeNames = [
  "/etc/cni/net.d",
  "/etc/containerd",
  "/etc/multus",
  "/opt/cni/bin",
  "/opt/multus",
  "/run/multus",
  "/var/lib/cni",
  "/var/log",
];

const page = readPage("docs/on-demand.md");
const scratch = new ScratchDirectory("on-demand-page");
const places = Object.fromEntries(
  placeNames.map((place) => [place, join(scratch.path, place.slice(1).replaceAll("/", "-"))]),
);
const resources = new AsyncDisposableStack();
/** With what is built where the page expects it. */
const checkout = join(scratch.path, "checkout");
let network: Namespace;
let api: PretendedApiServer;
/** Words before a command that start it on the node. */
let onNode: readonly string[];

const own = (path: string) => {
  const place = placeNames.find((each) => path.startsWith(`${each}/`));
  if (place === undefined) throw new Error(`${path} is at no place of this test`);
  return join(places[place] ?? "", path.slice(place.length));
};

const run = (command: string) => runOrThrow([...onNode, "sh", "-e", "-c", `cd ${checkout}\n${command}`]);

const daemons = () =>
  markedProcesses().filter(
    ({ session: owner, command }) => owner === session && command.startsWith("/opt/multus/multusd "),
  );

/** The JSON file of the page that has this key. */
function fileWith(key: string): string {
  const found = page.blocks.filter(({ language, text }) => language === "json" && text.includes(`"${key}"`));
  expect(found, `one file with ${key}`).toHaveLength(1);
  return found[0]?.text ?? "";
}

/** A plugin of the node's: it works on the node's network, as the daemon, and what starts it, are on the API server's. */
function putPlugin(name: string): void {
  const script = `#!/bin/sh\nexec nsenter --net=${network.path} -- ${debianPlugins}/${name}\n`;
  writeFileSync(own(`/opt/cni/bin/${name}`), script, { mode: 0o755 });
}

beforeAll(async () => {
  resources.use(scratch);
  network = resources.use(await Namespace.create("node"));
  await network.ip("link", "add", "eth1", "type", "veth", "peer", "name", "wire1");
  for (const name of ["eth1", "wire1"]) await network.ip("link", "set", name, "up");
  onNode = resources.use(new HostPlaces(places, [])).through;
  for (const name of ["bridge", "macvlan"]) putPlugin(name);
  copyFileSync(join(debianPlugins, "host-local"), own("/opt/cni/bin/host-local"));
  const hostLocal = (subnet: string) => ({ type: "host-local", ranges: [[{ subnet }]] });
  const bridge = { type: "bridge", bridge: "cni0", isGateway: true, ipam: hostLocal("10.88.0.0/16") };
  const cluster = { cniVersion: "1.0.0", name: "containerd-net", plugins: [bridge] };
  writeFileSync(own("/etc/cni/net.d/10-containerd-net.conflist"), JSON.stringify(cluster));
  const directories = 'bin_dir = "/opt/cni/bin"\n  conf_dir = "/etc/cni/net.d"';
  const runtime = `version = 2\n[plugins."io.containerd.grpc.v1.cri".cni]\n  ${directories}\n`;
  writeFileSync(own("/etc/containerd/config.toml"), runtime);
  api = resources.use(await new PretendedApiServer().start());
  writeFileSync(own("/etc/multus/kubeconfig"), api.kubeconfig);
  const storage = { cniVersion: "1.0.0", type: "macvlan", master: "eth1", ipam: hostLocal("192.168.7.0/24") };
  const metadata = { name: "storage", namespace: "default" };
  api.set(nadsPath, { metadata, spec: { config: JSON.stringify(storage) } });

  mkdirSync(join(checkout, "build"), { recursive: true });
  symlinkSync(shim, join(checkout, "build", "multus"));
  await buildExecutable({ out: join(checkout, "build", "multusd") });
});

afterAll(async () => {
  for (const { pid } of daemons()) process.kill(pid, "SIGKILL");
  await resources.disposeAsync();
});

test("plugin, daemon and multusctl are put in place, and the files are valid", async () => {
  const [build, ...commands] = shellCommands(page).map(({ text }) => text);
  // The task would set the machine up first; its result is there already.
  expect(build).toBe("npm run build:executable");
  expect(commands.length).toBeGreaterThan(1);
  await run(commands.join("\n"));
  writeFileSync(own("/etc/multus/daemon.json"), fileWith("idleExitSeconds"));
  writeFileSync(own("/etc/cni/net.d/00-multus.conf"), fileWith("daemonCommand"));
  const files = ["/etc/multus/daemon.json", "/etc/cni/net.d/00-multus.conf"];
  const checked = await run(`/opt/multus/multusctl validate ${files.join(" ")}`);
  for (const file of files) expect(checked).toContain(`${file}: ok`);
  expect(daemons()).toEqual([]);
});

test("the first pod starts the daemon, which logs where it is told to; the next finds it; all goes with them", async () => {
  const pids = new Set<number>();
  for (const name of ["first", "second"]) {
    const configFile = own("/etc/cni/net.d/00-multus.conf");
    await using pod = await KnownPod.start({ api, onNode, configFile, name, networks: "storage" });
    expect((await pod.call("ADD")).result.ips).toHaveLength(1);
    expect((await pod.sandbox.links()).map(({ ifname }) => ifname)).toEqual(["eth0", "net1"]);
    const running = daemons();
    expect(running.map(({ command }) => command)).toEqual([
      "/opt/multus/multusd --config /etc/multus/daemon.json",
    ]);
    for (const { pid } of running) pids.add(pid);
    expect(await run("/opt/multus/multusctl ls")).toMatch(new RegExp(`default/${name} +net1`));
    (await pod.call("DEL")).expectSuccess();
    expect((await pod.sandbox.links()).map(({ ifname }) => ifname)).toEqual([]);
    expect(existsSync(own(`/var/lib/cni/multus/${pod.id}`))).toBe(false);
  }
  expect(pids.size).toBe(1);
  expect(readFileSync(own("/var/log/multus.log"), "utf8")).toMatch(/ADD done pod=default\/first /);
});

test("operations: the single file beside the plugin is the node's doctor", async () => {
  const [command, ...more] = shellCommands(readPage("docs/operations.md"), ["console"])
    .map(({ text }) => text)
    .filter((text) => !text.startsWith("kubectl "));
  expect(more).toEqual([]);
  copyFileSync(join(checkout, "build", "multusd"), own("/opt/cni/bin/multusd"));
  const { exitCode, stdout, stderr } = await runCommand([...onNode, "sh", "-c", command ?? "false"]);
  expect({ exitCode, stderr }, stdout.toString()).toEqual({ exitCode: 0, stderr: "" });
  const verdicts = new Map(
    Array.from(stdout.toString().matchAll(/^([A-Z]+) +(\S+\/\S+)/gm), ([, verdict, check]) => [
      check,
      verdict,
    ]),
  );
  // The daemon's pod does not see these of a node.
  const ofTheNode = ["runtime/containerd", "plugin/multus", "state/directory", "go-multus/leftovers"];
  for (const check of ["daemon/answers", "cluster/api", ...ofTheNode]) {
    expect([check, verdicts.get(check)]).toEqual([check, "PASS"]);
  }
});

test("the daemon ends when it is told to, and leaves no socket", async () => {
  for (const { pid } of daemons()) process.kill(pid, "SIGTERM");
  await until("the daemon's end", () => daemons().length === 0);
  expect(existsSync(own("/run/multus/multus.sock"))).toBe(false);
});
