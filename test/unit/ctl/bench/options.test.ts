/** The options of `multusctl bench`: what they become, and what is refused before anything is started. */

import { chmodSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { runtimeSocket, usualCgroupParent } from "../../../../src/ctl/bench/cri/endpoint.ts";
import { type BenchOptions, planOf } from "../../../../src/ctl/bench/options.ts";
import { describePlan } from "../../../../src/ctl/bench/plan.ts";
import { ScratchDirectory } from "../../../support/scratch-directory.ts";

let scratch: ScratchDirectory;
beforeEach(() => {
  scratch = new ScratchDirectory("options");
});
afterEach(() => scratch[Symbol.dispose]());

const usual: BenchOptions = {
  ...{ cniDir: "/var/lib/cni/multus", podNamespace: "default" },
  ...{ pods: "1,2,4", rounds: "20", warmUp: "3", timeLimit: "30" },
};
const plan = (options: Partial<BenchOptions>) =>
  planOf({ ...usual, ...options }, { socketDir: "/run/multus" });

/** A program that does nothing. */
function program(name: string): string {
  const path = scratch.write(name, "#!/bin/sh\n");
  chmodSync(path, 0o755);
  return path;
}

describe("a plan", () => {
  test("has the plugin alone on scratch pods, where nothing else is said", () => {
    expect(plan({})).toMatchObject({
      site: { through: "plugin", inHostNetwork: false, runningDaemon: undefined, withoutMultus: false },
      levels: [1, 2, 4],
      rounds: 20,
      warmUps: 3,
      limitMinutes: 30,
    });
  });

  test("has a runtime where its socket is named, with the node's daemon", () => {
    const socket = scratch.write("containerd.sock", "");
    const { site, peers } = plan({ runtimeEndpoint: `unix://${socket}`, peer: ["go=multus-go"] });
    expect(site).toEqual({
      through: "runtime",
      socket,
      socketDir: "/run/multus",
      cgroupParent: usualCgroupParent(),
    });
    expect(peers).toEqual([{ name: "go", target: "multus-go", netconf: {} }]);
  });

  test("has numbers of pods once and in order, devices, and peers with their netconf", () => {
    const binary = program("go");
    const netconf = scratch.write("netconf.json", '{"kubeconfig":"/k"}');
    const { levels, devices, peers } = plan({
      pods: "4, 1,4",
      devices: ["vf=0000:01:00.0,0000:01:00.1", "ns/other=a"],
      peer: [`go=${binary},${netconf}`],
    });
    expect(levels).toEqual([1, 4]);
    expect(devices).toEqual([
      { network: "vf", ids: ["0000:01:00.0", "0000:01:00.1"] },
      { network: "ns/other", ids: ["a"] },
    ]);
    expect(peers).toEqual([{ name: "go", target: binary, netconf: { kubeconfig: "/k" } }]);
  });

  test("is described, with what it starts in all", () => {
    const socket = scratch.write("crio.sock", "");
    const lines = describePlan(
      plan({ runtimeEndpoint: socket, pods: "2,8", rounds: "9", warmUp: "1" }),
      "a,b",
    );
    expect(lines).toContain("networks: the cluster network, and a,b");
    expect(lines.join("\n")).toContain(`sandboxes of the runtime at ${socket}`);
    expect(lines.at(-1)).toBe("in all: 100 pods started and stopped, within 30 min");
  });
});

describe("refused", () => {
  const wrongs: readonly (readonly [Partial<BenchOptions>, RegExp])[] = [
    [{ pods: "0" }, /--pods 0: wanted a whole number from 1 to 256/],
    [{ pods: "1,257" }, /--pods 257/],
    [{ pods: "1,2,3,4,5,6,7,8,9" }, /at most 8 different numbers/],
    [{ pods: "1e2" }, /--pods 1e2/],
    [{ rounds: "1001" }, /--rounds 1001: wanted a whole number from 1 to 1000/],
    [{ rounds: "-1" }, /--rounds -1/],
    [{ warmUp: "101" }, /--warm-up 101/],
    [{ timeLimit: "0" }, /--time-limit 0/],
    [{ pods: "256", rounds: "1000" }, /would start 256768 pods, and at most 100000/],
    [{ peer: ["x"] }, /--peer x: wanted NAME=BINARY/],
    [{ peer: ["x=/no/such/program"] }, /no program that can be executed/],
    [{ peer: ["multus-wasm=/bin/true"] }, /the name is taken/],
    [{ peer: ["a=/bin/true", "a=/bin/false"] }, /--peer a: the name is taken/],
    [{ peer: ["a", "b", "c", "d", "e"].map((name) => `${name}=/bin/true`) }, /at most 4/],
    [{ peer: [`${"n".repeat(61)}=/bin/true`] }, /at most 60 characters/],
    [{ devices: ["vf"] }, /wanted NETWORK=ID/],
    [{ devices: ["vf=a,,b"] }, /wanted NETWORK=ID/],
    [{ devices: ["vf=a,b,a"] }, /a is named twice/],
    [{ cgroupParent: "/x" }, /--cgroup-parent is for --runtime/],
    [{ socketDir: "/run/multus", nad: ["x.yaml"] }, /--nad and --socket-dir exclude each other/],
    [{ hostNetwork: true }, /--host-network without networks/],
    [{ hostNetwork: true, networks: "a", master: ["eth1"] }, /--master does not go with --host-network/],
    [{ report: "/no/such/directory/report.html" }, /--report .* cannot be written/],
    [{ json: "/" }, /--json \/ cannot be written/],
    [{ runtimeEndpoint: "tcp://127.0.0.1:1" }, /only unix sockets/],
    [{ runtimeEndpoint: "/no/such.sock" }, /\/no\/such\.sock does not exist/],
  ];

  test.each(wrongs)("%j", (options, message) => {
    expect(() => plan(options)).toThrow(message);
  });

  test.each<[string, Partial<BenchOptions>]>([
    ["nad", { nad: ["x.yaml"] }],
    ["cluster-network", { clusterNetwork: "x.conf" }],
    ["bin-dir", { binDir: ["/x"] }],
    ["master", { master: ["eth1"] }],
    ["host-network", { hostNetwork: true }],
    ["without-multus", { withoutMultus: true }],
  ])("with a runtime: --%s", (name, options) => {
    const runtimeEndpoint = scratch.write("containerd.sock", "");
    expect(() => plan({ ...options, runtimeEndpoint })).toThrow(`--${name} does not go with --runtime`);
  });

  test("a peer's netconf that is no object, or not JSON", () => {
    const binary = program("go");
    const list = scratch.write("list.json", "[]");
    expect(() => plan({ peer: [`go=${binary},${list}`] })).toThrow(`${list} is no JSON object`);
    const broken = scratch.write("broken.json", "{");
    expect(() => plan({ peer: [`go=${binary},${broken}`] })).toThrow(/broken\.json cannot be read: .*line 1/);
  });
});

describe("the node's runtime", () => {
  test("is the first whose socket is there", () => {
    const crio = scratch.write("crio.sock", "");
    expect(runtimeSocket(undefined, [join(scratch.path, "none.sock"), crio])).toBe(crio);
    expect(() => runtimeSocket(undefined, ["/no/such.sock"])).toThrow(
      "there is no container runtime's socket at /no/such.sock",
    );
  });

  test("takes a slice where systemd manages the kubelet's cgroups", () => {
    const slice = join(scratch.path, "kubepods.slice");
    expect(usualCgroupParent([slice])).toBe("/");
    mkdirSync(slice);
    expect(usualCgroupParent([slice])).toBe("system.slice");
  });
});
