/** Pods with devices, through plugin, daemon and a kubelet's socket: each attachment gets the device that is its own, and nothing of it stays, whatever happens to the daemon in between. */

import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type PodOfKubelet, PodResourcesServer } from "../support/pod-resources-server.ts";
import { ScratchDirectory } from "../support/scratch-directory.ts";
import { type Pod, TestNode } from "../support/test-node.ts";

type Json = Readonly<Record<string, unknown>>;

const sriov = "intel.com/sriov";
const rdma = "vendor.example/rdma";
const resourceName = "k8s.v1.cni.cncf.io/resourceName";

let scratch: ScratchDirectory;
let kubelet: PodResourcesServer;
let node: TestNode;
let netconf: Json;

/** Where the plugins note what they get. */
const notes = () => join(scratch.path, "notes");
const devinfo = () => join(scratch.path, "devinfo");

/** A plugin that notes the first stdin of a command for a container and an interface, and makes an attachment without a link, as a userspace network's. */
function vfPlugin(): string {
  return `#!/bin/sh
[ "$CNI_COMMAND" = VERSION ] && echo '{"cniVersion":"1.0.0","supportedVersions":["0.4.0","1.0.0"]}' && exit
note="${notes()}/$CNI_COMMAND-$CNI_CONTAINERID-$CNI_IFNAME"
cat >"$note-$$"
mv -n "$note-$$" "$note"
[ "$CNI_COMMAND" = ADD ] || exit 0
echo '{"cniVersion":"1.0.0","ips":[]}'
`;
}

beforeEach(async () => {
  scratch = new ScratchDirectory("devices");
  mkdirSync(notes());
  mkdirSync(join(devinfo(), "dp"), { recursive: true });
  const podResourcesSocket = join(scratch.path, "kubelet.sock");
  kubelet = await new PodResourcesServer(podResourcesSocket).listen();
  node = await TestNode.start({
    daemonConfig: {
      podResourcesSocket,
      devicePluginsDir: scratch.path,
      deviceInfoDir: devinfo(),
      maxConcurrent: 16,
    },
  });
  writeFileSync(join(node.binDir, "vf"), vfPlugin(), { mode: 0o755 });
  const config = {
    cniVersion: "1.0.0",
    type: "vf",
    capabilities: { deviceID: true, CNIDeviceInfoFile: true },
  };
  node.writeNetwork("default/a", config, { [resourceName]: sriov });
  node.writeNetwork("default/b", config, { [resourceName]: sriov });
  node.writeNetwork("default/r", config, { [resourceName]: rdma });
  netconf = node.netconf({ cniVersion: "1.0.0", name: "cluster", type: "vf" });
});

afterEach(async () => {
  await node?.[Symbol.asyncDispose]();
  await kubelet?.[Symbol.asyncDispose]();
  scratch?.[Symbol.dispose]();
});

/** Stdin of an attachment's plugin. */
function noted(command: string, { containerId }: Pod, ifName: string): Json {
  return JSON.parse(readFileSync(join(notes(), `${command}-${containerId}-${ifName}`), "utf8")) as Json;
}

function devicesOf(command: string, pod: Pod, count: number): unknown[] {
  return Array.from({ length: count }, (_, index) => noted(command, pod, `net${index + 1}`).deviceID);
}

function attachmentFiles(): string[] {
  const directory = join(devinfo(), "cni");
  return existsSync(directory) ? readdirSync(directory) : [];
}

/** The n-th pod's devices: one of its sidecar, two of its container, in no order, and one of another resource. */
const vf = (pod: number, place: number) => `0000:${String(pod).padStart(2, "0")}:02.${place}`;
function kubeletPod(index: number): PodOfKubelet {
  return {
    name: `pod-${index}`,
    namespace: "default",
    containers: [
      { name: "sidecar", devices: [{ resource_name: sriov, device_ids: [vf(index, 7)] }] },
      {
        name: "app",
        devices: [
          { resource_name: sriov, device_ids: [vf(index, 2)], topology: { nodes: [{ ID: 1 }] } },
          { resource_name: rdma, device_ids: [`mlx5_${index}`] },
          { resource_name: sriov, device_ids: [vf(index, 1)], topology: { nodes: [{ ID: 0 }] } },
        ],
      },
    ],
  };
}

describe("sixteen pods with four devices each, at once", () => {
  const count = 16;
  const info = (pod: number) => `{"type":"pci","version":"1.1.0","pci":{"pci-address":"${vf(pod, 7)}"}}`;

  test("get each its own, in the order of the annotation, keep them through a killed daemon, and leave nothing", async () => {
    kubelet.pods = Array.from({ length: count }, (_, index) => kubeletPod(index));
    for (let index = 0; index < count; index++) {
      writeFileSync(join(devinfo(), "dp", `intel.com-sriov-${vf(index, 7)}-device.json`), info(index));
    }
    const pods = await Promise.all(kubelet.pods.map(({ name }) => node.pod(name, "b,r,a,b")));
    const added = await Promise.all(pods.map((pod) => node.call("ADD", pod, netconf)));
    for (const answer of added) answer.expectSuccess();

    const all: unknown[] = [];
    for (const [index, pod] of pods.entries()) {
      const devices = devicesOf("ADD", pod, 4);
      expect(devices).toEqual([vf(index, 7), `mlx5_${index}`, vf(index, 1), vf(index, 2)]);
      expect(noted("ADD", pod, "net1")).toMatchObject({
        name: "b",
        pciBusID: vf(index, 7),
        runtimeConfig: {
          deviceID: vf(index, 7),
          CNIDeviceInfoFile: join(devinfo(), "cni", `default-b-${pod.containerId}_net1`),
        },
      });
      all.push(...devices);
    }
    expect(new Set(all).size).toBe(64);
    expect(attachmentFiles()).toHaveLength(count);
    // Questions that came while one was asked were asked together.
    expect(kubelet.calls.length).toBeLessThanOrEqual(count);

    // The kubelet forgets, and the daemon is killed: the plan and the result cache know.
    kubelet.pods = [];
    await node.daemon.stop("SIGKILL");
    await node.daemon.start();
    const questions = kubelet.calls.length;
    const deleted = await Promise.all(
      pods.flatMap((pod, index) => {
        const without = { netns: "" };
        return index % 2 === 0
          ? [node.call("DEL", pod, netconf), node.call("DEL", pod, netconf, without)]
          : [node.call("DEL", pod, netconf, without)];
      }),
    );
    for (const answer of deleted) answer.expectSuccess();
    for (const [index, pod] of pods.entries()) {
      expect(devicesOf("DEL", pod, 4), `pod ${index}`).toEqual(devicesOf("ADD", pod, 4));
      const { prevResult: _added, ...before } = noted("ADD", pod, "net1");
      const { prevResult: _deleted, ...after } = noted("DEL", pod, "net1");
      expect(after).toEqual(before);
    }
    expect(attachmentFiles()).toEqual([]);
    expect(kubelet.calls.length).toBe(questions);
    expect(readdirSync(join(devinfo(), "dp"))).toHaveLength(count);
  });
});

test("a daemon that is killed while a plugin runs leaves no device information after the DEL", async () => {
  kubelet.pods = [kubeletPod(0)];
  writeFileSync(
    join(devinfo(), "dp", `intel.com-sriov-${vf(0, 7)}-device.json`),
    '{"type":"pci","version":"1.1.0"}',
  );
  // It says that it runs, and ends when it is told so.
  const running = join(scratch.path, "running");
  const go = join(scratch.path, "go");
  const wait = `: >${running}; while [ ! -e ${go} ]; do sleep 0.02; done`;
  const waiting = `[ "$CNI_IFNAME-$CNI_COMMAND" != net1-ADD ] || { ${wait}; }`;
  const plugin = vfPlugin().replace('[ "$CNI_COMMAND" = ADD ]', (found) => `${waiting}\n${found}`);
  writeFileSync(join(node.binDir, "vf"), plugin, { mode: 0o755 });
  const pod = await node.pod("pod-0", "a");
  const adding = node.call("ADD", pod, netconf);
  await expect.poll(() => existsSync(running), { timeout: 20_000 }).toBe(true);
  expect(attachmentFiles()).toHaveLength(1);
  await node.daemon.stop("SIGKILL");
  writeFileSync(go, "");
  expect((await adding).error).toMatchObject({ code: 11 });
  await node.daemon.start();
  (await node.call("DEL", pod, netconf)).expectSuccess();
  expect(noted("DEL", pod, "net1")).toMatchObject({ deviceID: vf(0, 7) });
  expect(attachmentFiles()).toEqual([]);
});

test("a kubelet that restarts between two ADDs is asked again; one that is away makes the ADD come again", async () => {
  kubelet.pods = [kubeletPod(0), kubeletPod(1)];
  const pods = [await node.pod("pod-0", "a,r"), await node.pod("pod-1", "a,r")] as const;
  (await node.call("ADD", pods[0], netconf)).expectSuccess();
  await kubelet[Symbol.asyncDispose]();
  // A kubelet leaves the file behind.
  writeFileSync(kubelet.socket, "");
  expect((await node.call("ADD", pods[1], netconf)).error).toMatchObject({
    code: 11,
    msg: expect.stringContaining(`the kubelet's pod-resources socket ${kubelet.socket}`),
  });
  expect(existsSync(join(notes(), `ADD-${pods[1].containerId}-eth0`))).toBe(false);
  rmSync(kubelet.socket);
  await using next = await new PodResourcesServer(kubelet.socket).listen();
  next.pods = kubelet.pods;
  (await node.call("ADD", pods[1], netconf)).expectSuccess();
  expect(devicesOf("ADD", pods[1], 2)).toEqual([vf(1, 7), "mlx5_1"]);
});
