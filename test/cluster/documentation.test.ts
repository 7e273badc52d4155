/** README.md, docs/quick-start.md, docs/upgrade.md and what docs/go-multus.md, docs/by-hand.md, docs/operations.md and deploy/README.md say of a cluster, as a new user goes through them: every command of kubectl and multusctl as it is written, on the bare cluster of `npm run cluster -- --bare`. */

import { existsSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { goDaemonSet } from "../support/cluster/go-daemon-set.ts";
import { multusImage } from "../support/cluster/images.ts";
import { Player } from "../support/cluster/player.ts";
import { ScratchDirectory } from "../support/scratch-directory.ts";
import { readPage, shellCommands } from "../unit/docs/markdown.ts";

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

/**
 * Types in the commands of kubectl below a heading, one after the other.
 * @param language `console`: those that are to be adapted, with the name of the daemon's pod in place of POD
 * @returns what they print @throws {Error} where one fails
 */
async function follow(page: string, heading: string, language = "sh"): Promise<string> {
  const commands = shellCommands(readPage(page), [language]).filter(
    ({ section, text }) => section === heading && text.startsWith("kubectl "),
  );
  expect(commands, `${page}: ${heading} has commands of kubectl`).not.toEqual([]);
  const printed: string[] = [];
  for (const { text } of commands) {
    const adapted = text
      .replace("multus-daemonset-thick.yml", earlierManifest)
      .replace(" POD ", ` ${daemonPod()} `);
    printed.push(await player.shell(adapted));
  }
  return printed.join("\n");
}

/** The daemon's pod, as a shell finds its name. */
function daemonPod(): string {
  return "$(kubectl --namespace kube-system get pods --selector name=multus --field-selector status.phase=Running --output name)";
}

/** Runs multusctl of this build as pages have it at a workstation. @throws {Error} where the page has no such command, or it fails */
async function multusctlOf(page: string, heading: string, word: string): Promise<string> {
  const [command, ...more] = shellCommands(readPage(page)).filter(
    ({ section, text }) => section === heading && text.includes(`build/multusctl.mjs ${word}`),
  );
  expect({ page, heading, word, more }).toEqual({ page, heading, word, more: [] });
  return player.shell(command?.text ?? "false");
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
  expect(await follow("docs/quick-start.md", "2. Install", "console")).toMatch(
    /ADD done pod=default\/with-macvlan /,
  );
});

test("operations: multusctl in the daemon's pod, and at a workstation", async () => {
  const seen = await follow("docs/operations.md", "Where multusctl is", "console");
  expect(seen).toMatch(/default\/with-macvlan .*net1/);
  expect(seen).toMatch(/^SKIP +plugin\/multus/m);
  expect(await multusctlOf("README.md", "Try it without a cluster", "validate")).toMatch(
    /: ok \(1 NetworkAttachmentDefinition, 1 pod that selects networks\)/,
  );
});

test("a kubeconfig for a daemon outside of pods is the daemon's account's", async () => {
  const heading = "A kubeconfig for a daemon outside of pods";
  const commands = shellCommands(readPage("deploy/README.md")).filter(
    ({ section, text }) => section === heading && text.startsWith("kubectl "),
  );
  const lines = [`cd ${scratch.path}`, ...commands.map(({ text }) => text)];
  await player.shell(lines.join("\n"));
  const file = join(scratch.path, "multus.kubeconfig");
  const account = "system:serviceaccount:kube-system:multus";
  expect(await player.shell(`kubectl --kubeconfig ${file} auth whoami`)).toContain(account);
  expect(await player.shell(`kubectl --kubeconfig ${file} get network-attachment-definitions`)).toContain(
    "storage",
  );
});

test("upgrade: the manifest again, and everything goes on; a pod that ran keeps its networks and is deleted", async () => {
  await follow("docs/upgrade.md", "Change over");
  expect(await follow("docs/upgrade.md", "Change over", "console")).toMatch(/^SKIP +plugin\/multus/m);
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

  const looked = await multusctlOf("docs/upgrade.md", "Before", "preflight");
  expect(looked).toMatch(/^OK +default\/storage /m);
  expect(looked).toContain("can switch as it is");
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
