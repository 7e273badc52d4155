/** Requests of a node that belongs to a cluster. */

import { existsSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeAll, beforeEach, describe, expect, test, vi } from "vitest";
import { CniError } from "../../../src/cni/errors.ts";
import type { Kernels } from "../../../src/kernels/index.ts";
import { loadKernels } from "../../../src/kernels/load.ts";
import { type LogFields, type Logger, silentLogger } from "../../../src/log/logger.ts";
import { apiIsAway, PretendedCluster } from "../../support/pretended-cluster.ts";
import type { Json } from "../../support/pretended-plugins.ts";
import { RecordingLogger } from "../../support/recording-logger.ts";
import { answerOf, containerId, Rig, selecting } from "./rig.ts";

let kernels: Kernels;
let cluster: PretendedCluster;

beforeAll(() => {
  kernels = loadKernels();
});

beforeEach(() => {
  cluster = new PretendedCluster();
});

const macvlan: Json = { cniVersion: "1.0.0", type: "macvlan" };
const named = { delegates: undefined, clusterNetwork: "flat" };

/** A rig in the cluster; the pod has these annotations there. */
function rigWith(annotations: Readonly<Record<string, string>> = {}): Rig {
  cluster.addPod("default/web", annotations);
  return new Rig(kernels, { clusters: cluster });
}

describe("ADD", () => {
  test("takes networks and annotations from the cluster, and reports what it did", async () => {
    using rig = rigWith(selecting("a,other/b@x0"));
    cluster.addNad("default/a", macvlan);
    cluster.addNad("other/b", { ...macvlan, type: "sriov" });
    expect((await rig.run("ADD")).error).toBeUndefined();
    expect(rig.plugins.trace).toEqual(["ADD bridge eth0", "ADD macvlan net1", "ADD sriov x0"]);
    expect(cluster.reasons).toEqual([
      "AddedInterface Add eth0 [10.1.0.5/16] from cluster",
      "AddedInterface Add net1 [10.1.0.5/16] from default/a",
      "AddedInterface Add x0 [10.1.0.5/16] from other/b",
    ]);
    expect(cluster.status).toMatchObject([
      { name: "cluster", interface: "eth0", default: true },
      { name: "default/a", interface: "net1" },
      { name: "other/b", interface: "x0" },
    ]);
    const web = { namespace: "default", name: "web", uid: "u-1", sandboxId: containerId };
    expect(cluster.statusOf).toEqual(web);
    expect(cluster.subjects).toEqual([web, web, web]);
    expect(cluster.trace).toEqual([
      "find web retry",
      "nad default/a",
      "nad other/b",
      "status",
      "event AddedInterface",
      "event AddedInterface",
      "event AddedInterface",
    ]);
  });

  test("has phases for what it waits for: the readiness file where there is one, and the pod", async () => {
    using rig = rigWith();
    const netconf = { readinessindicatorfile: rig.writeFile("ready", "") };
    const { report } = await rig.run("ADD", { netconf });
    expect([...report.phases.keys()]).toEqual([
      "netconf",
      "ready",
      "pod-lookup",
      "plan",
      "plan-file",
      "delegates",
      "status",
    ]);
  });

  test("has an entry in the status for each attachment, whatever its result lists", async () => {
    using rig = rigWith(selecting("a,b,c@if3"));
    const results: Readonly<Record<string, string>> = {
      eth0: '{"cniVersion":"0.2.0","ip4":{"ip":"10.0.0.5/8","routes":[{"dst":"0.0.0.0/0","gw":"10.0.0.1"}]}}',
      net1: '{"cniVersion":"0.4.0","ips":[{"version":"4","address":"10.0.0.6/8"}]}',
      net2: "null",
      if3: '{"interfaces":[{"name":"host1"},{"name":"host2"}],"ips":[{"address":"10.0.0.7/8","interface":9}]}',
    };
    for (const name of ["a", "b", "c"]) cluster.addNad(`default/${name}`, macvlan);
    rig.plugins.behaviour = ({ ifName, command }) =>
      command === "ADD" ? { stdout: results[ifName] } : undefined;
    expect((await rig.run("ADD")).error).toBeUndefined();
    expect(cluster.status).toEqual([
      {
        name: "cluster",
        interface: "eth0",
        ips: ["10.0.0.5"],
        default: true,
        dns: {},
        gateway: ["10.0.0.1"],
      },
      { name: "default/a", interface: "net1", ips: ["10.0.0.6"], dns: {} },
      { name: "default/b", interface: "net2", dns: {} },
      { name: "default/c", interface: "if3", ips: ["10.0.0.7"], dns: {} },
    ]);
    // Nothing was made that could be told of.
    expect(cluster.reasons).toEqual([
      "AddedInterface Add eth0 [10.0.0.5/8] from cluster",
      "AddedInterface Add net1 [10.0.0.6/8] from default/a",
      "AddedInterface Add if3 [10.0.0.7/8] from default/c",
    ]);
  });

  test("does not wait for the sink", async () => {
    using rig = rigWith();
    cluster.sink.networkStatus = () => new Promise(() => {});
    cluster.sink.event = () => new Promise(() => {});
    expect((await rig.run("ADD")).exitCode).toBe(0);
  });

  test("writes a static pod's status to its mirror; its events have the kubelet's UID, as Kubernetes' own", async () => {
    using rig = new Rig(kernels, { clusters: cluster });
    cluster.addPod("default/web", {}, "u-mirror", true);
    await rig.run("ADD", { annotations: { "kubernetes.io/config.source": "file" } });
    expect(cluster.statusOf).toMatchObject({ uid: "u-mirror" });
    expect(cluster.subjects).toMatchObject([{ uid: "u-1" }]);
  });

  test("writes the status of a system's pod too, as Go multus in effect does", async () => {
    using rig = rigWith();
    cluster.addPod("kube-system/dns", {}, "u-9");
    const request = { args: "K8S_POD_NAMESPACE=kube-system;K8S_POD_NAME=dns" };
    await rig.run("ADD", { request });
    expect(cluster.trace).toEqual(["find dns retry", "status", "event AddedInterface"]);
    expect(cluster.status).toMatchObject([{ name: "cluster", interface: "eth0", default: true }]);
    // The runtime names no UID.
    expect(cluster.subjects).toMatchObject([{ uid: "u-9" }]);
  });

  test("asks nothing, and reports nothing, where the request names no pod", async () => {
    using rig = rigWith();
    for (const args of ["", "K8S_POD_NAME=web", "K8S_POD_NAMESPACE=default"]) {
      expect((await rig.run("ADD", { request: { args } })).exitCode).toBe(0);
    }
    expect(cluster.trace).toEqual([]);
  });

  test("that fails has one event, of the network that failed, and none of what was undone; and no status", async () => {
    using rig = rigWith(selecting("a,b"));
    cluster.addNad("default/a", macvlan);
    cluster.addNad("default/b", { ...macvlan, type: "sriov" });
    rig.plugins.behaviour = ({ plugin, command }) =>
      plugin === "sriov" && command === "ADD" ? { exitCode: 1, stdout: "" } : undefined;
    expect((await rig.run("ADD")).exitCode).toBe(1);
    expect(cluster.events).toEqual([
      [
        "Warning",
        "NetworkNotAttached",
        'network default/b is not attached as net2: plugin "sriov" (ADD) failed with exit code 1: nothing on stdout',
      ],
    ]);
    expect(cluster.status).toBeUndefined();
  });

  test.each([
    [
      "is longer than an annotation can be",
      3_000,
      "",
      /network-status has \d{6} bytes, and an annotation can have at most 262144/,
    ],
    [
      "repeats so much that no kernel writes it",
      2_000,
      "x".repeat(10_000),
      /network-status has more than 16 MiB/,
    ],
  ])("fails where the network-status %s, and undoes everything", async (_, count, domain, message) => {
    using rig = rigWith(selecting("a"));
    cluster.addNad("default/a", macvlan);
    const interfaces = Array.from({ length: count }, (_, index) => {
      return { name: `if${index}`, mac: "02:00:00:00:00:01", sandbox: "/n", mtu: 9000 };
    });
    const stdout = { cniVersion: "1.0.0", interfaces, dns: { domain: `${domain}a-domain-for-all-of-them` } };
    rig.plugins.behaviour = ({ plugin, command }) =>
      plugin === "macvlan" && command === "ADD" ? { stdout } : undefined;
    expect(answerOf(await rig.run("ADD"))).toMatchObject({ code: 6, msg: expect.stringMatching(message) });
    expect(cluster.status).toBeUndefined();
    expect(rig.plugins.trace.slice(2)).toEqual(["DEL macvlan net1", "DEL bridge eth0"]);
  });

  test("hands no status over where its answer cannot be given, and undoes everything", async () => {
    cluster.addPod("default/web", {});
    const unable: Kernels = {
      ...loadKernels(),
      convertResult: () => {
        throw new Error("no such conversion");
      },
    };
    using rig = new Rig(unable, { clusters: cluster });
    expect((await rig.run("ADD")).exitCode).toBe(1);
    expect(cluster.status).toBeUndefined();
    expect(rig.plugins.trace).toEqual(["ADD bridge eth0", "DEL bridge eth0"]);
  });

  test("with a kubeconfig that cannot be used fails with what is wrong with it", async () => {
    const clusters = { of: async () => Promise.reject(new CniError(7, "kubeconfig /x: not YAML")) };
    using rig = new Rig(kernels, { clusters });
    expect(answerOf(await rig.run("ADD"))).toMatchObject({
      code: 7,
      msg: expect.stringContaining("kubeconfig /x: not YAML"),
    });
  });

  test("asks for the cluster of its netconf", async () => {
    const asked: string[] = [];
    using rig = new Rig(kernels, {
      clusters: { of: async (kubeconfig) => void asked.push(kubeconfig) as undefined },
    });
    await rig.run("ADD", { netconf: { kubeconfig: "/etc/k" } });
    await rig.run("ADD");
    expect(asked).toEqual(["/etc/k", ""]);
  });
});

describe("an API that is away", () => {
  test("does not keep a pod from its networks where annotations and NADs are there", async () => {
    using rig = new Rig(kernels, { clusters: cluster });
    cluster.addNad("default/a", macvlan);
    cluster.away = true;
    const { error } = await rig.run("ADD", { annotations: selecting("a") });
    expect(error).toBeUndefined();
    expect(rig.plugins.trace).toEqual(["ADD bridge eth0", "ADD macvlan net1"]);
    expect(cluster.status).toMatchObject([{}, { name: "default/a" }]);
  });

  test.each([
    ["the pod's annotations", undefined, {}],
    ["a selected NAD", selecting("a"), {}],
    ["the clusterNetwork's NAD, though a file has its name", {}, named],
    ["a default network's NAD", {}, { ...named, clusterNetwork: "/", defaultNetworks: ["flat"] }],
  ])("is code 11 where %s cannot be had", async (_what, annotations, netconf) => {
    using rig = new Rig(kernels, { clusters: cluster });
    const file = rig.writeFile("net.d/flat.conf", { ...macvlan, name: "flat" });
    const path = "clusterNetwork" in netconf && netconf.clusterNetwork === "/";
    cluster.away = true;
    const handled = await rig.run("ADD", {
      ...(annotations === undefined ? {} : { annotations }),
      netconf: path ? { ...netconf, clusterNetwork: file } : netconf,
    });
    expect(answerOf(handled)).toMatchObject({ code: 11, msg: expect.stringContaining(apiIsAway().message) });
    expect(rig.plugins.calls).toEqual([]);
    // It says nothing about the NAD.
    expect(cluster.events).toEqual([]);
  });

  test("is not asked about a clusterNetwork that is a path", async () => {
    using rig = new Rig(kernels, { clusters: cluster });
    const clusterNetwork = rig.writeFile("flat.conf", { ...macvlan, name: "flat" });
    cluster.away = true;
    const { exitCode } = await rig.run("ADD", { annotations: {}, netconf: { ...named, clusterNetwork } });
    expect(exitCode).toBe(0);
    expect(cluster.trace).not.toContainEqual(expect.stringContaining("nad"));
  });
});

describe("a pod that is gone", () => {
  test.each([
    ["1.1.0", { ips: [{ address: "0.0.0.0/0", gateway: "0.0.0.0" }] }],
    ["1.0.0", { ips: [{ address: "0.0.0.0/0", gateway: "0.0.0.0" }] }],
    ["0.3.1", { ips: [{ version: "4", address: "0.0.0.0/0", gateway: "0.0.0.0" }] }],
    ["0.2.0", { ip4: { ip: "0.0.0.0/0", gateway: "0.0.0.0" } }],
  ])("gets an empty success in the netconf's version %s", async (cniVersion, addresses) => {
    using rig = new Rig(kernels, { clusters: cluster });
    const handled = await rig.run("ADD", { netconf: { cniVersion } });
    expect(handled.exitCode).toBe(0);
    const interfaces = [{ name: "eth0", sandbox: "/run/netns/pod" }];
    expect(answerOf(handled)).toMatchObject({
      cniVersion,
      ...(cniVersion === "0.2.0" ? {} : { interfaces }),
      ...addresses,
    });
    expect(rig.plugins.calls).toEqual([]);
    expect(existsSync(join(rig.cniDir, containerId))).toBe(false);
    expect(cluster.trace).toEqual(["find web retry"]);
  });

  test("has a DEL that calls no plugin", async () => {
    using rig = new Rig(kernels, { clusters: cluster });
    await rig.run("ADD", { annotations: selecting("a") });
    expect((await rig.run("DEL", { annotations: selecting("a") })).exitCode).toBe(0);
    expect(rig.plugins.calls).toEqual([]);
  });
});

describe("networks of the cluster", () => {
  test("go before manifests of the same name, which fill in for those that it does not have", async () => {
    using rig = rigWith(selecting("a,b"));
    cluster.addNad("default/a", macvlan);
    rig.addNad("default/a", { ...macvlan, type: "ipvlan" });
    rig.addNad("default/b", { ...macvlan, type: "sriov" });
    expect((await rig.run("ADD")).exitCode).toBe(0);
    expect(rig.plugins.trace.slice(1)).toEqual(["ADD macvlan net1", "ADD sriov net2"]);
    expect(cluster.reasons.join()).not.toContain("NoNetworkFound");
  });

  test("may be the cluster network and default networks, by a NAD of multusNamespace before any file", async () => {
    using rig = rigWith();
    for (const name of ["flat", "second", "third"]) {
      rig.writeFile(`net.d/${name}.conf`, { ...macvlan, name, type: "ipvlan" });
    }
    cluster.addNad("networks/flat", macvlan);
    cluster.addNad("networks/second", macvlan);
    cluster.addNad("kube-system/third", macvlan);
    const netconf = { ...named, multusNamespace: "networks", defaultNetworks: ["second", "third"] };
    expect((await rig.run("ADD", { netconf })).exitCode).toBe(0);
    expect(rig.plugins.trace).toEqual(["ADD macvlan eth0", "ADD macvlan net1", "ADD ipvlan net2"]);
    expect(cluster.status).toMatchObject([
      { name: "networks/flat", default: true },
      { name: "networks/second" },
      { name: "third" },
    ]);
    // A network found in a file is not missing.
    expect(cluster.reasons.filter((text) => !text.startsWith("AddedInterface"))).toEqual([]);
  });

  test("are missing where neither a definition nor a file has the name: one event", async () => {
    using rig = rigWith({});
    expect(answerOf(await rig.run("ADD", { netconf: named }))).toMatchObject({ code: 7 });
    expect(cluster.reasons).toEqual([
      "NoNetworkFound cannot find a network-attachment-definition (flat) in namespace (kube-system)",
    ]);
  });

  describe("have a broken definition", () => {
    let log: RecordingLogger;
    beforeEach(() => {
      log = new RecordingLogger();
    });
    const withFiles = () => {
      const rig = rigWith({});
      for (const name of ["flat", "second"]) {
        rig.writeFile(`net.d/${name}.conf`, { ...macvlan, name, type: "ipvlan" });
      }
      return rig;
    };
    const netconf = { ...named, defaultNetworks: ["second"] };
    const run = (rig: Rig) => rig.run("ADD", { netconf, log });

    test.each([
      ["is no JSON", '{"type":', "not valid JSON"],
      ["has neither type nor plugins", '{"cniVersion":"1.0.0"}', "must have a type"],
      ["has a plugin without a type", '{"cniVersion":"1.0.0","plugins":[{}]}', "plugins[0]"],
    ])("that %s: the file is used, and an event and the log say so", async (_, config, problem) => {
      using rig = withFiles();
      cluster.addNad("kube-system/flat", config);
      cluster.addNad("kube-system/second", config);
      expect((await run(rig)).exitCode).toBe(0);
      expect(rig.plugins.trace).toEqual(["ADD ipvlan eth0", "ADD ipvlan net1"]);
      const said = ["flat", "second"].map((name) =>
        expect.stringMatching(
          new RegExp(
            `^InvalidNetwork .*kube-system/${name}.*the file of .*net\\.d with the name ${name} is used instead$`,
          ),
        ),
      );
      const events = cluster.reasons.filter((text) => !text.startsWith("AddedInterface"));
      expect(events).toEqual(said);
      expect(events.join()).toContain(problem);
      const passedOver = "skipping a broken network-attachment-definition";
      expect(log.errors.filter((message) => message === passedOver)).toHaveLength(2);
      expect(log.causes).toEqual(expect.arrayContaining(events.map((text) => text.replace(/^\w+ /, ""))));
    });

    test("and no file: the ADD fails with what is wrong with the definition", async () => {
      using rig = rigWith({});
      cluster.addNad("kube-system/flat", '{"type":');
      expect(answerOf(await run(rig))).toMatchObject({
        code: 6,
        msg: expect.stringContaining("kube-system/flat"),
      });
      expect(cluster.reasons).toEqual([expect.stringMatching(/^InvalidNetwork .*kube-system\/flat/)]);
      expect(cluster.reasons.join()).not.toContain("instead");
    });

    test("and a broken file: the definition's own error", async () => {
      using rig = rigWith({});
      rig.writeFile("net.d/broken.conf", "{");
      cluster.addNad("kube-system/flat", '{"type":');
      expect(answerOf(await run(rig))).toMatchObject({
        code: 6,
        msg: expect.stringContaining("kube-system/flat"),
      });
    });

    test.each([
      ["an API that does not answer", () => Promise.reject(new CniError(11, "the API does not answer"))],
      ["one in a version that is not supported", undefined],
      ["one that is refused, as it runs Multus", { ...macvlan, type: "multus" }],
    ])("does not mean %s: no file stands for it", async (_, odd) => {
      using rig = withFiles();
      if (typeof odd === "function") cluster.nads.get = odd;
      else cluster.addNad("kube-system/flat", odd ?? { ...macvlan, cniVersion: "9.0.0" });
      expect((await run(rig)).exitCode).toBe(1);
      expect(rig.plugins.calls).toEqual([]);
      expect(cluster.reasons.join()).not.toContain("instead");
    });

    test("a pod's annotation that names one fails: no file of the node stands for it", async () => {
      using rig = rigWith(selecting("kube-system/flat"));
      rig.writeFile("net.d/flat.conf", { ...macvlan, name: "flat", type: "ipvlan" });
      cluster.addNad("kube-system/flat", '{"type":');
      expect(answerOf(await rig.run("ADD"))).toMatchObject({ code: 6 });
      expect(rig.plugins.calls).toEqual([]);
    });
  });

  test("default ones are left out for pods of systemNamespaces", async () => {
    using rig = new Rig(kernels, { clusters: cluster });
    cluster.addPod("infra/dns", {}, "u-1");
    cluster.addNad("kube-system/flat", macvlan);
    cluster.addNad("kube-system/second", macvlan);
    const netconf = { ...named, defaultNetworks: ["second"], systemNamespaces: ["infra"] };
    const request = { args: "K8S_POD_NAMESPACE=infra;K8S_POD_NAME=dns" };
    await rig.run("ADD", { netconf, request });
    expect(rig.plugins.trace).toEqual(["ADD macvlan eth0"]);
    expect(cluster.status).toMatchObject([{ name: "kube-system/flat", default: true }]);
  });

  test("one replaces the cluster network where the pod's annotation says so", async () => {
    using rig = rigWith({ "v1.multus-cni.io/default-network": "special" });
    cluster.addNad("kube-system/special", macvlan);
    expect((await rig.run("ADD")).exitCode).toBe(0);
    expect(rig.plugins.trace).toEqual(["ADD macvlan eth0"]);
    expect(cluster.status).toMatchObject([{ name: "kube-system/special", default: true }]);
  });

  test("of an empty spec are the files of their name", async () => {
    using rig = rigWith(selecting("filed"));
    cluster.addNad("default/filed", undefined);
    rig.writeFile("net.d/f.conf", { ...macvlan, name: "filed" });
    expect((await rig.run("ADD")).exitCode).toBe(0);
    expect(rig.plugins.trace.slice(1)).toEqual(["ADD macvlan net1"]);
    expect(cluster.status).toMatchObject([{}, { name: "default/filed" }]);
  });

  test.each([
    [{ namespaceIsolation: true }, "namespace isolation is on"],
    [{ namespaceIsolation: true, globalNamespaces: "c, b" }, undefined],
    [{ namespaceIsolation: false }, undefined],
  ])("of another namespace: %o", async (netconf, refusal) => {
    using rig = rigWith(selecting("b/net"));
    cluster.addNad("b/net", macvlan);
    const handled = await rig.run("ADD", { netconf });
    expect(handled.error?.message).toEqual(refusal && expect.stringContaining(refusal));
    expect(rig.plugins.calls).toHaveLength(refusal === undefined ? 2 : 0);
  });
});

describe("a network that is no use", () => {
  const broken: readonly (readonly [string, string, string, number])[] = [
    ["broken JSON", '{\n  "type": oops}', "line 2, column 11", 6],
    [
      "no type",
      '\n{"cniVersion":"1.0.0"}',
      "must have a type (one plugin) or plugins (a list of them) (line 2, column 1)",
      7,
    ],
    [
      "a type of the wrong kind",
      '{"cniVersion":"1.0.0",\n"type":5}',
      "type must be a string (line 2, column 8)",
      7,
    ],
    ["a plugin without a type", '{"plugins":[\n{}]}', "plugins[0]: type is missing (line 2, column 1)", 7],
    [
      "plugins of the wrong kind",
      '{"cniVersion":"1.0.0","plugins":\n{}}',
      "plugins must be an array (line 2, column 1)",
      7,
    ],
    ["an unknown version", '{"cniVersion":\n "7.0.0","type":"macvlan"}', "1.1.0 (line 2, column 2)", 1],
    ["2 MB", JSON.stringify({ ...macvlan, padding: "x".repeat(2_000_000) }), "at most 1048576", 7],
    ["no configuration at all", "", "no configuration in", 7],
  ];

  test.each(broken)(
    "for %s: the error and one event say which and where",
    async (_what, text, place, code) => {
      using rig = rigWith(selecting("bad,bad"));
      cluster.addNad("default/bad", text);
      const handled = await rig.run("ADD");
      const subject = "NetworkAttachmentDefinition default/bad";
      expect(answerOf(handled)).toMatchObject({ code, msg: expect.stringContaining(subject) });
      expect(handled.error?.message).toContain(place);
      expect(cluster.events).toEqual([["Warning", "InvalidNetwork", expect.stringContaining(place)]]);
      expect(cluster.reasons[0]).toContain(`InvalidNetwork ${subject}`);
      expect(rig.plugins.calls).toEqual([]);
    },
  );

  test("is one event in an ADD that looks for it twice", async () => {
    using rig = rigWith();
    cluster.addNad("kube-system/flat", "{");
    rig.writeFile("net.d/flat.conf", { ...macvlan, name: "flat" });
    await rig.run("ADD", { netconf: { ...named, defaultNetworks: ["flat"] } });
    expect(cluster.reasons.filter((text) => text.startsWith("InvalidNetwork"))).toHaveLength(1);
  });

  test("is no event where the cluster has no such pod", async () => {
    using rig = new Rig(kernels, { clusters: cluster });
    const annotations = { ...selecting("nothere"), "kubernetes.io/config.source": "file" };
    expect((await rig.run("ADD", { annotations })).exitCode).toBe(1);
    expect(cluster.trace).toEqual(["find web", "nad default/nothere"]);
  });

  test("is what its source says of it, too", async () => {
    using rig = rigWith(selecting("a"));
    cluster.nads.get = () => Promise.reject(new CniError(7, "NetworkAttachmentDefinition default/a: odd"));
    await rig.run("ADD");
    expect(cluster.reasons).toEqual(["InvalidNetwork NetworkAttachmentDefinition default/a: odd"]);
  });

  test("touches no other pod", async () => {
    using rig = rigWith(selecting("good"));
    cluster.addNad("default/bad", "{");
    cluster.addNad("default/good", macvlan);
    expect((await rig.run("ADD")).exitCode).toBe(0);
    expect(cluster.reasons.join()).not.toContain("InvalidNetwork");
  });

  test("does not exist: one event, and the ADD fails", async () => {
    using rig = rigWith(selecting("nothere"));
    expect(answerOf(await rig.run("ADD"))).toMatchObject({ code: 7 });
    expect(cluster.events).toEqual([
      [
        "Warning",
        "NoNetworkFound",
        "cannot find a network-attachment-definition (nothere) in namespace (default)",
      ],
    ]);
  });

  test.each([
    ["storrage", {}, "did you mean storage?"],
    ["backup", {}, "there is one in namespace infra (select infra/backup)"],
    ["backup", { namespaceIsolation: true }, ""],
    [
      "backup",
      { namespaceIsolation: true, globalNamespaces: "infra" },
      "there is one in namespace infra (select infra/backup)",
    ],
    ["strg", {}, ""],
  ])("%j does not exist, and with %j what is meant is named: %s", async (name, netconf, advice) => {
    using rig = rigWith(selecting(name));
    for (const key of ["default/storage", "default/video", "infra/backup", "infra/storrage2"]) {
      cluster.addNad(key, macvlan);
    }
    const handled = await rig.run("ADD", { netconf });
    const end = advice === "" ? "" : `: ${advice}`;
    expect(cluster.reasons).toEqual([
      `NoNetworkFound cannot find a network-attachment-definition (${name}) in namespace (default)${end}`,
    ]);
    expect(handled.error?.message).toMatch(
      /there is no network-attachment-definition \S+ in namespace default/,
    );
    expect(handled.error?.message.endsWith(`in namespace default${end}`)).toBe(true);
  });
});

describe("a network that is parsed once", () => {
  /** Kernels that count what they parse; the rest is not looked at. */
  function counting(): { kernels: Kernels; parsed: () => number } {
    let count = 0;
    const counted: Kernels = {
      ...kernels,
      splitConfig: (config) => {
        count++;
        return kernels.splitConfig(config);
      },
      adjustConfig: (input) => {
        count++;
        return kernels.adjustConfig(input);
      },
    };
    return {
      kernels: counted,
      parsed: () => {
        const before = count;
        count = 0;
        return before;
      },
    };
  }

  const pods = ["one", "two", "three"].map((id) => ({
    containerId: `c-${id}`,
    args: `K8S_POD_NAMESPACE=default;K8S_POD_NAME=${id};K8S_POD_UID=u-1`,
  }));

  test("is no work for the kernels at the next pod, whichever way it is selected", async () => {
    const { kernels: counted, parsed } = counting();
    using rig = new Rig(counted, { clusters: cluster });
    const annotations = selecting([{ name: "a" }, { name: "list", ips: ["10.9.0.1"], interface: "x0" }]);
    for (const name of ["one", "two", "three"]) cluster.addPod(`default/${name}`, annotations);
    cluster.addNad("kube-system/flat", macvlan);
    cluster.addNad("default/a", macvlan);
    // Without name and version: both have to be filled in.
    cluster.addNad("default/list", { plugins: [{ type: "sriov" }] });
    const work: number[] = [];
    for (const request of pods) {
      expect((await rig.run("ADD", { request, netconf: named })).exitCode).toBe(0);
      work.push(parsed());
    }
    expect(work).toEqual([expect.any(Number), 0, 0]);
    expect(work[0]).toBeGreaterThan(3);
    cluster.addNad("default/a", { ...macvlan, mode: "bridge" });
    await rig.run("ADD", { request: { ...pods[0], containerId: "c-four" }, netconf: named });
    expect(parsed()).toBeGreaterThan(0);
    expect(rig.plugins.calls.at(-2)?.stdin).toMatchObject({ mode: "bridge" });
  });

  test("is none either where it is broken", async () => {
    const { kernels: counted, parsed } = counting();
    using rig = new Rig(counted, { clusters: cluster });
    for (const name of ["one", "two"]) cluster.addPod(`default/${name}`, selecting("bad"));
    cluster.addNad("default/bad", "{");
    const messages: (string | undefined)[] = [];
    for (const request of pods.slice(0, 2)) {
      messages.push((await rig.run("ADD", { request })).error?.message.replace(/^\[[^\]]*\]/, ""));
    }
    parsed();
    await rig.run("ADD", { request: { ...pods[0] } });
    expect(parsed()).toBe(0);
    expect(messages[1]).toBe(messages[0]);
    expect(cluster.events).toHaveLength(3);
  });

  test("is another one in another cluster", async () => {
    const other = new PretendedCluster();
    const clusters = { of: async (kubeconfig: string) => (kubeconfig === "/other" ? other : cluster) };
    using rig = new Rig(kernels, { clusters });
    for (const each of [cluster, other]) each.addPod("default/web", selecting("a"));
    cluster.addNad("default/a", { ...macvlan, master: "one" });
    other.addNad("default/a", { ...macvlan, master: "other" });
    for (const [id, kubeconfig] of ["", "/other", "", "/other"].entries()) {
      await rig.run("ADD", { netconf: { kubeconfig }, request: { containerId: `c${id}` } });
    }
    expect(
      rig.plugins.calls.filter(({ ifName }) => ifName === "net1").map(({ stdin }) => stdin.master),
    ).toEqual(["one", "other", "one", "other"]);
    expect(cluster.trace.filter((line) => line === "status")).toHaveLength(2);
  });

  test("stays apart from another of the very same bytes", async () => {
    using rig = rigWith(selecting("a,b"));
    cluster.addNad("default/a", macvlan);
    const a = cluster.definitions.get("default/a");
    expect(a).toBeDefined();
    if (a !== undefined) {
      const where = "NetworkAttachmentDefinition default/b";
      cluster.definitions.set("default/b", { ...a, name: "b", where });
    }
    await rig.run("ADD");
    expect(rig.plugins.calls.map(({ stdin }) => stdin.name)).toEqual(["cluster", "a", "b"]);
  });
});

describe("DEL", () => {
  const deletions = ["DEL macvlan net1", "DEL bridge eth0"];

  /** A pod that is attached, and nothing asked or called since. */
  async function attached(): Promise<Rig> {
    const rig = rigWith(selecting("a"));
    cluster.addNad("default/a", macvlan);
    await rig.run("ADD");
    rig.plugins.calls.length = 0;
    cluster.trace.length = 0;
    cluster.events.length = 0;
    return rig;
  }

  afterEach(() => {
    vi.useRealTimers();
  });

  test.each([false, true, "never"] as const)(
    "asks nothing where there is a plan (away: %s)",
    async (away) => {
      using rig = await attached();
      cluster.watched.clear();
      cluster.definitions.clear();
      cluster.away = away;
      expect((await rig.run("DEL")).exitCode).toBe(0);
      expect(rig.plugins.trace).toEqual(deletions);
      expect(cluster.trace).toEqual(["withdraw"]);
      expect(cluster.withdrawn).toMatchObject([
        { namespace: "default", name: "web", sandboxId: containerId },
      ]);
    },
  );

  /** Nothing is left of the pod but what the cluster knows. */
  async function forgotten(): Promise<Rig> {
    using rig = await attached();
    const fresh = new Rig(kernels, { clusters: cluster });
    expect(rig.cniDir).not.toBe(fresh.cniDir);
    return fresh;
  }

  test("makes a lost plan again from the pod of the cluster", async () => {
    using rig = await forgotten();
    expect((await rig.run("DEL")).exitCode).toBe(0);
    expect(rig.plugins.trace).toEqual(deletions);
    expect(cluster.trace).toEqual(["withdraw", "ask web", "nad default/a"]);
  });

  test("does it from what is watched where the API is away", async () => {
    using rig = await forgotten();
    cluster.away = true;
    expect((await rig.run("DEL")).exitCode).toBe(0);
    expect(rig.plugins.trace).toEqual(deletions);
    expect(cluster.trace).toEqual(["withdraw", "ask web", "find web", "nad default/a"]);
  });

  test("does not ask for the pod where the request has its annotations", async () => {
    using rig = await forgotten();
    expect((await rig.run("DEL", { annotations: selecting("a") })).exitCode).toBe(0);
    expect(rig.plugins.trace).toEqual(deletions);
    expect(cluster.trace).toEqual(["withdraw", "nad default/a"]);
  });

  test("takes no other pod's networks", async () => {
    using rig = await forgotten();
    cluster.addPod("default/web", selecting("a"), "u-2");
    expect((await rig.run("DEL")).exitCode).toBe(0);
    expect(rig.plugins.calls).toEqual([]);
  });

  test("of a pod that the cluster does not have either is a success", async () => {
    using rig = await forgotten();
    cluster.watched.clear();
    expect((await rig.run("DEL")).exitCode).toBe(0);
    expect(rig.plugins.calls).toEqual([]);
  });

  test.each([
    ["away", {}],
    ["away, and a network is asked for", { annotations: selecting("a") }],
  ])("is a success with an API that is %s, and says what it could not have", async (_what, given) => {
    using rig = await forgotten();
    cluster.watched.clear();
    cluster.definitions.clear();
    cluster.away = true;
    const errors: string[] = [];
    const log: Logger = {
      ...silentLogger,
      error: (_message: string, fields: LogFields = {}) => void errors.push(String(fields.error)),
    };
    expect((await rig.run("DEL", { ...given, log })).exitCode).toBe(0);
    expect(errors).toEqual([expect.stringContaining(apiIsAway().message)]);
    expect(rig.plugins.calls).toEqual([]);
  });

  test.each([
    ["the pod", {}],
    ["its networks", { annotations: selecting("a") }],
  ])(
    "waits some seconds at most for an answer about %s, and undoes what the disk says",
    async (_what, given) => {
      using rig = await attached();
      rig.writeFile(`cni/${containerId}`, "torn");
      cluster.watched.clear();
      cluster.definitions.clear();
      cluster.away = "never";
      cluster.trace.length = 0;
      vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
      const handled = rig.run("DEL", given);
      const asked = expect.stringMatching(/^(ask|nad) /);
      await vi.waitFor(() => expect(cluster.trace).toContainEqual(asked), 60_000);
      await vi.advanceTimersByTimeAsync(10_000);
      expect((await handled).exitCode).toBe(0);
      expect(rig.plugins.trace).toEqual(deletions);
    },
  );

  test("leaves no timer behind where the answer was there at once", async () => {
    using rig = await forgotten();
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    await rig.run("DEL");
    expect(rig.plugins.trace).toEqual(deletions);
    expect(vi.getTimerCount()).toBe(0);
  });

  test("goes on without a cluster whose kubeconfig cannot be used", async () => {
    using rig = await attached();
    cluster.of = () => Promise.reject(new CniError(7, "kubeconfig /x: not YAML"));
    expect((await rig.run("DEL")).exitCode).toBe(0);
    expect(rig.plugins.trace).toEqual(deletions);
  });

  test("does not wait for a cluster that is still being opened", async () => {
    using rig = await attached();
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    cluster.of = () => new Promise(() => {});
    const reply = rig.run("DEL");
    await vi.advanceTimersByTimeAsync(3_000);
    expect((await reply).exitCode).toBe(0);
    expect(rig.plugins.trace).toEqual(deletions);
  });

  test("withdraws nothing where the request names no pod", async () => {
    using rig = await attached();
    expect((await rig.run("DEL", { request: { args: "" } })).exitCode).toBe(0);
    expect(cluster.trace).toEqual([]);
  });
});

describe("CHECK, GC and STATUS", () => {
  const netconf = { cniVersion: "1.1.0", "cni.dev/valid-attachments": [], checkDelegates: "all" };

  test.each(["CHECK", "GC"])(
    "%s asks the cluster for no pod, whatever is left of the plan",
    async (command) => {
      using rig = rigWith(selecting("a"));
      cluster.addNad("default/a", macvlan);
      await rig.run("ADD");
      rig.writeFile(`cni/${containerId}`, "torn");
      rig.plugins.calls.length = 0;
      cluster.trace.length = 0;
      cluster.away = true;
      // GC leaves the container of its own request alone.
      const request = command === "GC" ? { containerId: "", args: "" } : {};
      expect((await rig.run(command, { netconf, request })).exitCode).toBe(0);
      expect(cluster.trace).toEqual([]);
      const word = command === "GC" ? "DEL" : "CHECK";
      expect(rig.plugins.trace.toSorted()).toEqual([`${word} bridge eth0`, `${word} macvlan net1`]);
    },
  );

  test.each(["CHECK", "GC"])("%s goes on without a cluster that cannot be used", async (command) => {
    using rig = rigWith();
    await rig.run("ADD");
    cluster.of = () => Promise.reject(new CniError(7, "kubeconfig /x: not YAML"));
    expect((await rig.run(command, { netconf })).exitCode).toBe(0);
  });

  test("GC and STATUS know a cluster network that is a NAD, and send no events about it", async () => {
    using rig = rigWith();
    const gc = { ...netconf, ...named };
    cluster.addNad("kube-system/flat", { ...macvlan, cniVersion: "1.1.0" });
    expect((await rig.run("STATUS", { netconf: gc })).exitCode).toBe(0);
    expect((await rig.run("GC", { netconf: gc })).exitCode).toBe(0);
    expect(rig.plugins.trace).toEqual(["STATUS macvlan ", "GC macvlan "]);
    cluster.definitions.clear();
    expect(answerOf(await rig.run("STATUS", { netconf: gc }))).toMatchObject({ code: 50 });
    expect(cluster.events).toEqual([]);
  });

  test("STATUS is 50 with the cluster's trouble, and asks no plugin then", async () => {
    using rig = rigWith();
    cluster.trouble = "the API at https://x has not answered for 40 s";
    expect(answerOf(await rig.run("STATUS", { netconf }))).toMatchObject({
      code: 50,
      msg: expect.stringContaining(cluster.trouble),
    });
    expect(rig.plugins.calls).toEqual([]);
    cluster.trouble = undefined;
    expect((await rig.run("STATUS", { netconf })).exitCode).toBe(0);
    expect(cluster.trace).toEqual([]);
  });

  test("STATUS is 50 with a kubeconfig that cannot be used", async () => {
    using rig = rigWith();
    cluster.of = () => Promise.reject(new CniError(7, "kubeconfig /x: not YAML"));
    expect(answerOf(await rig.run("STATUS", { netconf }))).toMatchObject({
      code: 50,
      msg: expect.stringContaining("kubeconfig /x: not YAML"),
    });
  });
});

test("without a cluster an ADD still says nothing to anybody", async () => {
  using rig = new Rig(kernels);
  expect((await rig.run("ADD", { annotations: {} })).exitCode).toBe(0);
  expect(rig.plugins.trace).toEqual(["ADD bridge eth0"]);
});
