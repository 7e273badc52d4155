import { readFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import type { Kernels } from "../../../src/kernels/index.ts";
import { loadKernels } from "../../../src/kernels/load.ts";
import { netconfOverrides } from "../../../src/multus/input/netconf.ts";
import type { Json } from "../../support/pretended-plugins.ts";
import { answerOf, containerId, Rig, selecting } from "./rig.ts";

let kernels: Kernels;

beforeAll(() => {
  kernels = loadKernels();
});

const macvlan: Json = { cniVersion: "1.0.0", type: "macvlan" };

describe("maxNetworksPerPod", () => {
  const annotations = selecting("mv,mv,mv");
  const tooMany =
    /^\[default\/web\/u-1\]: annotation k8s\.v1\.cni\.cncf\.io\/networks: selects 3 networks, and a pod may have at most 2 \(key maxNetworksPerPod\)$/;

  test("bounds what a pod selects; cluster network and default networks do not count", async () => {
    using rig = new Rig(kernels);
    rig.writeFile("net.d/cluster.conf", { ...macvlan, name: "cluster", type: "bridge" });
    rig.writeFile("net.d/second.conf", { ...macvlan, name: "second" });
    rig.addNad("default/mv", macvlan);
    const networks = { delegates: undefined, clusterNetwork: "cluster", defaultNetworks: ["second"] };
    const most = (maxNetworksPerPod: number) => ({ ...networks, maxNetworksPerPod });
    expect(answerOf(await rig.run("ADD", { netconf: most(2), annotations }))).toMatchObject({
      code: 7,
      msg: expect.stringMatching(tooMany),
    });
    expect(rig.plugins.calls).toEqual([]);
    expect((await rig.run("ADD", { netconf: most(3), annotations })).exitCode).toBe(0);
    expect(rig.plugins.trace).toHaveLength(5);
  });

  test("of the daemon's configuration goes before the netconf's", async () => {
    const overrides = netconfOverrides(Buffer.from('{"maxNetworksPerPod":2}'), "daemon");
    using rig = new Rig(kernels, { overrides });
    rig.addNad("default/mv", macvlan);
    const netconf = { maxNetworksPerPod: 100 };
    expect(answerOf(await rig.run("ADD", { netconf, annotations }))).toMatchObject({
      msg: expect.stringMatching(tooMany),
    });
  });

  test.each([0, 1025, 1.5, "64"])("cannot be %j", async (maxNetworksPerPod) => {
    using rig = new Rig(kernels);
    expect(answerOf(await rig.run("ADD", { netconf: { maxNetworksPerPod } }))).toMatchObject({
      code: 7,
      msg: expect.stringContaining("maxNetworksPerPod must be"),
    });
  });
});

describe("the order of a pod's networks", () => {
  test("is cluster network, default networks, selections, auxiliary chain", async () => {
    using rig = new Rig(kernels);
    const cluster = rig.writeFile("cluster/10-cluster.conflist", {
      cniVersion: "1.0.0",
      name: "cluster",
      plugins: [{ type: "bridge" }],
    });
    rig.writeFile("cluster/aux/10-a.conf", { type: "firewall" });
    rig.writeFile("cluster/aux/20-b.conf", { type: "sbr" });
    rig.writeFile("net.d/second.conf", { ...macvlan, name: "second", type: "ipvlan" });
    rig.addNad("default/mv", macvlan);
    const netconf = {
      delegates: undefined,
      clusterNetwork: cluster,
      defaultNetworks: ["second"],
      auxiliaryCNIChainName: "aux",
    };
    const { exitCode } = await rig.run("ADD", { netconf, annotations: selecting("mv") });
    expect(exitCode).toBe(0);
    expect(rig.plugins.trace).toEqual([
      "ADD bridge eth0",
      "ADD ipvlan net1",
      "ADD macvlan net2",
      "ADD firewall net3",
      "ADD sbr net3",
    ]);
    // passthru, which starts the auxiliary chain, runs without a process and answers an empty result.
    expect(rig.plugins.calls[3]?.stdin).toMatchObject({ name: "aux", prevResult: { cniVersion: "1.0.0" } });
    rig.plugins.calls.length = 0;
    expect((await rig.run("DEL")).exitCode).toBe(0);
    expect(rig.plugins.trace).toEqual([
      "DEL sbr net3",
      "DEL firewall net3",
      "DEL macvlan net2",
      "DEL ipvlan net1",
      "DEL bridge eth0",
    ]);
  });

  test("has no auxiliary chain where its directory is empty", async () => {
    using rig = new Rig(kernels);
    const cluster = rig.writeFile("cluster/10.conf", { ...macvlan, name: "cluster" });
    const netconf = { delegates: undefined, clusterNetwork: cluster, auxiliaryCNIChainName: "aux" };
    expect((await rig.run("ADD", { netconf })).exitCode).toBe(0);
    expect(rig.plugins.trace).toEqual(["ADD macvlan eth0"]);
    // passthru alone would leave no trace but this.
    const plan: unknown[] = JSON.parse(readFileSync(join(rig.cniDir, containerId), "utf8"));
    expect(plan).toHaveLength(1);
  });

  test("leaves default networks out for pods of the system's namespaces", async () => {
    using rig = new Rig(kernels);
    rig.writeFile("net.d/cluster.conf", { ...macvlan, name: "cluster", type: "bridge" });
    rig.writeFile("net.d/second.conf", { ...macvlan, name: "second" });
    const netconf = { delegates: undefined, clusterNetwork: "cluster", defaultNetworks: ["second"] };
    const request = { args: "K8S_POD_NAMESPACE=kube-system;K8S_POD_NAME=dns" };
    await rig.run("ADD", { netconf, request });
    expect(rig.plugins.trace).toEqual(["ADD bridge eth0"]);
  });
});

describe("the default-network annotation", () => {
  const annotations = { "v1.multus-cni.io/default-network": '[{"name":"other","ips":["10.9.0.9/16"]}]' };

  test("replaces the cluster network, with what it asks for", async () => {
    using rig = new Rig(kernels);
    rig.addNad("kube-system/other", { ...macvlan, type: "ipvlan", capabilities: { ips: true } });
    const handled = await rig.run("ADD", { annotations });
    expect(answerOf(handled)).toMatchObject({ interfaces: [{ name: "eth0" }] });
    expect(rig.plugins.trace).toEqual(["ADD ipvlan eth0"]);
    expect(rig.plugins.calls[0]?.stdin).toMatchObject({
      name: "other",
      runtimeConfig: { ips: ["10.9.0.9/16"] },
    });
  });

  test("names a network that has to be there", async () => {
    using rig = new Rig(kernels);
    const handled = await rig.run("ADD", { annotations });
    expect(answerOf(handled)).toMatchObject({
      code: 7,
      msg: "[default/web/u-1:kube-system/other]: there is no network-attachment-definition other in namespace kube-system",
    });
    expect(rig.plugins.calls).toEqual([]);
  });
});

describe("namespace isolation", () => {
  test.each([
    ["default/own", undefined, true],
    ["default/own", "shared", true],
    ["kube-system/other", undefined, false],
    ["kube-system/other", "shared, kube-system", true],
    ["shared/other", "shared", true],
    ["shared/other", undefined, false],
  ])(
    "lets a pod of default take %s where globalNamespaces is %s: %s",
    async (name, globalNamespaces, allowed) => {
      using rig = new Rig(kernels);
      rig.addNad(name, macvlan);
      const netconf = { namespaceIsolation: true, globalNamespaces };
      const handled = await rig.run("ADD", { netconf, annotations: selecting(name) });
      if (allowed) {
        expect(rig.plugins.trace).toEqual(["ADD bridge eth0", "ADD macvlan net1"]);
      } else {
        expect(answerOf(handled)).toMatchObject({
          code: 7,
          msg: expect.stringContaining(`network ${name}: namespace isolation`),
        });
        expect(rig.plugins.calls).toEqual([]);
      }
    },
  );

  test.each([
    ["secret/vault", undefined, false],
    ['[{"name":"vault","namespace":"secret"}]', undefined, false],
    ["secret/vault", "secret", true],
    ["vault", undefined, true],
    ["kube-system/vault", undefined, true],
    ["default/vault", "shared", true],
    ["shared/vault", "shared", true],
    ["shared/vault", undefined, false],
  ])(
    "lets a pod of default have %s as its default network where globalNamespaces is %s: %s",
    async (annotation, globalNamespaces, allowed) => {
      using rig = new Rig(kernels);
      for (const namespace of ["secret", "kube-system", "default", "shared"]) {
        rig.addNad(`${namespace}/vault`, macvlan);
      }
      const annotations = { "v1.multus-cni.io/default-network": annotation };
      const netconf = { namespaceIsolation: true, globalNamespaces };
      const handled = await rig.run("ADD", { netconf, annotations });
      if (allowed) {
        expect(rig.plugins.trace).toEqual(["ADD macvlan eth0"]);
      } else {
        const msg = expect.stringMatching(/network (secret|shared)\/vault: namespace isolation is on/);
        expect(answerOf(handled)).toMatchObject({ code: 7, msg });
        expect(rig.plugins.calls).toEqual([]);
      }
      expect((await rig.run("DEL", { netconf, annotations })).exitCode).toBe(0);
    },
  );

  test("lets pods of any namespace take networks of default, unless globalNamespaces leaves it out", async () => {
    using rig = new Rig(kernels);
    rig.addNad("default/common", macvlan);
    const request = { args: "K8S_POD_NAMESPACE=team;K8S_POD_NAME=web" };
    const annotations = selecting("default/common");
    const netconf = { namespaceIsolation: true };
    expect((await rig.run("ADD", { netconf, annotations, request })).exitCode).toBe(0);
    const without = { ...netconf, globalNamespaces: "shared" };
    expect(answerOf(await rig.run("ADD", { netconf: without, annotations, request }))).toMatchObject({
      code: 7,
    });
  });
});

describe("finding networks", () => {
  test("clusterNetwork takes a NAD of multusNamespace before a file of that name", async () => {
    using rig = new Rig(kernels);
    rig.writeFile("net.d/cluster.conf", { ...macvlan, name: "cluster" });
    rig.addNad("networks/cluster", { ...macvlan, type: "ipvlan" });
    const netconf = { delegates: undefined, clusterNetwork: "cluster", multusNamespace: "networks" };
    await rig.run("ADD", { netconf });
    expect(rig.plugins.trace).toEqual(["ADD ipvlan eth0"]);
  });

  test("clusterNetwork may be a directory: its first file counts", async () => {
    using rig = new Rig(kernels);
    rig.writeFile("d/20-b.conf", { ...macvlan, name: "b" });
    rig.writeFile("d/10-a.conf", { ...macvlan, type: "ipvlan", name: "a" });
    await rig.run("ADD", { netconf: { delegates: undefined, clusterNetwork: rig.path("d") } });
    expect(rig.plugins.trace).toEqual(["ADD ipvlan eth0"]);
  });

  test("a list without cniVersion has that of the netconf, also where it has been found before", async () => {
    using rig = new Rig(kernels);
    rig.addNad("default/list", { name: "list", plugins: [{ type: "macvlan" }] });
    const delegates = [{ name: "cluster", plugins: [{ type: "bridge" }] }];
    for (const cniVersion of ["0.4.0", "1.0.0", "1.1.0"]) {
      const netconf = { cniVersion, delegates };
      const request = { containerId: `at-${cniVersion}` };
      await rig.run("ADD", { netconf, annotations: selecting("list"), request });
      const versions = rig.plugins.calls.splice(0).map(({ plugin, stdin }) => [plugin, stdin.cniVersion]);
      expect(versions).toEqual([
        ["bridge", cniVersion],
        ["macvlan", cniVersion],
      ]);
    }
  });

  test("a file that changes is read again", async () => {
    using rig = new Rig(kernels);
    const cluster = rig.writeFile("d/a.conf", { ...macvlan, name: "a" });
    const netconf = { delegates: undefined, clusterNetwork: cluster };
    await rig.run("ADD", { netconf });
    rig.writeFile("d/a.conf", { ...macvlan, name: "a", type: "ipvlan", more: true });
    await rig.run("ADD", { netconf, request: { containerId: "second" } });
    expect(rig.plugins.trace).toEqual(["ADD macvlan eth0", "ADD ipvlan eth0"]);
  });

  test("a missing network is an error that names the searched places", async () => {
    using rig = new Rig(kernels);
    const handled = await rig.run("ADD", { netconf: { delegates: undefined, clusterNetwork: "nothere" } });
    const { code, msg } = answerOf(handled);
    expect(code).toBe(7);
    expect(msg).toContain("clusterNetwork nothere");
    expect(msg).toContain(rig.confDir);
    expect(msg).toContain("kube-system");
  });

  test("a NAD without spec.config and without a file is an error that names both", async () => {
    using rig = new Rig(kernels);
    rig.addNad("default/filed", undefined);
    const { code, msg } = answerOf(await rig.run("ADD", { annotations: selecting("filed") }));
    expect(code).toBe(7);
    expect(msg).toContain("[default/web/u-1:default/filed]: NAD default/filed: spec.config is empty");
  });

  test("an auxiliary chain needs a cluster network that is a path", async () => {
    using rig = new Rig(kernels);
    const { code, msg } = answerOf(await rig.run("ADD", { netconf: { auxiliaryCNIChainName: "aux" } }));
    expect(code).toBe(7);
    expect(msg).toContain("auxiliaryCNIChainName aux");
  });
});

test("selections without a namespace of the pod are refused", async () => {
  using rig = new Rig(kernels);
  rig.addNad("default/mv", macvlan);
  const handled = await rig.run("ADD", { annotations: selecting("mv"), request: { args: "" } });
  expect(answerOf(handled)).toMatchObject({ code: 4, msg: expect.stringContaining("K8S_POD_NAMESPACE") });
});

describe("two gateways of one family", () => {
  test("are refused before anything runs, naming the networks", async () => {
    using rig = new Rig(kernels);
    rig.addNad("default/a", macvlan);
    rig.addNad("default/b", macvlan);
    const annotations = selecting([
      { name: "a", "default-route": ["10.1.0.1", "fd00::1"] },
      { name: "b", "default-route": ["10.2.0.1"] },
    ]);
    const { code, msg } = answerOf(await rig.run("ADD", { annotations }));
    expect(code).toBe(7);
    expect(msg).toContain("10.1.0.1 of default/a and 10.2.0.1 of default/b");
    expect(rig.plugins.calls).toEqual([]);
  });
});
