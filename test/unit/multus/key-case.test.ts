/** Configurations whose keys are in another case run as with Go multus: the network, its plan, its result cache and what its plugins get. */

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, expect, test } from "vitest";
import type { Kernels } from "../../../src/kernels/index.ts";
import { loadKernels } from "../../../src/kernels/load.ts";
import { answerOf, containerId, Rig, selecting } from "./rig.ts";

let kernels: Kernels;

beforeAll(() => {
  kernels = loadKernels();
});

test("a definition: its name is filled in beside the one in another case, and all of it reaches the plugin", async () => {
  using rig = new Rig(kernels);
  rig.addNad(
    "default/cs",
    '{"CNIVersion":"1.0.0","Type":"macvlan","Name":"other","IPAM":{"Type":"host-local"}}',
  );
  const annotations = selecting([{ Name: "cs", Interface: "data0" }]);
  expect((await rig.run("ADD", { annotations })).exitCode).toBe(0);
  expect(rig.plugins.trace).toEqual(["ADD bridge eth0", "ADD macvlan data0"]);
  const stdin = {
    CNIVersion: "1.0.0",
    Name: "other",
    Type: "macvlan",
    IPAM: { Type: "host-local" },
    name: "cs",
    cniVersion: "1.0.0",
  };
  expect(rig.plugins.calls[1]?.stdin).toEqual(stdin);
  // A plugin in Go takes the last of keys that mean the same.
  expect(rig.plugins.calls[1]?.stdinText).toMatch(/"name":"cs","cniVersion":"1\.0\.0"\}$/);
  const [, entry] = JSON.parse(readFileSync(join(rig.cniDir, containerId), "utf8")) as Record<
    string,
    unknown
  >[];
  expect(entry).toMatchObject({
    Name: "default/cs",
    ifnameRequest: "data0",
    Conf: { cniVersion: "1.0.0", name: "cs", type: "macvlan", ipam: { type: "host-local" } },
  });
  expect(Buffer.from(String(entry?.Bytes), "base64").toString()).toBe(
    '{"CNIVersion":"1.0.0","Type":"macvlan","Name":"other","IPAM":{"Type":"host-local"},"name":"cs"}',
  );
  expect(readFileSync(join(rig.cniDir, "results", `cs-${containerId}-data0`), "utf8")).toContain(
    '"networkName":"cs"',
  );
  rig.plugins.calls.length = 0;
  expect((await rig.run("DEL")).exitCode).toBe(0);
  expect(rig.plugins.trace).toEqual(["DEL macvlan data0", "DEL bridge eth0"]);
  expect(rig.plugins.calls[0]?.stdin).toMatchObject({
    ...stdin,
    prevResult: { interfaces: [{ name: "data0" }] },
  });
});

test("files: a list with its subdirectory, one that wants none, a single plugin", async () => {
  using rig = new Rig(kernels);
  rig.writeFile("net.d/10-a.conflist", {
    CNIVersion: "1.0.0",
    Name: "with",
    Plugins: [{ Type: "bridge", Capabilities: { mac: true } }],
  });
  rig.writeFile("net.d/with/10.conf", { TYPE: "tuning" });
  rig.writeFile("net.d/20-b.conflist", {
    cniVersion: "1.0.0",
    name: "without",
    LoadOnlyInlinedPlugins: true,
    DisableCheck: true,
    plugins: [{ type: "macvlan" }],
  });
  rig.writeFile("net.d/without/10.conf", { type: "tuning" });
  rig.writeFile("net.d/30-c.conf", { Name: "single", type: "ipvlan", CNIVersion: "1.0.0" });
  const netconf = { delegates: undefined, ClusterNetwork: "with", DefaultNetworks: ["without", "single"] };
  const added = await rig.run("ADD", { netconf, runtimeConfig: { MAC: "02:00:00:00:00:09" } });
  expect(answerOf(added)).toMatchObject({ cniVersion: "1.0.0" });
  expect(rig.plugins.trace).toEqual([
    "ADD bridge eth0",
    "ADD tuning eth0",
    "ADD macvlan net1",
    "ADD ipvlan net2",
  ]);
  expect(rig.plugins.calls[0]?.stdin).toMatchObject({ runtimeConfig: { mac: "02:00:00:00:00:09" } });
  rig.plugins.calls.length = 0;
  expect((await rig.run("CHECK", { netconf })).exitCode).toBe(0);
  expect(rig.plugins.trace.filter((call) => call.includes("macvlan"))).toEqual([]);
});

test("an error object's code and message", async () => {
  using rig = new Rig(kernels);
  rig.plugins.behaviour = () => ({ exitCode: 1, stdout: '{"Code":110,"MSG":"no more addresses"}' });
  expect(answerOf(await rig.run("ADD"))).toMatchObject({
    code: 110,
    msg: expect.stringContaining("no more addresses"),
  });
});

test("Multus as a plugin is refused in any case of the key", async () => {
  using rig = new Rig(kernels);
  rig.addNad("default/own", { cniVersion: "1.0.0", Type: "multus" });
  rig.addNad("default/list", {
    cniVersion: "1.0.0",
    Plugins: [{ TYPE: "macvlan", IPAM: { tYpE: "multus" } }],
  });
  for (const name of ["own", "list"]) {
    expect(answerOf(await rig.run("ADD", { annotations: selecting(name) }))).toMatchObject({
      code: 7,
      msg: expect.stringContaining("is Multus itself"),
    });
  }
  expect(rig.plugins.calls).toEqual([]);
});

test("of keys that are written alike the last one counts that is not null, as null leaves a field of Go's types as it is", async () => {
  using rig = new Rig(kernels);
  rig.addNad(
    "default/twice",
    '{"cniVersion":"1.0.0","cniVersion":null,"name":"twice","name":null,"type":"macvlan","type":null,"capabilities":{"mac":true},"capabilities":null,"ipam":{"type":"host-local","type":null},"ipam":null}',
  );
  const annotations = {
    "k8s.v1.cni.cncf.io/networks":
      '[{"name":"twice","name":null,"interface":"a0","interface":"data0","interface":null,"mac":"02:00:00:00:00:0a","mac":null,"ips":null,"ips":["10.0.0.1"],"cni-args":{"a":1},"cni-args":null}]',
  };
  const added = await rig.run("ADD", { annotations });
  expect(answerOf(added)).not.toHaveProperty("msg");
  expect(rig.plugins.trace).toEqual(["ADD bridge eth0", "ADD macvlan data0"]);
  expect(rig.plugins.calls[1]?.stdin).toMatchObject({
    name: "twice",
    cniVersion: "1.0.0",
    runtimeConfig: { mac: "02:00:00:00:00:0a" },
    args: { cni: { a: 1 } },
  });
  const [, entry] = JSON.parse(readFileSync(join(rig.cniDir, containerId), "utf8")) as Record<
    string,
    unknown
  >[];
  expect(entry).toMatchObject({ Conf: { type: "macvlan", ipam: { type: "host-local" } } });
});
