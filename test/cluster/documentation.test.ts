/** README.md, docs/quick-start.md, docs/upgrade.md and what docs/go-multus.md and docs/by-hand.md say of a cluster, as a new user goes through them: every command of kubectl as it is written, on the bare cluster of `npm run cluster -- --bare`. */

import { existsSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { goDaemonSet } from "../support/cluster/go-daemon-set.ts";
import { multusImage } from "../support/cluster/images.ts";
import { Player } from "../support/cluster/player.ts";
import { ScratchDirectory } from "../support/scratch-directory.ts";
import { readPage } from "../unit/docs/markdown.ts";

/** The commands that a page has in blocks for a shell, by their heading; lines that another follows with `\` are one. Blocks of other kinds are for other places. */
function commandsOf(page: string): ReadonlyMap<string, readonly string[]> {
  const commands = new Map<string, string[]>();
  for (const { section, language, text } of readPage(page).blocks) {
    if (language !== "sh") continue;
    const lines = text.split("\n").map((line) => line.trim());
    commands.set(section, [...(commands.get(section) ?? []), ...lines]);
  }
  return commands;
}

let player: Player;
/** The user's earlier manifest in upgrade.md. */
let earlierManifest: string;
const scratch = new ScratchDirectory("manifest");

beforeAll(async () => {
  // Go multus's daemon does this to the directory before it serves its socket; Go multus itself is not here.
  const anew = "rm -rf /host/run/multus && mkdir -m 0700 /host/run/multus && exec sleep 1000000";
  const stand = goDaemonSet("docker.io/library/busybox:1.37", ["sh", "-c", anew], ["true"]);
  earlierManifest = scratch.write("multus-daemonset-thick.yml", JSON.stringify(stand));
  player = new Player("--bare", "--containerd", "2.4");
  await player.until(/Ctrl-C removes everything/);
});

afterAll(async () => {
  scratch[Symbol.dispose]();
  expect(await player.signal("SIGINT")).toBe(0);
});

/** Types in the commands of a heading, one after the other. @returns what they print @throws {Error} where one fails */
async function follow(page: string, heading: string): Promise<string> {
  const commands = commandsOf(page).get(heading) ?? [];
  const ours = commands.filter((command) => command.startsWith("kubectl "));
  expect(ours, `${page}: ${heading} has commands of kubectl`).not.toEqual([]);
  const printed: string[] = [];
  for (const command of ours) {
    printed.push(await player.shell(command.replace("multus-daemonset-thick.yml", earlierManifest)));
  }
  return printed.join("\n");
}

/** Everything in a cluster that multus has put there. */
function multusObjects(): Promise<string> {
  return player.shell(
    "kubectl get daemonsets,configmaps,serviceaccounts --namespace kube-system --output name | grep multus || true; kubectl get clusterroles,clusterrolebindings,crds --output name | grep -e multus -e network-attachment || true",
  );
}

test("quick start: install, a first network, a first pod", async () => {
  expect(await multusObjects()).toBe("");
  expect(await follow("docs/quick-start.md", "2. Install")).toContain("successfully rolled out");
  expect(await follow("docs/quick-start.md", "3. A first network")).toContain("storage");
  const looked = await follow("docs/quick-start.md", "4. A first pod");
  expect(looked).toContain('"interface": "net1"');
  expect(looked).toMatch(/Add eth0 \[10\.120\.\d+\.\d+\/22 /);
  expect(looked).toMatch(/Add net1 \[192\.168\.7\.1\d\d\/24\] from default\/storage/);
});

test("upgrade: the manifest again, and everything goes on; a pod that ran keeps its networks and is deleted", async () => {
  await follow("docs/upgrade.md", "Change over");
  // The same once more, as the short pages have it.
  expect(await follow("README.md", "Install")).toContain("daemonset.apps/kube-multus-ds");
  expect(await follow("docs/go-multus.md", "Switch")).toContain("successfully rolled out");
  await follow("docs/by-hand.md", "As a node of a cluster");
  expect(await player.shell("kubectl get pod with-macvlan --output jsonpath='{.status.phase}'")).toBe(
    "Running",
  );
});

test("roll back, and change over again: what was there before makes the socket's directory anew, and ours serves in that one", async () => {
  const runtimeDirectory = await player.onNode("/etc/cni/net.d");
  const socketDirectory = join(await player.onNode("/run"), "multus");
  // Its number would not do: file systems give a directory's to the next one.
  writeFileSync(join(socketDirectory, "of-before"), "");
  expect(await follow("docs/upgrade.md", "Roll back")).toContain("successfully rolled out");
  const isEmpty = () => existsSync(socketDirectory) && readdirSync(socketDirectory).length === 0;
  await expect.poll(isEmpty, { timeout: 30_000 }).toBe(true);
  // The earlier installation writes its own over it.
  expect(readdirSync(runtimeDirectory).sort()).toEqual(["00-multus.conf", "10-cluster.conflist"]);
  expect(await player.shell("kubectl get clusterroles --output name")).not.toContain("multus-wasm");

  await follow("docs/upgrade.md", "Change over");
  await expect
    .poll(() => existsSync(join(runtimeDirectory, "00-multus.conf")), { timeout: 30_000 })
    .toBe(true);
  // The files of its warm-up beside the socket go with it.
  await expect.poll(() => readdirSync(socketDirectory), { timeout: 30_000 }).toEqual(["multus.sock"]);
  expect(await player.shell("kubectl get pod with-macvlan --output jsonpath='{.status.phase}'")).toBe(
    "Running",
  );
});

test("Go multus's manifest with nothing changed but the image: its commands, paths, mounts and limits serve ours, too", async () => {
  const programs = "/usr/src/multus-cni/bin";
  const installer = [`${programs}/install_multus`, "-d", "/host/opt/cni/bin", "-t", "thick"];
  const manifest = goDaemonSet(multusImage, [`${programs}/multus-daemon`], installer);
  const file = scratch.write("another-image.yml", JSON.stringify(manifest));
  const pod = "docs/examples/macvlan.yaml";
  const shownStatus = "-o 'jsonpath={.metadata.annotations.k8s\\.v1\\.cni\\.cncf\\.io/network-status}'";
  await player.shell(`kubectl delete -f ${pod}
kubectl apply -f ${file}
kubectl -n kube-system rollout status daemonset/kube-multus-ds --timeout=5m`);
  const runtimeFile = join(await player.onNode("/etc/cni/net.d"), "00-multus.conf");
  await expect.poll(() => existsSync(runtimeFile), { timeout: 30_000 }).toBe(true);
  await player.shell(`kubectl apply -f ${pod}
kubectl wait --for=condition=Ready pod/with-macvlan --timeout=2m`);
  await expect
    .poll(() => player.shell(`kubectl get pod with-macvlan ${shownStatus}`), { timeout: 30_000 })
    .toContain('"interface": "net1"');
  await follow("docs/upgrade.md", "Change over");
  await expect.poll(() => existsSync(runtimeFile), { timeout: 30_000 }).toBe(true);
});

test("quick start: clean up leaves nothing in the cluster, and the node with its cluster network alone", async () => {
  const runtimeDirectory = await player.onNode("/etc/cni/net.d");
  expect(readdirSync(runtimeDirectory).sort()).toEqual(["00-multus.conf", "10-cluster.conflist"]);
  await follow("docs/quick-start.md", "5. Clean up");
  expect(await multusObjects()).toBe("");
  // Its pods end some moments later.
  const pods = () => player.shell("kubectl get pods --all-namespaces --output name");
  await expect.poll(pods, { timeout: 60_000, interval: 500 }).toBe("");
  expect(readdirSync(runtimeDirectory)).toEqual(["10-cluster.conflist"]);
});
