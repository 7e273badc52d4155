/** docs/by-hand.md as somebody goes through it on a node with containerd: its commands and its files as they are written, at the places that it names. */

import { type ChildProcess, spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { copyFileSync, existsSync, mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { HostPlaces } from "../support/cluster/host-places.ts";
import { runCommand, runOrThrow } from "../support/command.ts";
import { Containerd } from "../support/containerd.ts";
import { Namespace } from "../support/namespace.ts";
import { ScratchDirectory } from "../support/scratch-directory.ts";
import { mountsBelow, session, sessionVariable } from "../support/session.ts";
import { debianPlugins } from "../support/test-node.ts";
import { until } from "../support/until.ts";
import { readPage } from "../unit/docs/markdown.ts";

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

const { blocks } = readPage("docs/by-hand.md");
const commands = blocks
  .filter(({ language, section }) => language === "sh" && section === "Setting up a node by hand")
  .flatMap(({ text }) => text.split("\n"));
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
