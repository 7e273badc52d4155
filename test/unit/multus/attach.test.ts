import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { ExecutorError } from "../../../src/agent/executor.ts";
import type { Kernels } from "../../../src/kernels/index.ts";
import { loadKernels } from "../../../src/kernels/load.ts";
import type { Behaviour, Json } from "../../support/pretended-plugins.ts";
import { answerOf, containerId, Rig, selecting } from "./rig.ts";

let kernels: Kernels;

beforeAll(() => {
  kernels = loadKernels();
});

const macvlan: Json = { cniVersion: "1.0.0", type: "macvlan" };

test("the plan is on disk before the first plugin runs", async () => {
  using rig = new Rig(kernels);
  const plan = join(rig.cniDir, containerId);
  const seen: boolean[] = [];
  rig.plugins.behaviour = () => {
    seen.push(existsSync(plan));
    return undefined;
  };
  await rig.run("ADD");
  expect(seen).toEqual([true]);
});

test("the answer is in the version that the netconf names", async () => {
  using rig = new Rig(kernels);
  const answer = answerOf(await rig.run("ADD", { netconf: { cniVersion: "0.2.0" } }));
  expect(answer).toMatchObject({ cniVersion: "0.2.0", ip4: { ip: "10.1.0.5/16" } });
});

test("delegates get CNI_PATH with binDir first and a limit of time", async () => {
  using rig = new Rig(kernels, { delegateTimeoutMs: 1234 });
  await rig.run("ADD", { request: { path: "/a:/opt/cni/bin:/b" } });
  expect(rig.plugins.calls[0]).toMatchObject({ path: "/opt/cni/bin:/a:/b", timeoutMs: 1234 });
});

test("an ADD may take longer than an IPAM plugin's own two minutes, a DEL no longer than a kubelet waits", async () => {
  using rig = new Rig(kernels);
  await rig.run("ADD");
  await rig.run("DEL");
  const [added, deleted] = rig.plugins.calls.map(({ timeoutMs }) => timeoutMs);
  expect(added).toBeGreaterThan(120_000);
  expect(deleted).toBeLessThan(120_000);
  // A sandbox whose ADD hangs, and whose undoing DEL hangs too, ends before the kubelet's four minutes.
  expect((added ?? 0) + (deleted ?? 0)).toBeLessThan(240_000);
});

describe("capability arguments", () => {
  const capable = { ...macvlan, capabilities: { portMappings: true, mac: true, dns: true, deviceID: true } };

  test("of a selection replace the runtime's, key by key", async () => {
    using rig = new Rig(kernels);
    rig.addNad("default/mv", capable);
    const runtimeConfig = {
      mac: "02:00:00:00:00:aa",
      portMappings: [{ hostPort: 1, containerPort: 2, protocol: "tcp", hostIP: "" }],
      dns: { servers: ["10.0.0.10"] },
      aliases: ["nobody-asks-for-it"],
    };
    const annotations = selecting([{ name: "mv", mac: "02:00:00:00:00:bb" }]);
    await rig.run("ADD", { annotations, runtimeConfig });
    expect(rig.plugins.calls[1]?.stdin.runtimeConfig).toEqual({
      mac: "02:00:00:00:00:bb",
      portMappings: [{ hostPort: 1, containerPort: 2, protocol: "tcp" }],
      dns: { servers: ["10.0.0.10"] },
    });
    const cached = JSON.parse(readFileSync(join(rig.cniDir, "results", `mv-${containerId}-net1`), "utf8"));
    expect(Object.keys(cached.capabilityArgs).sort()).toEqual(["dns", "mac", "portMappings"]);
  });

  test("that the runtime leaves empty are none", async () => {
    using rig = new Rig(kernels);
    const delegates = [
      { ...capable, name: "cluster", capabilities: { portMappings: true, ips: true, mac: true } },
    ];
    const runtimeConfig = { portMappings: [], ips: null, mac: "" };
    await rig.run("ADD", { netconf: { delegates }, runtimeConfig });
    expect(rig.plugins.calls[0]?.stdin).not.toHaveProperty("runtimeConfig");
  });

  test("that a selection leaves empty are none, whatever the runtime says; null leaves the runtime's", async () => {
    using rig = new Rig(kernels);
    rig.addNad("default/mv", {
      ...macvlan,
      capabilities: { portMappings: true, ips: true, bandwidth: true },
    });
    const runtimeConfig = {
      portMappings: [{ hostPort: 1, containerPort: 2 }],
      ips: ["10.0.0.1/24"],
      bandwidth: { ingressRate: 1, ingressBurst: 2 },
    };
    const annotations = selecting([{ name: "mv", portMappings: [], ips: [], bandwidth: null }]);
    await rig.run("ADD", { annotations, runtimeConfig });
    expect(rig.plugins.calls[1]?.stdin.runtimeConfig).toEqual({ bandwidth: runtimeConfig.bandwidth });
  });

  test("name the device-info file of a device that the runtime names", async () => {
    using rig = new Rig(kernels);
    const capabilities = { deviceID: true, CNIDeviceInfoFile: true };
    const delegates = [{ ...macvlan, name: "cluster", capabilities }];
    await rig.run("ADD", { netconf: { delegates }, runtimeConfig: { deviceID: "0000:03:02.3" } });
    expect(rig.plugins.calls[0]?.stdin.runtimeConfig).toEqual({
      deviceID: "0000:03:02.3",
      CNIDeviceInfoFile: `/var/run/k8s.cni.cncf.io/devinfo/cni/cluster-${containerId}_eth0`,
    });
  });

  test("name the device-info file of a device", async () => {
    using rig = new Rig(kernels);
    rig.addNad("default/vf", { ...macvlan, capabilities: { deviceID: true, CNIDeviceInfoFile: true } });
    await rig.run("ADD", { annotations: selecting([{ name: "vf", deviceID: "0000:03:02.3" }]) });
    expect(rig.plugins.calls[1]?.stdin.runtimeConfig).toEqual({
      deviceID: "0000:03:02.3",
      CNIDeviceInfoFile: `/var/run/k8s.cni.cncf.io/devinfo/cni/default-vf-${containerId}_net1`,
    });
  });
});

describe("an ADD that fails", () => {
  test("names pod and network where a capability argument of the runtime cannot be read", async () => {
    using rig = new Rig(kernels);
    const runtimeConfig = { portMappings: [{ hostIP: "" }, 5] };
    expect(answerOf(await rig.run("ADD", { runtimeConfig }))).toMatchObject({
      code: 7,
      msg: expect.stringMatching(
        /^\[default\/web\/u-1:cluster\]: runtimeConfig\.portMappings: must be an object/,
      ),
    });
    expect(rig.plugins.trace).toEqual([]);
  });

  const annotations = selecting("a,b");

  function rigOfTwo(): Rig {
    const rig = new Rig(kernels);
    rig.addNad("default/a", macvlan);
    rig.addNad("default/b", { ...macvlan, type: "sriov" });
    return rig;
  }

  test("undoes in reverse what was done, and says which network of which pod failed", async () => {
    using rig = rigOfTwo();
    rig.plugins.behaviour = ({ plugin, command }) =>
      plugin === "sriov" && command === "ADD"
        ? { exitCode: 1, stdout: { code: 101, msg: "no free VF", details: "all 8 in use" } }
        : undefined;
    const handled = await rig.run("ADD", { annotations });
    expect(handled.exitCode).toBe(1);
    expect(answerOf(handled)).toMatchObject({
      cniVersion: "1.0.0",
      code: 101,
      msg: expect.stringMatching(/^\[default\/web\/u-1:default\/b\]: .*sriov.*no free VF/u),
      details: "all 8 in use",
    });
    expect(rig.plugins.trace.slice(3)).toEqual(["DEL sriov net2", "DEL macvlan net1", "DEL bridge eth0"]);
  });

  test("goes on undoing when a DEL fails too, and reports the first failure", async () => {
    using rig = rigOfTwo();
    rig.plugins.behaviour = ({ plugin, command }) =>
      plugin === "sriov" || (plugin === "macvlan" && command === "DEL")
        ? { exitCode: 1, stdout: { code: 100, msg: `${command} failed` } }
        : undefined;
    const { msg } = answerOf(await rig.run("ADD", { annotations }));
    expect(msg).toContain("ADD failed");
    expect(rig.plugins.trace.slice(3)).toEqual(["DEL sriov net2", "DEL macvlan net1", "DEL bridge eth0"]);
  });

  test("does not take away a link that was there before", async () => {
    using rig = rigOfTwo();
    rig.plugins.links.add("net2");
    const handled = await rig.run("ADD", { annotations });
    expect(answerOf(handled)).toMatchObject({ code: 4, msg: expect.stringContaining("net2") });
    expect(rig.plugins.trace).toEqual([
      "ADD bridge eth0",
      "ADD macvlan net1",
      "DEL macvlan net1",
      "DEL bridge eth0",
    ]);
  });

  test("also undoes when the default route cannot be set", async () => {
    using rig = rigOfTwo();
    rig.plugins.setDefaultRoutes = async () => {
      throw new ExecutorError("failed", "network is unreachable");
    };
    const handled = await rig.run("ADD", {
      annotations: selecting([{ name: "a", "default-route": ["10.1.0.254"] }]),
    });
    expect(handled.exitCode).toBe(1);
    expect(rig.plugins.trace).toEqual(["ADD bridge eth0", "DEL bridge eth0"]);
  });

  test("stops when nobody is left to run plugins, and leaves the plan for DEL", async () => {
    using rig = rigOfTwo();
    let isGone = false;
    const runPlugin = rig.plugins.runPlugin.bind(rig.plugins);
    rig.plugins.runPlugin = (run) => {
      isGone ||= run.plugin === "macvlan";
      return isGone ? Promise.reject(new ExecutorError("gone", "the shim is gone")) : runPlugin(run);
    };
    const handled = await rig.run("ADD", { annotations });
    expect(answerOf(handled)).toMatchObject({ code: 11 });
    expect(rig.plugins.trace).toEqual(["ADD bridge eth0"]);
    isGone = false;
    rig.plugins.runPlugin = runPlugin;
    await rig.run("DEL");
    expect(rig.plugins.trace.slice(1)).toEqual(["DEL sriov net2", "DEL macvlan net1", "DEL bridge eth0"]);
  });
});

describe("default routes", () => {
  test("of one family are taken from every interface but the one that asks; the other family is left alone", async () => {
    using rig = new Rig(kernels);
    rig.addNad("default/a", macvlan);
    rig.addNad("default/b", macvlan);
    await rig.run("ADD", {
      annotations: selecting([{ name: "a", "default-route": ["fd00::1"] }, { name: "b" }]),
    });
    expect(rig.plugins.routes).toEqual([
      ["eth0", [6], []],
      ["net1", [6], ["fd00::1"]],
      ["net2", [6], []],
    ]);
  });

  describe("asked for by an empty list", () => {
    /** Results with these routes, by the interface. */
    const bringing = (routes: Readonly<Record<string, readonly Json[]>>): Behaviour => {
      return ({ ifName, stdin, command }) =>
        command === "ADD"
          ? {
              stdout: {
                cniVersion: stdin.cniVersion,
                interfaces: [{ name: ifName, sandbox: "/run/netns/pod" }],
                ips: [
                  { address: "10.7.0.5/16", gateway: "10.7.0.1", interface: 0 },
                  { address: "fd07::5/64", gateway: "fd07::1", interface: 0 },
                ],
                routes: routes[ifName] ?? [],
              },
            }
          : undefined;
    };
    const v4 = { dst: "0.0.0.0/0", gw: "10.1.0.1" };
    const v6 = { dst: "::/0", gw: "fd01::1" };
    const emptyList = { name: "a", "default-route": [] };

    async function added(
      routes: Readonly<Record<string, readonly Json[]>>,
      selections: readonly Json[],
    ): Promise<{ rig: Rig; kept: Record<string, unknown> } & Disposable> {
      const rig = new Rig(kernels);
      rig.addNad("default/a", macvlan);
      rig.addNad("default/b", macvlan);
      rig.plugins.behaviour = bringing(routes);
      expect((await rig.run("ADD", { annotations: selecting(selections) })).exitCode).toBe(0);
      const files = readdirSync(join(rig.cniDir, "results"));
      const results = files.map((file) =>
        JSON.parse(readFileSync(join(rig.cniDir, "results", file), "utf8")),
      );
      const kept = Object.fromEntries(
        results.map(({ ifName, result }) => [ifName, (result.routes ?? []).map(({ dst }: Json) => dst)]),
      );
      return { rig, kept, [Symbol.dispose]: () => rig[Symbol.dispose]() };
    }

    test("take nothing away where the network has none", async () => {
      using pod = await added({ eth0: [v4, v6] }, [emptyList, { name: "b" }]);
      expect(pod.rig.plugins.routes).toEqual([]);
      expect(pod.kept).toEqual({ eth0: ["0.0.0.0/0", "::/0"], net1: [], net2: [] });
    });

    test("of a family that the network brings are its own, and are set again: the kernel may have refused them", async () => {
      using pod = await added({ eth0: [v4, v6], net1: [v4], net2: [v4, v6] }, [emptyList, { name: "b" }]);
      expect(pod.rig.plugins.routes).toEqual([
        ["eth0", [4], []],
        ["net2", [4], []],
        ["net1", [4], ["10.1.0.1"]],
      ]);
      expect(pod.kept).toEqual({ eth0: ["::/0"], net1: ["0.0.0.0/0"], net2: ["::/0"] });
    });

    test.each([
      ["the address's gateway where the route names none", [{ dst: "::/0" }], [[6], ["fd07::1"]]],
      ["the first of two", [{ dst: "0.0.0.0/0", gw: "10.1.0.2" }, v4], [[4], ["10.1.0.2"]]],
    ] as const)("go through %s", async (_, brought, [clear, add]) => {
      using pod = await added({ eth0: [v4, v6], net1: brought }, [emptyList]);
      expect(pod.rig.plugins.routes).toEqual([
        ["eth0", clear, []],
        ["net1", clear, add],
      ]);
    });

    test.each([
      ["in another table", { ...v4, table: 100 }],
      ["to a part of the addresses", { dst: "0.0.0.0/1", gw: "10.1.0.1" }],
    ])("are not a route %s", async (_, route) => {
      using pod = await added({ eth0: [v4], net1: [route] }, [emptyList]);
      expect(pod.rig.plugins.routes).toEqual([]);
    });

    test("give way to a gateway of the family that another selection names, and keep what the network brings", async () => {
      const named = { name: "b", "default-route": ["10.2.0.1"] };
      using pod = await added({ eth0: [v4, v6], net1: [v4, v6], net2: [v6] }, [emptyList, named]);
      expect(pod.rig.plugins.routes).toEqual([
        ["eth0", [4], []],
        ["net2", [4], ["10.2.0.1"]],
        ["eth0", [6], []],
        ["net2", [6], []],
        ["net1", [6], ["fd01::1"]],
      ]);
      expect(pod.kept).toEqual({ eth0: [], net1: ["0.0.0.0/0", "::/0"], net2: ["0.0.0.0/0"] });
    });

    test("are those of the first of two such networks", async () => {
      using pod = await added({ eth0: [v4], net1: [v4], net2: [v4] }, [
        emptyList,
        { ...emptyList, name: "b" },
      ]);
      expect(pod.rig.plugins.routes).toEqual([
        ["eth0", [4], []],
        ["net1", [4], ["10.1.0.1"]],
      ]);
    });

    test("that cannot be set undo the ADD, and the error names the network", async () => {
      using rig = new Rig(kernels);
      rig.addNad("default/a", macvlan);
      rig.plugins.behaviour = bringing({ eth0: [v4], net1: [v4] });
      rig.plugins.setDefaultRoutes = async (_netns, ifName) => {
        if (ifName === "net1") throw new ExecutorError("failed", "network is unreachable");
      };
      const handled = await rig.run("ADD", { annotations: selecting([emptyList]) });
      expect(answerOf(handled)).toMatchObject({ msg: expect.stringMatching(/default\/a.*unreachable/) });
      expect(rig.plugins.trace.slice(2)).toEqual(["DEL macvlan net1", "DEL bridge eth0"]);
    });
  });

  test("in the cached result are what the kernel has", async () => {
    using rig = new Rig(kernels);
    rig.addNad("default/a", macvlan);
    await rig.run("ADD", { annotations: selecting([{ name: "a", "default-route": ["10.1.0.254"] }]) });
    const routesOf = (file: string) =>
      JSON.parse(readFileSync(join(rig.cniDir, "results", file), "utf8")).result.routes ?? [];
    expect(routesOf(`cluster-${containerId}-eth0`)).toEqual([]);
    expect(routesOf(`a-${containerId}-net1`)).toEqual([{ dst: "0.0.0.0/0", gw: "10.1.0.254" }]);
  });

  test("of the family that nobody asked about stay in the cached result", async () => {
    using rig = new Rig(kernels);
    rig.addNad("default/a", macvlan);
    rig.plugins.behaviour = ({ stdin }) => ({
      stdout: {
        cniVersion: stdin.cniVersion,
        interfaces: [{ name: "eth0", sandbox: "/run/netns/pod" }],
        routes: [
          { dst: "0.0.0.0/0", gw: "10.1.0.1" },
          { dst: "::/0", gw: "fd00::1" },
        ],
      },
    });
    await rig.run("ADD", { annotations: selecting([{ name: "a", "default-route": ["10.1.0.254"] }]) });
    const cached = JSON.parse(
      readFileSync(join(rig.cniDir, "results", `cluster-${containerId}-eth0`), "utf8"),
    );
    expect(cached.result.routes).toEqual([{ dst: "::/0", gw: "fd00::1" }]);
  });

  test("are not looked for where a network made no interface", async () => {
    using rig = new Rig(kernels);
    rig.addNad("default/a", macvlan);
    rig.addNad("default/nothing", { ...macvlan, type: "sbr" });
    rig.plugins.behaviour = ({ plugin }) => (plugin === "sbr" ? { stdout: {} } : undefined);
    const annotations = selecting([{ name: "a", "default-route": ["10.1.0.254"] }, { name: "nothing" }]);
    expect((await rig.run("ADD", { annotations })).exitCode).toBe(0);
    expect(rig.plugins.routes.map(([ifName]) => ifName)).toEqual(["eth0", "net1"]);
  });

  test("are not touched where no selection asks for default routes", async () => {
    using rig = new Rig(kernels);
    rig.addNad("default/a", macvlan);
    await rig.run("ADD", { annotations: selecting("a") });
    expect(rig.plugins.routes).toEqual([]);
  });
});

describe("the readiness indicator", () => {
  test("is waited for, 45 s at most", async () => {
    let now = 0;
    const clock = {
      now: () => now,
      sleep: async (milliseconds: number) => {
        now += milliseconds;
      },
    };
    using rig = new Rig(kernels, { clock });
    const netconf = { readinessindicatorfile: rig.path("ready") };
    expect(answerOf(await rig.run("ADD", { netconf }))).toMatchObject({
      code: 11,
      msg: expect.stringContaining(rig.path("ready")),
    });
    expect(now).toBe(45_000);
    rig.writeFile("ready", "");
    expect((await rig.run("ADD", { netconf })).exitCode).toBe(0);
  });

  test("does not hold up a DEL", async () => {
    using rig = new Rig(kernels);
    await rig.run("ADD");
    const netconf = { readinessindicatorfile: rig.path("never") };
    expect((await rig.run("DEL", { netconf })).exitCode).toBe(0);
    expect(rig.plugins.trace).toEqual(["ADD bridge eth0", "DEL bridge eth0"]);
  });
});
