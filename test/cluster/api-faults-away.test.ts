/** The API server is away, comes back without its history, or takes a token no more: the same daemon goes on with what it knows, and catches up. */

import { rmSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import {
  ApiNode,
  nadWatch,
  networksAnnotation,
  podsPath,
  podWatch,
  statusOf,
} from "../support/cluster/api-node.ts";
import { ApiServer } from "../support/cluster/api-server.ts";
import { traces } from "../support/leaks.ts";

const patch = { method: "PATCH", path: /\/pods\/[^/]+\/status$/ };
const account = ["kube-system", "multus"] as const;
/** Seconds that the server takes an expired token for. */
const clockSkew = 60;

/** Milliseconds. Less than the 2.5 s that an ADD which waits for the API takes, and enough for real plugins on a busy machine. */
const quickly = 2_400;

let api: ApiServer;

beforeAll(async () => {
  api = await ApiServer.start();
  await api.applyDeployment();
});

afterAll(() => api?.[Symbol.asyncDispose]());

describe("an API server that is away", () => {
  let cluster: ApiNode;

  beforeAll(async () => {
    cluster = await ApiNode.start(api, "node-1");
    await cluster.createNetwork("storage", cluster.macvlan("storage", "10.130.0.0/24"));
    await cluster.createNetwork("video", cluster.macvlan("video", "10.131.0.0/24"));
    const first = await cluster.place("first", "storage,video");
    (await first.call("ADD", "storage,video")).expectSuccess();
    (await first.call("DEL", "storage,video")).expectSuccess();
  });

  afterAll(() => cluster?.[Symbol.asyncDispose]());

  test("ADD, DEL and STATUS go on with what is known; the network-status follows when it is back", async () => {
    const { node, proxy } = cluster;
    const before = await traces(node);
    const early = await cluster.place("early", "storage,video");
    const late = await cluster.place("late", "storage,video");
    const unplanned = await cluster.place("unplanned", "storage,video");
    (await early.call("ADD", "storage,video")).expectSuccess();
    await proxy.down();

    // Of its node's pods the watch knows these three.
    const added = await late.call("ADD", "storage,video");
    expect(added.result.ips).toHaveLength(1);
    expect(added.milliseconds).toBeLessThan(quickly);
    // With no annotations in the request, the watch's.
    (await unplanned.call("ADD", undefined)).expectSuccess();
    expect((await unplanned.pod.network.links()).map(({ ifname }) => ifname)).toEqual([
      "eth0",
      "net1",
      "net2",
    ]);
    await node.untilReady();

    // With a plan, without one, and of a pod that nobody knows.
    (await early.call("DEL", "storage,video")).expectSuccess();
    rmSync(join(node.cniDir, unplanned.pod.containerId));
    (await unplanned.call("DEL", undefined)).expectSuccess();
    for (const { pod } of [early, unplanned]) expect(await pod.network.links()).toEqual([]);
    const stranger = await cluster.place("stranger", "storage");
    (await stranger.call("DEL", undefined)).expectSuccess();

    // Created while nobody told the daemon: with annotations it goes on, without them it cannot.
    const told = await stranger.call("ADD", "storage");
    expect(told.result.ips).toHaveLength(1);
    expect(told.milliseconds).toBeLessThan(quickly);
    (await stranger.call("DEL", "storage")).expectSuccess();
    const refused = await stranger.call("ADD", undefined);
    expect(refused.error).toMatchObject({ code: 11 });
    expect(refused.error.msg).toMatch(
      /pod default\/stranger cannot be looked up: .*https:\/\/127\.0\.0\.1:\d+: .*ECONNREFUSED/,
    );
    (await stranger.call("DEL", undefined)).expectSuccess();
    // A network that it does not know is no other.
    const unknown = await late.call("ADD", "storage,unheard-of");
    expect(unknown.error).toMatchObject({ code: 11, msg: expect.stringContaining("default/unheard-of") });

    expect(statusOf(await cluster.apiPod("late"))).toBeUndefined();
    await proxy.clear();
    await cluster.untilReported(late, ["default/storage", "default/video"]);
    await cluster.untilWatching();
    // Those of pods that are gone by now were taken back.
    for (const { name } of [unplanned, stranger]) {
      expect(statusOf(await cluster.apiPod(name))).toBeUndefined();
      expect(proxy.seen({ ...patch, path: new RegExp(`${podsPath}/${name}/status$`) })).toEqual([]);
    }
    (await late.call("DEL", "storage,video")).expectSuccess();
    expect(await traces(node)).toEqual(before);
  });

  test("back without its history: the watches go on within 5 s, and miss nothing", async () => {
    const { node, proxy } = cluster;
    const { pid } = node.daemon;
    await cluster.createNetwork("changed", cluster.macvlan("changed", "10.132.0.0/24"));
    await cluster.createNetwork("gone", cluster.macvlan("gone", "10.133.0.0/24"));
    const pod = await cluster.place("catches-up", "changed,gone");
    (await pod.call("ADD", "changed,gone")).expectSuccess();
    (await pod.call("DEL", "changed,gone")).expectSuccess();

    await proxy.down();
    await cluster.changeNetwork("changed", cluster.macvlan("changed", "10.134.0.0/24"));
    await cluster.deleteNetwork("gone");
    await cluster.createNetwork("new", cluster.macvlan("new", "10.135.0.0/24"));
    await cluster.annotate("catches-up", { [networksAnnotation]: "changed,new" });
    const created = await cluster.place("created", "new");
    await api.compact();
    await api.restart();
    // It is ready some seconds before it serves custom resources, and then without what it knew of roles.
    const token = await api.createToken(...account);
    const served = ["/apis/k8s.cni.cncf.io/v1/network-attachment-definitions", "/api/v1/pods"];
    await cluster.until("the server to serve the daemon", async () => {
      const watched = served.map((path) => `${path}?watch=1&timeoutSeconds=1`);
      const answers = await Promise.all(watched.map((path) => api.ask("GET", path, { token })));
      return answers.every(({ status }) => status === 200);
    });
    await proxy.clear();
    const back = Date.now();
    const watching = await cluster.untilWatching();
    expect(watching - back).toBeLessThan(5_000);
    await cluster.untilLogged(/network-attachment-definitions: relisted/);
    await cluster.untilLogged(/pods: relisted/);

    // Of the watches: nothing is asked for.
    (await pod.call("ADD", undefined)).expectSuccess();
    const addresses = (await pod.pod.network.links()).map(({ addr_info }) =>
      addr_info.map(({ local }) => local).find((local) => local.startsWith("10.")),
    );
    expect(addresses).toEqual([
      expect.stringMatching(/^10\.12\d\./),
      expect.stringMatching(/^10\.134\.0\./),
      expect.stringMatching(/^10\.135\.0\./),
    ]);
    (await created.call("ADD", undefined)).expectSuccess();
    const single = /(pods|network-attachment-definitions)\/[^/]+$/;
    expect(proxy.seen({ method: "GET", path: single })).toEqual([]);
    (await pod.call("DEL", undefined)).expectSuccess();
    const without = await cluster.place("without", "gone");
    expect((await without.call("ADD", "gone")).error).toMatchObject({
      code: 7,
      msg: expect.stringContaining("there is no network-attachment-definition gone"),
    });
    (await without.call("DEL", undefined)).expectSuccess();

    // And on.
    await cluster.changeNetwork("new", cluster.macvlan("new", "10.136.0.0/24"));
    await cluster.annotate("catches-up", { [networksAnnotation]: "new" });
    await cluster.until("the change to arrive", async () => {
      (await pod.call("ADD", undefined)).expectSuccess();
      const links = await pod.pod.network.links();
      (await pod.call("DEL", undefined)).expectSuccess();
      return links[1]?.addr_info.some(({ local }) => local.startsWith("10.136.")) === true;
    });
    expect(node.daemon.pid).toBe(pid);
  });
});

describe("a token that is replaced", () => {
  test("watches and requests go on with the new one when the old one has expired", async () => {
    const since = Date.now();
    const lifetime = 10;
    const old = await api.signToken(...account, { expiresIn: lifetime - clockSkew });
    await using cluster = await ApiNode.start(api, "node-2", old);
    const { node, proxy, serviceAccount } = cluster;
    const { pid } = node.daemon;
    await cluster.createNetwork("rotated", cluster.macvlan("rotated", "10.140.0.0/24"));
    const before = await cluster.place("before-rotation", "rotated");
    (await before.call("ADD", undefined)).expectSuccess();
    await cluster.untilReported(before, ["default/rotated"]);

    serviceAccount.rotate(await api.createToken(...account));
    await sleep(Math.max(0, since + lifetime * 1_000 - Date.now()));
    await cluster.until("the server to refuse the old token", async () => {
      const { status } = await api.ask("GET", "/api/v1/pods?limit=1", { token: old });
      return status === 401;
    });
    await proxy.clear();
    // A watch that is open stays so, whatever becomes of its token.
    expect(proxy.cut({ path: /watch=1/ })).toBe(2);
    await cluster.untilWatching();
    const after = await cluster.place("after-rotation", "rotated");
    (await after.call("ADD", undefined)).expectSuccess();
    await cluster.untilReported(after, ["default/rotated"]);
    expect(proxy.requests.filter(({ status }) => status === 401)).toEqual([]);
    expect(node.daemon.pid).toBe(pid);
  });

  test("too late: what is refused meanwhile is sent and watched with the new one", async () => {
    await using cluster = await ApiNode.start(api, "node-3");
    const { node, proxy, serviceAccount } = cluster;
    const { pid } = node.daemon;
    await cluster.createNetwork("overdue", cluster.macvlan("overdue", "10.141.0.0/24"));
    const pod = await cluster.place("overdue", "overdue");
    // Both watches have all of it.
    (await pod.call("ADD", undefined)).expectSuccess();
    (await pod.call("DEL", undefined)).expectSuccess();
    const other = await cluster.place("overdue-too", "overdue");

    serviceAccount.rotate(await api.signToken(...account, { expiresIn: -2 * clockSkew }));
    proxy.cut({ path: /watch=1/ });
    (await other.call("ADD", "overdue")).expectSuccess();
    const refused = (match: typeof nadWatch) => proxy.seen(match).some(({ status }) => status === 401);
    await cluster.until("all to be refused", () => [nadWatch, podWatch, patch].every(refused));
    expect(statusOf(await cluster.apiPod("overdue-too"))).toBeUndefined();
    serviceAccount.rotate(await api.createToken(...account));
    await cluster.untilReported(other, ["default/overdue"]);
    await cluster.untilWatching();
    (await pod.call("ADD", undefined)).expectSuccess();
    await cluster.untilReported(pod, ["default/overdue"]);
    expect(node.daemon.pid).toBe(pid);
  });
});
