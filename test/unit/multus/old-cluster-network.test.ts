/** A runtime that speaks 1.1.0 over a cluster network of 0.3.1, as Calico's: every command succeeds, and only those that the network's version has run its plugins. */

import { beforeAll, expect, test } from "vitest";
import { parseNetworkConfig } from "../../../src/cni/config.ts";
import type { Kernels } from "../../../src/kernels/index.ts";
import { loadKernels } from "../../../src/kernels/load.ts";
import { parseNetconf } from "../../../src/multus/input/netconf.ts";
import { generateRuntimeConfig } from "../../../src/runtime-config/generate.ts";
import { answerOf, Rig, selecting } from "./rig.ts";

let kernels: Kernels;

beforeAll(() => {
  kernels = loadKernels();
});

test("ADD, CHECK, STATUS, GC and DEL with the generated netconf of 1.1.0", async () => {
  using rig = new Rig(kernels);
  const text = { name: "k8s-pod-network", cniVersion: "0.3.1", plugins: [{ type: "calico" }] };
  const path = rig.writeFile("net.d/10-calico.conflist", text);
  const { bytes } = generateRuntimeConfig(
    {
      form: "thick",
      type: "multus",
      cniVersion: "1.1.0",
      forceCniVersion: false,
      overrideNetworkName: false,
      capabilities: {},
      netconfKeys: {},
    },
    { path, network: parseNetworkConfig(Buffer.from(JSON.stringify(text)), path, kernels) },
  );
  expect(parseNetconf(bytes)).toMatchObject({ cniVersion: "1.1.0", clusterNetwork: path });
  rig.addNad("default/mv", { cniVersion: "1.1.0", type: "macvlan" });
  const netconf = { ...JSON.parse(Buffer.from(bytes).toString()), delegates: undefined };
  const run = (command: string, further = {}) =>
    rig.run(command, { netconf: { ...netconf, ...further }, annotations: selecting("mv") });

  const added = await run("ADD");
  expect([added.exitCode, answerOf(added).cniVersion]).toEqual([0, "1.1.0"]);
  expect(rig.plugins.calls[0]).toMatchObject({ plugin: "calico", stdin: { cniVersion: "0.3.1" } });
  const valid = { "cni.dev/valid-attachments": [{ containerID: "c0ffee0123456789", ifname: "eth0" }] };
  for (const [command, ofCluster, further] of [
    ["CHECK", [], {}],
    ["STATUS", [], {}],
    ["GC", [], valid],
    ["DEL", ["DEL calico eth0"], {}],
  ] as const) {
    rig.plugins.calls.length = 0;
    const { exitCode, stdout } = await run(command, further);
    expect([command, exitCode, Buffer.from(stdout).toString()]).toEqual([command, 0, ""]);
    const calls = rig.plugins.trace.filter((call) => call.includes("calico"));
    expect([command, calls]).toEqual([command, ofCluster]);
  }
});
