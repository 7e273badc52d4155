/** A large cluster and a full node: the daemon stays small, and an ADD asks the API nothing before its delegates run. */

import { existsSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { ApiServer } from "../support/cluster/api-server.ts";
import { createCrowd } from "../support/cluster/crowd.ts";
import { FaultProxy, type SeenRequest } from "../support/cluster/fault-proxy.ts";
import { nadManifest } from "../support/cluster/manifests.ts";
import { pauseImageName } from "../support/pause-image.ts";
import { type PluginCall, podArgs } from "../support/plugin.ts";
import { type Pod, TestNode } from "../support/test-node.ts";

const nodeName = "node-1";
/** Of pods that are attached; the others of the crowd are only there. */
const selected = ["one", "two", "three"];
const crowd = { networks: 2_000 - selected.length, pods: 250, nodeName };
/** kB. */
const memoryLimit = 110 * 1024;
const patience = { timeout: 60_000, interval: 50 };

const nadsPath = "/apis/k8s.cni.cncf.io/v1/network-attachment-definitions";
const podsPath = "/api/v1/namespaces/default/pods";
const statusAnnotation = "k8s.v1.cni.cncf.io/network-status";

/** A plugin that says it has attached something, and touches nothing. */
const answer = `cat <<END
{"cniVersion":"1.0.0","interfaces":[{"name":"$CNI_IFNAME","sandbox":"$CNI_NETNS"}],"ips":[{"interface":0,"address":"192.0.2.1/24"}]}
END`;

interface ApiPod {
  readonly metadata: { readonly uid: string; readonly annotations: Readonly<Record<string, string>> };
}

describe("2,000 networks in the cluster and 250 pods on the node", () => {
  const resources = new AsyncDisposableStack();
  let api: ApiServer;
  let proxy: FaultProxy;
  let node: TestNode;
  let started: string;
  let released: string;

  beforeAll(async () => {
    api = resources.use(await ApiServer.start());
    await api.applyDeployment();
    await createCrowd(api, crowd);
    const manifests = selected.map((name) =>
      nadManifest("default", name, { cniVersion: "1.0.0", name, type: "quick" }),
    );
    await api.apply(manifests.join("---\n"));
    proxy = resources.use(await FaultProxy.start(api));
    const token = await api.createToken("kube-system", "multus");
    node = resources.use(
      await TestNode.start({
        daemonConfig: { kubeconfig: api.kubeconfigFor({ token }, proxy.url), nadDir: undefined },
        daemonSurroundings: { environment: { MULTUS_NODE_NAME: nodeName } },
      }),
    );
    started = join(node.directory, "started");
    released = join(node.directory, "released");
    const install = (name: string, ...lines: string[]) =>
      writeFileSync(join(node.binDir, name), ["#!/bin/sh", "cat >/dev/null", ...lines, ""].join("\n"), {
        mode: 0o755,
      });
    install("quick", answer);
    // It says that it runs, and goes on when it is told to.
    install("held", `: >'${started}'`, `until [ -e '${released}' ]; do sleep 0.02; done`, answer);
    await node.untilReady();
  });

  afterAll(async () => {
    await resources.disposeAsync();
  });

  /** A pod in the API and its namespace, and what its calls say. @param inRequest do its annotations come with the request? */
  async function place(name: string, type: string, inRequest: boolean) {
    const pod = await node.pod(name, selected.join(","));
    const { metadata } = await api.request<ApiPod>("POST", podsPath, {
      metadata: { name, annotations: pod.annotations },
      spec: { nodeName, containers: [{ name: "main", image: pauseImageName }] },
    });
    const netconf = node.netconf({ cniVersion: "1.0.0", name: "cluster", type });
    const further: Partial<PluginCall> = {
      args: podArgs({ ...pod, namespace: "default", name, uid: metadata.uid }),
      ...(inRequest ? {} : { config: { ...netconf, capabilities: {} } }),
    };
    return { pod, call: (command: "ADD" | "DEL") => node.call(command, pod, netconf, further) };
  }

  async function status({ name }: Pod): Promise<unknown> {
    const { metadata } = await api.request<ApiPod>("GET", `${podsPath}/${name}`);
    return JSON.parse(metadata.annotations[statusAnnotation] ?? "null");
  }

  /** A watch may end and begin again at any time. */
  const isNoWatch = ({ query }: SeenRequest) => !/(^|&)watch=/.test(query);

  test.each([
    { annotations: "the request", inRequest: true },
    { annotations: "the watch", inRequest: false },
  ])("an ADD with annotations of $annotations asks the API nothing", async ({ inRequest }) => {
    const { pod, call } = await place(inRequest ? "asks-not" : "asks-not-either", "held", inRequest);
    const asked = () => proxy.requests.filter(isNoWatch);
    const posted = [
      `PATCH ${podsPath}/${pod.name}/status`,
      ...["eth0", ...selected].map(() => "POST /apis/events.k8s.io/v1/namespaces/default/events"),
    ];
    const answered = () =>
      asked().flatMap(({ method, path, status }) => (status === undefined ? [] : [`${method} ${path}`]));

    // Once for the caches to be warm, whatever was asked for that; then to see what is asked.
    writeFileSync(released, "");
    (await call("ADD")).expectSuccess();
    const reported = () => answered().filter((request) => !request.startsWith("GET "));
    await expect.poll(() => reported().sort(), patience).toEqual(posted);
    (await call("DEL")).expectSuccess();
    for (const file of [started, released]) rmSync(file);
    await proxy.clear();

    const adding = call("ADD");
    await expect.poll(() => existsSync(started), patience).toBe(true);
    expect(asked()).toEqual([]);
    writeFileSync(released, "");
    expect((await adding).result.ips).toHaveLength(1);
    await expect.poll(() => answered().length, patience).toBe(posted.length);
    expect(answered().sort()).toEqual(posted);
    expect(await status(pod)).toHaveLength(1 + selected.length);

    await proxy.clear();
    (await call("DEL")).expectSuccess();
    expect(asked()).toEqual([]);
  });

  test(`the daemon has ${memoryLimit / 1024} MB at most, with pods added and removed and everything listed anew`, async () => {
    const { resident: idle } = node.daemon.memory();
    writeFileSync(released, "");
    const placed = [];
    for (let index = 0; index < 20; index++) placed.push(await place(`many-${index}`, "quick", false));
    for (let round = 0; round < 3; round++) {
      for (const added of await Promise.all(placed.map(({ call }) => call("ADD")))) added.expectSuccess();
      for (const deleted of await Promise.all(placed.map(({ call }) => call("DEL")))) deleted.expectSuccess();
    }
    const { resident: busy } = node.daemon.memory();

    // A history that is gone makes the daemon list all of it again, while it still has what it knew.
    await proxy.clear();
    await proxy.down();
    await api.compact();
    await api.restart();
    await proxy.up();
    const lists = () => proxy.seen({ method: "GET", path: new RegExp(`^${nadsPath}\\?`) }).filter(isNoWatch);
    await expect.poll(() => lists().some(({ millis }) => millis !== undefined), patience).toBe(true);
    const [added] = await Promise.all(placed.slice(0, 1).map(({ call }) => call("ADD")));
    added?.expectSuccess();

    const { resident, peak } = node.daemon.memory();
    console.log(
      `daemon: ${idle} kB idle, ${busy} kB after pods, ${resident} kB after lists, ${peak} kB peak`,
    );
    expect(peak).toBeLessThanOrEqual(memoryLimit);
  });
});
