/** Wrong input of every kind: a CNI error on stdout that says which file or field and where, and no delegate is run. */

import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { traces } from "../support/leaks.ts";
import type { PluginCall } from "../support/plugin.ts";
import { masterLink, TestNode } from "../support/test-node.ts";

type Json = Readonly<Record<string, unknown>>;

interface Case {
  readonly about: string;
  /** Keys laid over a good netconf; a text is stdin as it is. */
  readonly netconf?: Json | string;
  /** The pod's networks annotation. */
  readonly networks?: string;
  readonly call?: Partial<PluginCall>;
  /** The codes that the spec allows for it. */
  readonly codes: readonly number[];
  /** Each must be in msg or details. */
  readonly says: readonly RegExp[];
}

const cases: readonly Case[] = [
  {
    about: "a netconf that is not JSON",
    netconf: '{\n  "cniVersion": "1.0.0",\n  "name": oops\n}',
    codes: [6],
    says: [/3[:, ]|line 3/],
  },
  {
    about: "a netconf that is cut short",
    netconf: '{"cniVersion":"1.0.0","name":',
    codes: [6],
    says: [/line 1|1:/],
  },
  { about: "no netconf", netconf: "", codes: [6], says: [/empty|no |nothing|end/i] },
  { about: "a netconf that is a list", netconf: "[]", codes: [6, 7], says: [/object/] },
  {
    about: "a netconf without any network",
    netconf: { delegates: undefined },
    codes: [7],
    says: [/delegates/, /clusterNetwork/],
  },
  {
    about: "a version that nobody speaks",
    netconf: { cniVersion: "9.9.9" },
    codes: [1],
    says: [/9\.9\.9/, /1\.1\.0/],
  },
  {
    about: "a number where a text belongs",
    netconf: { confDir: 7 },
    codes: [7],
    says: [/confDir/, /string/],
  },
  {
    about: "a delegate without a type",
    netconf: { delegates: [{ cniVersion: "1.0.0", name: "cluster" }] },
    codes: [7],
    says: [/delegates/, /type|plugins/],
  },
  {
    about: "a cluster network that is nowhere",
    netconf: { delegates: undefined, clusterNetwork: "nowhere" },
    codes: [7],
    says: [/nowhere/],
  },
  {
    about: "a conflist on disk that is broken",
    netconf: { delegates: undefined, clusterNetwork: "broken" },
    codes: [6, 7],
    says: [/10-broken\.conflist/, /4[:, ]|line 4/],
  },
  {
    about: "a conflist on disk whose plugin has no type",
    netconf: { delegates: undefined, clusterNetwork: "typeless" },
    codes: [6, 7],
    says: [/20-typeless\.conflist/, /plugins/, /type/],
  },
  {
    about: "an annotation that is broken JSON",
    networks: '[{"name": "good"},\n {"name" }]',
    codes: [6, 7],
    says: [/networks/, /2[:, ]|line 2/],
  },
  {
    about: "an annotation with a bad MAC",
    networks: '[{"name":"good","mac":"c2:b0:57"}]',
    codes: [7],
    says: [/mac/, /c2:b0:57/],
  },
  {
    about: "an annotation with a bad address",
    networks: '[{"name":"good","ips":["10.0.0.300"]}]',
    codes: [7],
    says: [/ips/, /10\.0\.0\.300/],
  },
  { about: "an annotation with a bad name", networks: "Good_Network", codes: [7], says: [/Good_Network/] },
  {
    about: "an annotation with an interface name that is too long",
    networks: "good@interface-name-too-long",
    codes: [7],
    says: [/interface-name-too-long/],
  },
  {
    about: "a network that there is not",
    networks: "default/missing",
    codes: [7],
    says: [/default\/missing/, /default\/broken-input/],
  },
  {
    about: "a NAD whose config is not JSON",
    networks: "unreadable",
    codes: [6, 7],
    says: [/unreadable/, /2[:, ]|line 2/],
  },
  {
    about: "a NAD without a plugin's type",
    networks: "typeless",
    codes: [6, 7],
    says: [/typeless/, /type|plugins/],
  },
  {
    about: "a container id with a path in it",
    call: { containerId: "../../etc/passwd" },
    codes: [4],
    says: [/CONTAINERID|container id/i],
  },
  { about: "no container id", call: { containerId: "" }, codes: [4], says: [/CONTAINERID|container id/i] },
  {
    about: "an interface name with a slash",
    call: { ifName: "eth/0" },
    codes: [4],
    says: [/IFNAME|interface name/i],
  },
  { about: "no namespace", call: { netns: "" }, codes: [4], says: [/NETNS|namespace/i] },
  {
    about: "a namespace that is not there",
    call: { netns: "/run/netns/not-there-at-all" },
    codes: [3, 4, 5, 7, 999],
    says: [/not-there-at-all/],
  },
  {
    about: "CNI_ARGS without a value",
    call: { args: "IgnoreUnknown=1;K8S_POD_NAME" },
    codes: [4],
    says: [/CNI_ARGS|K8S_POD_NAME/],
  },
];

describe("bad input:", () => {
  let node: TestNode;
  let good: Json;

  beforeAll(async () => {
    node = await TestNode.start();
    good = node.netconf({
      cniVersion: "1.0.0",
      name: "cluster",
      type: "bridge",
      bridge: "cni0",
      ipam: node.hostLocal("10.50.0.0/24"),
    });
    await node.network.ip("link", "add", "cni0", "type", "bridge");
    node.writeNetwork("default/good", {
      cniVersion: "1.0.0",
      name: "good",
      type: "macvlan",
      master: masterLink,
      ipam: {},
    });
    node.writeNetwork("default/unreadable", '{\n  "cniVersion": "1.0.0" "type": "macvlan"\n}');
    node.writeNetwork("default/typeless", { cniVersion: "1.0.0", name: "typeless", master: masterLink });
    mkdirSync(node.confDir, { recursive: true });
    writeFileSync(
      join(node.confDir, "10-broken.conflist"),
      '{\n  "cniVersion": "1.0.0",\n  "name": "broken",\n  "plugins": [,]\n}\n',
    );
    writeFileSync(
      join(node.confDir, "20-typeless.conflist"),
      JSON.stringify({ cniVersion: "1.0.0", name: "typeless", plugins: [{ bridge: "cni0" }] }),
    );
  });

  afterAll(async () => {
    await node?.[Symbol.asyncDispose]();
  });

  test.each(cases)("$about", async ({ netconf, networks, call, codes, says }) => {
    const before = await traces(node);
    await using pod = await node.pod("broken-input", networks);
    const answer =
      typeof netconf === "string"
        ? await node.addAtDefaultSocket(pod, netconf)
        : await node.call("ADD", pod, { ...good, ...netconf }, call);
    const { error } = answer;
    expect(codes, error.msg).toContain(error.code);
    for (const pattern of says) expect(`${error.msg}\n${error.details ?? ""}`).toMatch(pattern);
    expect(answer.exitCode).not.toBe(0);
    expect(await pod.network.links()).toEqual([]);
    expect({ ...(await traces(node)), state: [] }).toEqual({ ...before, state: [] });
    (await node.call("DEL", pod, good)).expectSuccess();
    expect(await traces(node)).toEqual(before);
  });
});
