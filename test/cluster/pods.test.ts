/** Pods that a user creates with kubectl get their networks from the kubelet by our plugin, and give all of it back. With the oldest and the newest containerd. */

import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { documents } from "../support/cluster/manifests.ts";
import { ClusterNode, runtimes } from "../support/cluster/node.ts";
import { cidrs, type Link } from "../support/namespace.ts";
import { debianPlugins } from "../support/test-node.ts";

/** Addresses of a link, without prefix. */
const addresses = (link: Link | undefined) =>
  link === undefined
    ? []
    : [...cidrs(link), ...cidrs(link, "inet6")].map((cidr) => cidr.slice(0, cidr.indexOf("/")));

/** macvlan whose result is one of version 1.1.0, which has the interface's MTU; Debian's speaks 1.0.0. */
const macvlanWithMtu = `#!/bin/sh
set -e
out=$(sed 's/"cniVersion": *"1.1.0"/"cniVersion":"1.0.0"/g' | ${debianPlugins}/macvlan) || { echo "$out"; exit 1; }
echo "$out" | sed 's/"cniVersion": *"1.0.0"/"cniVersion":"1.1.0"/; s/"sandbox":/"mtu": 1400, "sandbox":/'
`;

describe.each(runtimes)("pods of a node with $about", (options) => {
  let node: ClusterNode;

  beforeAll(async () => {
    node = await ClusterNode.start(options);
    node.installPlugin("macvlan-with-mtu", macvlanWithMtu);
    await node.api.createNamespace("media");
    await node.applyNetwork("default", "storage", node.macvlan(["10.130.0.0/24", "fd13::/64"]));
    await node.applyNetwork("default", "video", {
      ...node.macvlan(["10.131.0.0/24"], { mtu: 1400 }),
      cniVersion: "1.1.0",
      type: "macvlan-with-mtu",
      dns: { nameservers: ["10.131.0.53"], domain: "video.test", search: ["video.test", "test"] },
    });
    await node.applyNetwork("media", "backup", node.macvlan(["10.132.0.0/24"]));
    // The first pod finds caches warm or warms them.
    const before = await node.traces();
    await node.applyPod("default", "first", "storage,video,media/backup");
    await node.waitForPod("default", "first");
    await node.waitForNetworkStatus("default", "first");
    await node.deletePods("default", "first");
    await node.untilNothingIsLeft(before);
  });

  afterAll(() => node?.[Symbol.asyncDispose]());

  test("one with three networks of two namespaces: links, network-status, events, requests; then nothing is left", async () => {
    const before = await node.traces();
    const requestsBefore = node.proxy.requests.length;
    await node.apply(node.podManifest("default", "web", "storage, video@vid0, media/backup"));
    const pod = await node.waitForPod("default", "web");
    const status = await node.waitForNetworkStatus("default", "web");
    const added = await node.until("four AddedInterface events", async () => {
      const events = await node.events("default", "web");
      const ours = events.filter(({ reason }) => reason === "AddedInterface");
      return ours.length >= 4 && ours;
    });

    const links = await node.podLinks("default", "web");
    expect(links.map(({ ifname }) => ifname)).toEqual(["eth0", "net1", "vid0", "net3"]);
    const [eth0, net1, vid0, net3] = links;
    expect([eth0, net1, vid0, net3].map((link) => link && [...cidrs(link), ...cidrs(link, "inet6")])).toEqual(
      [
        [expect.stringMatching(/^10\.120\.\d+\.\d+\/22$/), expect.stringMatching(/^fd12::.+\/64$/)],
        [expect.stringMatching(/^10\.130\.0\.\d+\/24$/), expect.stringMatching(/^fd13::.+\/64$/)],
        [expect.stringMatching(/^10\.131\.0\.\d+\/24$/)],
        [expect.stringMatching(/^10\.132\.0\.\d+\/24$/)],
      ],
    );
    expect(pod.status.podIPs?.map(({ ip }) => ip)).toEqual(addresses(eth0));

    expect(status).toEqual([
      {
        name: "cluster",
        interface: "eth0",
        ips: addresses(eth0),
        mac: eth0?.address,
        default: true,
        dns: {},
        gateway: ["10.120.0.1", "fd12::1"],
      },
      { name: "default/storage", interface: "net1", ips: addresses(net1), mac: net1?.address, dns: {} },
      {
        name: "default/video",
        interface: "vid0",
        ips: addresses(vid0),
        mac: vid0?.address,
        mtu: 1400,
        dns: { nameservers: ["10.131.0.53"], domain: "video.test", search: ["video.test", "test"] },
      },
      { name: "media/backup", interface: "net3", ips: addresses(net3), mac: net3?.address, dns: {} },
    ]);
    expect(vid0?.mtu).toBe(1400);

    expect(added.map(({ note }) => note).sort()).toEqual(
      [
        ["eth0", eth0, "cluster"] as const,
        ["net1", net1, "default/storage"] as const,
        ["vid0", vid0, "default/video"] as const,
        ["net3", net3, "media/backup"] as const,
      ]
        .map(([ifName, link, network]) => {
          const all = link === undefined ? [] : [...cidrs(link), ...cidrs(link, "inet6")];
          return `Add ${ifName} [${all.join(" ")}] from ${network}`;
        })
        .sort(),
    );
    expect(new Set(added.map(({ type, regarding }) => `${type} ${regarding.uid}`))).toEqual(
      new Set([`Normal ${pod.metadata.uid}`]),
    );

    const requests = node.proxy.requests.slice(requestsBefore).map(({ method, path }) => `${method} ${path}`);
    expect(requests.filter((request) => !request.startsWith("POST /apis/events.k8s.io/"))).toEqual([
      expect.stringMatching(/^PATCH \/api\/v1\/namespaces\/default\/pods\/web\/status(\?|$)/),
    ]);
    expect(requests).toHaveLength(1 + 4);

    await node.deletePods("default", "web");
    await node.untilNothingIsLeft(before);
  });

  test("twenty at once: all run, no address is given twice, all go", async () => {
    const before = await node.traces();
    const names = Array.from({ length: 20 }, (_, index) => `many-${index}`);
    await node.apply(
      documents(names.map((name) => node.podManifest("default", name, "storage,video,media/backup"))),
    );
    await node.waitForPods("default", names);
    const statuses = await Promise.all(names.map((name) => node.waitForNetworkStatus("default", name)));
    const links = await Promise.all(names.map((name) => node.podLinks("default", name)));

    expect(links.map((each) => each.map(({ ifname }) => ifname))).toEqual(
      names.map(() => ["eth0", "net1", "net2", "net3"]),
    );
    const given = links.flat().flatMap((link) => addresses(link));
    expect(given).toHaveLength(names.length * 6);
    expect(new Set(given).size).toBe(given.length);
    expect(statuses.flat().flatMap(({ ips }) => ips)).toEqual(given);

    await node.deletePods("default", ...names);
    await node.untilNothingIsLeft(before);
    expect(await node.pods("default")).toEqual([]);
  });

  test("no event says that something went wrong with a pod's network", async () => {
    const failures = (await node.allEvents()).filter(({ reason }) =>
      ["FailedCreatePodSandBox", "FailedKillPod", "NoNetworkFound", "InvalidNetwork"].includes(reason),
    );
    expect(failures).toEqual([]);
  });
});
