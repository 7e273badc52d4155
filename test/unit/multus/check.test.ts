import { beforeAll, expect, test } from "vitest";
import type { Kernels } from "../../../src/kernels/index.ts";
import { loadKernels } from "../../../src/kernels/load.ts";
import { answerOf, type Json, Rig, selecting } from "./rig.ts";

let kernels: Kernels;

beforeAll(() => {
  kernels = loadKernels();
});

const macvlan: Json = { cniVersion: "1.0.0", type: "macvlan" };

async function attached(): Promise<Rig> {
  const rig = new Rig(kernels);
  rig.addNad("default/a", macvlan);
  rig.addNad("default/old", { ...macvlan, cniVersion: "0.3.1", type: "ipvlan" });
  rig.addNad("default/unchecked", {
    cniVersion: "1.0.0",
    name: "unchecked",
    disableCheck: true,
    plugins: [{ type: "tuning" }],
  });
  rig.addNad("default/b", { ...macvlan, type: "sriov" });
  await rig.run("ADD", { annotations: selecting("a,old,unchecked,b") });
  rig.plugins.calls.length = 0;
  return rig;
}

test("CHECK reaches every network of the plan with its result, but for those that have none", async () => {
  using rig = await attached();
  const handled = await rig.run("CHECK");
  expect(handled.exitCode).toBe(0);
  expect(handled.stdout).toHaveLength(0);
  expect(rig.plugins.trace).toEqual(["CHECK bridge eth0", "CHECK macvlan net1", "CHECK sriov net4"]);
  for (const { stdin, ifName } of rig.plugins.calls) {
    expect(stdin.prevResult).toMatchObject({ interfaces: [{ name: ifName }] });
  }
});

test("a plugin is CHECKed with what the selection asked for at ADD, also what the plan does not keep", async () => {
  using rig = new Rig(kernels);
  const asked = {
    bandwidth: { ingressRate: 1000, ingressBurst: 2000, egressRate: 3000, egressBurst: 4000 },
    portMappings: [{ hostPort: 8080, containerPort: 80, protocol: "tcp" }],
    mac: "02:00:00:00:00:07",
  };
  const capabilities = { bandwidth: true, portMappings: true, mac: true };
  rig.addNad("default/limited", { ...macvlan, name: "limited", capabilities });
  expect((await rig.run("ADD", { annotations: selecting([{ name: "limited", ...asked }]) })).exitCode).toBe(
    0,
  );
  expect((await rig.run("CHECK")).exitCode).toBe(0);
  const [added, checked] = rig.plugins.calls.filter(({ plugin }) => plugin === "macvlan");
  expect(added?.stdin.runtimeConfig).toEqual(asked);
  expect(checked?.stdin.runtimeConfig).toEqual(asked);
});

test("the first plugin that fails ends it, with its code and network", async () => {
  using rig = await attached();
  rig.plugins.behaviour = ({ plugin }) =>
    plugin === "macvlan" ? { exitCode: 1, stdout: { code: 110, msg: "address is gone" } } : undefined;
  expect(answerOf(await rig.run("CHECK"))).toMatchObject({
    code: 110,
    msg: expect.stringMatching(/^\[default\/web\/u-1:default\/a\]: .*address is gone/u),
  });
  expect(rig.plugins.trace).toEqual(["CHECK bridge eth0", "CHECK macvlan net1"]);
});

test("a container that nothing is known of: code 3", async () => {
  using rig = await attached();
  const annotations = selecting("a");
  expect(answerOf(await rig.run("CHECK", { annotations, request: { containerId: "nobody" } }))).toMatchObject(
    { code: 3 },
  );
  expect(rig.plugins.calls).toEqual([]);
});
