/** `npm run cluster`: what it prints works as it is, the end leaves nothing on the machine, and after one that was killed the sweep does. */

import { existsSync, readdirSync, readFileSync, readlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, expect, test } from "vitest";
import { containersOf, containersWithCgroup } from "../support/cgroups.ts";
import { Player } from "../support/cluster/player.ts";
import { runCommand } from "../support/command.ts";
import { isAlive, markedProcesses, ownerOf } from "../support/session.ts";

const support = join(import.meta.dirname, "..", "support");

/** A session's remains on the machine: by the pid of its process. @param containers ids of containers that it ran */
function remains(pid: number, containers: readonly string[]): readonly string[] {
  const owned = (directory: string) =>
    existsSync(directory) ? readdirSync(directory).filter((name) => ownerOf(name) === pid) : [];
  const mounts = readFileSync("/proc/self/mounts", "utf8").split("\n");
  // Of a kubelet that has the machine's own place for them.
  const logs = "/var/log/containers";
  const links = existsSync(logs) ? readdirSync(logs).map((name) => readlinkSync(join(logs, name))) : [];
  return [
    ...owned("/run/netns"),
    ...owned(tmpdir()),
    ...[...mounts, ...links].filter((line) => line.includes(`/mwt-${pid}-`)),
    ...markedProcesses()
      .filter((candidate) => ownerOf(candidate.session) === pid)
      .map(({ command }) => command),
    ...containersWithCgroup(containers),
  ];
}

let player: Player | undefined;

afterEach(async () => {
  await player?.signal("SIGTERM");
  player = undefined;
});

/** Starts a player and, with what it prints, a pod with three networks. @returns its pid and the containers that it runs */
async function playWithPod(started: Player): Promise<{ pid: number; containers: readonly string[] }> {
  await started.until(/Ctrl-C removes everything/);
  await started.shell(
    "kubectl apply -f pod.yaml && kubectl wait --for=condition=Ready --timeout=240s pod/web",
  );
  const links: { readonly ifname: string }[] = JSON.parse(
    await started.shell("./in-pod web ip -j link show"),
  );
  expect(links.map(({ ifname }) => ifname)).toEqual(["lo", "eth0", "net1", "vid0", "net3"]);
  const [, directory = "", pid] = await started.until(/cd ((?:\/[^/\n]+)*\/mwt-(\d+)-[^/\n]+)\/examples/);
  const containers = containersOf(join(directory, "cri"));
  expect(containers).toHaveLength(2);
  expect(containersWithCgroup(containers)).toEqual(containers);
  const verdict = await started.shell("./multusctl validate -A");
  expect(verdict).toContain(": ok (3 NetworkAttachmentDefinitions, 1 pod that selects networks)");
  return { pid: Number(pid), containers };
}

test("with what it prints a pod starts; Ctrl-C leaves nothing, though the pod still ran", async () => {
  player = new Player();
  const { pid, containers } = await playWithPod(player);
  expect(player.output).toMatch(/^ {2}1 of 6 {2}etcd and kube-apiserver +[\d.]+ s$/m);
  expect(player.output).toMatch(/^ {2}6 of 6 {2}three networks +[\d.]+ s$/m);
  expect(remains(pid, containers)).not.toEqual([]);
  // multusd's log follows.
  await player.until(/ADD done pod=default\/web .*networks=cluster@eth0/);
  expect(await player.signal("SIGINT")).toBe(0);
  expect(remains(pid, containers)).toEqual([]);
});

test("one that was killed: the sweep removes what it left", async () => {
  player = new Player("--containerd", "2.4");
  const { pid, containers } = await playWithPod(player);
  expect(player.output).toMatch(/^A one-node cluster with containerd 2\.4/);
  process.kill(pid, "SIGKILL");
  while (isAlive(pid)) await sleep(50);
  const left = remains(pid, containers);
  expect(left.filter((what) => what === "/pause")).toHaveLength(2);
  await runCommand([process.execPath, join(support, "sweep.ts")]);
  expect(remains(pid, containers)).toEqual([]);
});

test("an unknown containerd is refused before anything starts", async () => {
  const outcome = await runCommand([
    process.execPath,
    join(support, "..", "..", "tools", "run.mjs"),
    ...["cluster", "--containerd", "1.7"],
  ]);
  expect(outcome.exitCode).toBe(1);
  expect(outcome.stderr).toContain("--containerd 1.7: 1.6 or 2.4");
});
