/** Device information (Device Information Specification 1.1.0): from device plugins and CNI plugins into network-status, and nothing of it stays behind. */

import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeAll, beforeEach, describe, expect, test, vi } from "vitest";
import { DeviceInfoDirectory } from "../../../src/devices/device-info.ts";
import type { Kernels } from "../../../src/kernels/index.ts";
import { loadKernels } from "../../../src/kernels/load.ts";
import { Multus } from "../../../src/multus/multus.ts";
import { PretendedCluster } from "../../support/pretended-cluster.ts";
import type { Json, PluginCall } from "../../support/pretended-plugins.ts";
import { NodeWithDevices, sriov } from "./node-with-devices.ts";
import { containerId, type RequestOptions, selecting } from "./rig.ts";

let kernels: Kernels;
let node: NodeWithDevices;

beforeAll(() => {
  kernels = loadKernels();
});

beforeEach(async () => {
  node = await NodeWithDevices.start(kernels);
  node.assign({ app: { [sriov]: [device] } });
});

afterEach(() => node[Symbol.asyncDispose]());

const device = "0000:03:02.1";
const capabilities = { deviceID: true, CNIDeviceInfoFile: true };
const vf: Json = { cniVersion: "1.0.0", type: "sriov", capabilities };
const chain: Json = { cniVersion: "1.0.0", plugins: [vf, { type: "second", capabilities }] };
const info = '{"type":"pci","version":"1.1.0","pci":{"pci-address":"0000:03:02.1"}}';

/** The name of the attachment's file. */
const file = `default-vf-${containerId}_net1`;

/** The file that a plugin is told, as it is while the plugin runs. */
function told({ stdin }: PluginCall): string {
  const { runtimeConfig } = stdin as { runtimeConfig?: { CNIDeviceInfoFile?: string } };
  return runtimeConfig?.CNIDeviceInfoFile ?? "";
}

/** As a CNI plugin that has its device only now. */
function write(call: PluginCall, text: string): void {
  mkdirSync(join(told(call), ".."), { recursive: true });
  writeFileSync(told(call), text);
}

/** `device-info` of each entry of the network-status. */
function statusInfo(): readonly unknown[] {
  return (node.cluster.status as readonly Json[]).map((entry) => entry["device-info"]);
}

/** ADD of a pod with the network `default/vf`. */
async function added(config: Json = vf) {
  node.addNetwork("default/vf", config);
  node.addPod(selecting("vf"));
  return node.rig.run("ADD");
}

describe("device information", () => {
  test.each([
    {
      type: "pci",
      pci: {
        "pci-address": device,
        "vhost-net": "/dev/vhost-net",
        "rdma-device": "mlx5_1",
        "pf-pci-address": "0000:03:00.0",
        "representor-device": "eth3",
      },
    },
    {
      type: "vdpa",
      vdpa: {
        "parent-device": "vdpa2",
        driver: "vhost",
        path: "/dev/vhost-vdpa0",
        "pci-address": device,
        "pf-pci-address": "0000:03:00.0",
        "representor-device": "eth3",
      },
    },
    { type: "vhost-user", "vhost-user": { mode: "client", path: "/var/run/net3/vhost.sock" } },
    { type: "memif", memif: { role: "slave", path: "/var/run/memif.sock", mode: "ethernet" } },
    { type: "rdma", rdma: { "rdma-device": "mlx5_1" } },
    { type: "of-tomorrow", "of-tomorrow": { n: 18014398509481984 }, more: null },
  ])("of type $type is in network-status field by field, as the device plugin wrote it", async (said) => {
    // No double has this number.
    const text = JSON.stringify({ version: "1.1.0", ...said }, null, 1).replace("1000", "18014398509481985");
    node.writeInfo(sriov, device, text);
    const seen: string[] = [];
    node.rig.plugins.behaviour = (call) => {
      if (call.ifName === "net1") seen.push(readFileSync(told(call), "utf8"));
      return undefined;
    };
    const raw = vi.spyOn(node.cluster.sink, "networkStatus");
    expect((await added()).error).toBeUndefined();
    expect(statusInfo()).toEqual([undefined, JSON.parse(text)]);
    // All but the blanks as it was written, and the plugin has had the very same.
    const status = Buffer.from(raw.mock.calls[0]?.[1] ?? []).toString("utf8");
    expect(status.replaceAll(/\s/gu, "")).toContain(text.replaceAll(/\s/gu, ""));
    expect(seen).toEqual([text]);
  });

  test("may be a CNI plugin's, where the device plugin has made none", async () => {
    node.rig.plugins.behaviour = (call) => {
      if (call.ifName === "net1") write(call, info);
      return undefined;
    };
    await added();
    expect(statusInfo()).toEqual([undefined, JSON.parse(info)]);
    expect(node.attachmentFiles).toEqual([file]);
  });

  test("of a chain is that which its first plugin has left", async () => {
    node.rig.plugins.behaviour = (call) => {
      if (call.ifName === "net1") write(call, info.replace("pci-address", call.plugin));
      return undefined;
    };
    await added(chain);
    expect(node.rig.plugins.trace.slice(1)).toEqual(["ADD sriov net1", "ADD second net1"]);
    expect(statusInfo()[1]).toMatchObject({ pci: { sriov: device } });
  });

  test("of a chain may be a later plugin's, where no earlier one has left any", async () => {
    node.rig.plugins.behaviour = (call) => {
      if (call.plugin === "second") write(call, info);
      return undefined;
    };
    await added(chain);
    expect(statusInfo()[1]).toEqual(JSON.parse(info));
  });

  test("that cannot be used is left out, and the log says why: the attachment is as good without", async () => {
    node.writeInfo(sriov, device, '{"type":');
    node.addNetwork("default/vf", vf);
    node.addPod(selecting("vf"));
    const { error } = await node.rig.run("ADD", { log: node.log });
    expect(error).toBeUndefined();
    expect(statusInfo()).toEqual([undefined, undefined]);
    expect(node.log.errors).toEqual(["cannot prepare the device information of an attachment"]);
  });

  test("is of no network without a device, whatever has its file's name", async () => {
    node.cluster.addNad("default/vf", vf);
    node.addPod(selecting("vf"));
    mkdirSync(join(node.devinfo, "cni"), { recursive: true });
    writeFileSync(join(node.devinfo, "cni", file), info);
    await node.rig.run("ADD");
    expect(node.rig.plugins.calls[1]?.stdin).not.toHaveProperty("runtimeConfig");
    expect(statusInfo()).toEqual([undefined, undefined]);
  });

  test("is in the network-status that the next daemon makes for a killed one", async () => {
    node.writeInfo(sriov, device, info);
    await added();
    const next = new PretendedCluster();
    next.untilWatched = Promise.resolve(true);
    next.addPod("default/web", selecting("vf"));
    const restored = Promise.withResolvers<void>();
    vi.spyOn(next.sink, "networkStatus").mockImplementation((_pod, status) => {
      next.status = JSON.parse(Buffer.from(status).toString("utf8"));
      restored.resolve();
    });
    const { cniDir } = node.rig;
    const overrides = { keys: { cniDir }, delegates: undefined };
    const deviceInfo = new DeviceInfoDirectory(node.devinfo);
    new Multus({ kernels, log: node.log, overrides, clusters: next, deviceInfo }).restoreStatuses(next);
    await restored.promise;
    expect(next.status).toEqual(node.cluster.status);
    expect(next.status).toMatchObject([{}, { "device-info": JSON.parse(info) }]);
  });
});

describe("no file of an attachment stays", () => {
  beforeEach(() => {
    node.writeInfo(sriov, device, info);
  });

  test.each([
    ["with its namespace", {}],
    ["without a namespace", { netns: "" }],
  ])("after a DEL %s, by the next daemon as well; the device plugin's stays", async (_what, request) => {
    await added();
    expect(node.attachmentFiles).toEqual([file]);
    const during: boolean[] = [];
    node.rig.plugins.behaviour = (call) => {
      if (call.command === "DEL" && call.ifName === "net1") during.push(existsSync(told(call)));
      return undefined;
    };
    node.rig.restart();
    expect((await node.rig.run("DEL", { request })).error).toBeUndefined();
    // The plugin still has it.
    expect(during).toEqual([true]);
    expect(node.attachmentFiles).toEqual([]);
    expect((await node.rig.run("DEL", { request })).error).toBeUndefined();
    expect(existsSync(join(node.devinfo, "dp", `intel.com-sriov-${device}-device.json`))).toBe(true);
  });

  test("after an ADD that fails, of the network that failed and of those before it", async () => {
    node.assign({ app: { [sriov]: [device, "0000:03:02.2"] } });
    node.addNetwork("default/vf", vf);
    node.addNetwork("default/bad", { ...vf, type: "bad" });
    node.addPod(selecting("vf,bad"));
    let before: string[] = [];
    node.rig.plugins.behaviour = ({ plugin, command }) => {
      if (plugin !== "bad" || command !== "ADD") return undefined;
      before = node.attachmentFiles;
      return { exitCode: 1, stdout: { code: 7, msg: "no such VF" } };
    };
    expect((await node.rig.run("ADD")).error?.message).toContain("no such VF");
    expect(before).toEqual([file]);
    expect(node.attachmentFiles).toEqual([]);
  });

  test("after an ADD whose interface is there already: its plugins are not run", async () => {
    node.rig.plugins.links.add("net1");
    expect((await added()).error?.message).toContain("interface net1 (CNI_IFNAME) is already in");
    expect(node.attachmentFiles).toEqual([]);
  });

  test("of an attachment that was not started, as the one before it has failed", async () => {
    let filesAtFailure: readonly string[] = [];
    node.rig.plugins.behaviour = async ({ command, ifName }) => {
      if (command !== "ADD" || ifName !== "eth0") return undefined;
      // net1 has been ordered, and its file is prepared.
      await vi.waitFor(() => expect(node.rig.plugins.given).toContain("ADD sriov net1"), 60_000);
      filesAtFailure = node.attachmentFiles;
      return { exitCode: 1, stdout: { code: 100, msg: "no bridge" } };
    };
    node.writeInfo(sriov, device, info);
    expect((await added()).error?.message).toContain("no bridge");
    expect(filesAtFailure).toHaveLength(1);
    expect(node.attachmentFiles).toEqual([]);
  });

  test("after a DEL that has failed and is tried again, nor after one whose failure is ignored", async () => {
    await added();
    let fails = true;
    node.rig.plugins.behaviour = ({ command, ifName }) =>
      fails && command === "DEL" && ifName === "net1"
        ? { exitCode: 1, stdout: { code: 5, msg: "busy" } }
        : undefined;
    expect((await node.rig.run("DEL", { netconf: { delOnFailure: "fail" } })).error).toBeDefined();
    const ofFailing: RequestOptions = {
      netconf: { delOnFailure: "retry", retryDeleteOnError: true },
      request: { canRecord: true },
    };
    await node.rig.run("ADD");
    await node.rig.run("DEL", ofFailing);
    expect(node.attachmentFiles).toEqual([file]);
    fails = false;
    await node.rig.run("DEL", ofFailing);
    expect(node.attachmentFiles).toEqual([]);

    fails = true;
    await node.rig.run("ADD");
    expect(node.attachmentFiles).toEqual([file]);
    expect((await node.rig.run("DEL", { netconf: { delOnFailure: "ignore" } })).error).toBeUndefined();
    expect(node.attachmentFiles).toEqual([]);
  });

  test("after a GC that collects its container", async () => {
    await added({ ...vf, cniVersion: "1.1.0" });
    const netconf = { cniVersion: "1.1.0", "cni.dev/valid-attachments": [] };
    const request = { containerId: "", netns: "", ifName: "", args: "" };
    expect((await node.rig.run("GC", { netconf, request })).error).toBeUndefined();
    expect(node.attachmentFiles).toEqual([]);
  });

  test("of a plan that Go multus wrote", async () => {
    const config = { cniVersion: "1.0.0", name: "vf", type: "sriov", deviceID: device, pciBusID: device };
    const entry = {
      Conf: { cniVersion: "1.0.0", name: "vf", type: "sriov", ipam: {}, dns: {} },
      ConfList: {},
      Name: "default/vf",
      IsFilterV4Gateway: false,
      IsFilterV6Gateway: false,
      deviceID: device,
      resourceName: sriov,
      Bytes: Buffer.from(JSON.stringify(config)).toString("base64"),
    };
    const cluster = {
      ...entry,
      Name: "cluster",
      deviceID: undefined,
      resourceName: undefined,
      Bytes: Buffer.from('{"cniVersion":"1.0.0","name":"cluster","type":"bridge"}').toString("base64"),
    };
    node.rig.writeFile(join("cni", containerId), [cluster, entry]);
    mkdirSync(join(node.devinfo, "cni"), { recursive: true });
    writeFileSync(join(node.devinfo, "cni", file), info);
    expect((await node.rig.run("DEL")).error).toBeUndefined();
    expect(node.rig.plugins.calls[0]?.stdin).toMatchObject({ deviceID: device, pciBusID: device });
    expect(node.attachmentFiles).toEqual([]);
  });

  test("of an attachment that only the result cache has", async () => {
    await added();
    node.rig.writeFile(join("cni", containerId), "[");
    node.cluster.watched.clear();
    node.cluster.live.set("default/web", undefined);
    expect((await node.rig.run("DEL")).error).toBeUndefined();
    expect(node.rig.plugins.trace).toContain("DEL sriov net1");
    expect(node.attachmentFiles).toEqual([]);
  });
});
