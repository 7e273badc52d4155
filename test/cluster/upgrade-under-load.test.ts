/**
 * The daemon is replaced again and again, in order and by kill, while pods come and go: no pod fails for good, none runs without its networks, and at the end nothing is left of any of
 * them, neither of those whose DEL found no daemon. The runtime's file is the one that the daemon itself keeps.
 */

import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, expect, test } from "vitest";
import { readSpool } from "../../src/multus/spool/spool.ts";
import { daemonSetOf, kustomize, manifests } from "../support/cluster/deployment.ts";
import { documents } from "../support/cluster/manifests.ts";
import { ClusterNode } from "../support/cluster/node.ts";
import { cidrs } from "../support/namespace.ts";

const waves = 8;
const podsOfWave = 25;
const restarts = 20;
/** Every so many restarts the daemon is killed, and stays away for longer than a DEL waits for it. */
const killedEvery = 4;
const awayMs = 2000;

let node: ClusterNode;

beforeAll(async () => {
  node = await ClusterNode.start({ keepsRuntimeFile: true });
  // No controller runs: it makes no pods. But it is there, so that a daemon that ends leaves 00-multus.conf.
  await node.apply(JSON.stringify(daemonSetOf(manifests(await kustomize("thick")))));
  await node.applyNetwork("default", "storage", node.macvlan(["10.130.0.0/24"]));
  await node.applyNetwork("default", "video", node.macvlan(["10.131.0.0/24"]));
});

afterAll(() => node?.[Symbol.asyncDispose]());

const namesOf = (wave: number) =>
  Array.from({ length: podsOfWave }, (_, index) => `wave-${wave}-pod-${index}`);

/** Looks into every pod: its three links, with addresses that no other of them has. */
async function checkLinks(names: readonly string[]): Promise<void> {
  const links = await Promise.all(names.map((name) => node.podLinks("default", name)));
  for (const ofPod of links) expect(ofPod.map(({ ifname }) => ifname)).toEqual(["eth0", "net1", "net2"]);
  const given = links.flat().flatMap((link) => [...cidrs(link), ...cidrs(link, "inet6")]);
  expect(given).toHaveLength(4 * names.length);
  expect(new Set(given).size).toBe(given.length);
}

test(`the daemon is replaced ${restarts} times while ${waves * podsOfWave} pods with three networks come and go`, async () => {
  const before = await node.traces();
  /** Pods that have run with their networks, and the most DELs that waited at once. */
  let served = 0;
  let mostRecorded = 0;
  let restarted = 0;
  let isOver = false;

  const replaceDaemon = async (): Promise<void> => {
    for (; restarted < restarts; restarted++) {
      // Spread over the whole of it, each in the middle of a wave.
      const due = Math.floor((restarted * podsOfWave * waves) / restarts);
      await node.until("more pods", async () => isOver || served + podsOfWave > due, 300_000);
      await sleep(500 + Math.random() * 1500);
      const isKilled = restarted % killedEvery === killedEvery - 1;
      await node.daemon.stop(isKilled ? "SIGKILL" : "SIGTERM");
      if (isKilled) await sleep(awayMs);
      mostRecorded = Math.max(mostRecorded, (await readSpool(node.cniDir)).waiting);
      await node.daemon.start();
    }
  };

  const comeAndGo = async (): Promise<void> => {
    let leaving: readonly string[] = [];
    for (let wave = 0; wave < waves; wave++) {
      const names = namesOf(wave);
      await node.apply(documents(names.map((name) => node.podManifest("default", name, "storage,video"))));
      if (leaving.length > 0) await node.api.kubectl("delete", "pod", "--wait=false", ...leaving);
      await node.waitForPods("default", names);
      await checkLinks(names);
      served += names.length;
      leaving = names;
    }
    isOver = true;
    await node.deletePods("default", ...leaving);
    await node.until("all pods to be gone", async () => (await node.pods("default")).length === 0);
  };

  await Promise.all([comeAndGo(), replaceDaemon()]);
  expect({ served, restarted }).toEqual({ served: waves * podsOfWave, restarted: restarts });
  // No pod has to come for it. A record that was in work when a daemon was killed is due after 160 s.
  await node.until(
    "all that is recorded to be done",
    async () => (await readSpool(node.cniDir)).waiting === 0,
    300_000,
  );
  expect(await readSpool(node.cniDir)).toMatchObject({ waiting: 0, failed: 0, broken: 0 });
  await node.untilNothingIsLeft(before);
  expect(mostRecorded).toBeGreaterThan(0);
});
