/** CRI-O's calls of its plugin, by a caller that does the same over libcni; and cnitool. With the real plugin, daemon and delegates. */

import { chmodSync, existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type CommandOutcome, runCommand } from "../support/command.ts";
import { installGoProgram } from "../support/go-program.ts";
import { reservations, traces } from "../support/leaks.ts";
import { LibcniRuntime } from "../support/libcni-runtime.ts";
import { debianPlugins, masterLink, type Pod, shim, TestNode } from "../support/test-node.ts";

type Json = Readonly<Record<string, unknown>>;

const podAnnotations = "io.kubernetes.cri.pod-annotations";
const networkName = "multus-test";

let node: TestNode;
let confDir: string;

/** Networks whose plugins cannot CHECK, and what they say when they are asked to. */
const uncheckable: readonly {
  readonly name: string;
  readonly says: RegExp;
  readonly config: () => Json;
}[] = [
  {
    name: "l2",
    says: /bridge.*no plugin name provided/,
    config: () => ({ cniVersion: "1.0.0", name: "l2", type: "bridge", bridge: "l2br" }),
  },
  {
    name: "sbr",
    says: /Failed to find Gateway/,
    config: () => ({
      cniVersion: "1.0.0",
      name: "sbr",
      plugins: [
        {
          type: "macvlan",
          master: masterLink,
          mode: "bridge",
          ipam: { ...node.hostLocal("10.91.0.0/24", [{ dst: "0.0.0.0/0", gw: "10.91.0.1" }]) },
        },
        { type: "sbr" },
      ],
    }),
  },
  {
    name: "addresses",
    says: /CHECK method is not implemented/,
    config: () => ({
      cniVersion: "1.0.0",
      name: "addresses",
      type: "macvlan",
      master: masterLink,
      mode: "bridge",
      ipam: { type: "cannot-check" },
    }),
  },
];

/** An IPAM plugin that gives one address, and has no CHECK. */
const cannotCheck = `#!/bin/sh
case $CNI_COMMAND in
ADD) echo '{"cniVersion":"1.0.0","ips":[{"address":"10.92.0.7/24"},{"address":"fd92::7/64"}]}' ;;
CHECK) echo '{"cniVersion":"1.0.0","code":999,"msg":"CHECK method is not implemented"}'; exit 1 ;;
esac
`;

/** The file that the runtime takes. */
function writeConfiguration(further: Json = {}): void {
  const clusterNetwork = join(confDir, "10-cluster.conflist");
  const netconf = node.netconf(
    {},
    {
      cniVersion: "1.1.0",
      name: networkName,
      // The runtime has the first alone.
      capabilities: { [podAnnotations]: true, portMappings: true },
      delegates: undefined,
      clusterNetwork,
      ...further,
    },
  );
  writeFileSync(join(confDir, "00-multus.conf"), JSON.stringify(netconf));
  const bridge = { type: "bridge", bridge: "cni0", isGateway: true, ipam: node.hostLocal("10.90.0.0/24") };
  writeFileSync(clusterNetwork, JSON.stringify({ cniVersion: "1.0.0", name: "cluster", plugins: [bridge] }));
}

/** A runtime that has just been started. */
function runtime(): Promise<LibcniRuntime> {
  return LibcniRuntime.begin(node, confDir, dirname(shim));
}

const commands = (answer: { readonly calls: readonly { readonly command: string }[] }) =>
  answer.calls.map(({ command }) => command);

beforeEach(async () => {
  node = await TestNode.start();
  confDir = join(node.directory, "etc-cni");
  mkdirSync(confDir);
  for (const bridge of ["cni0", "l2br"]) await node.network.ip("link", "add", bridge, "type", "bridge");
  writeFileSync(join(node.binDir, "cannot-check"), cannotCheck);
  chmodSync(join(node.binDir, "cannot-check"), 0o755);
  for (const { name, config } of uncheckable) node.writeNetwork(`default/${name}`, config());
  writeConfiguration();
});

afterEach(async () => {
  await node[Symbol.asyncDispose]();
});

describe("CRI-O", () => {
  test("starts: VERSION, STATUS until the daemon serves, GC with null", async () => {
    await node.daemon.stop();
    await using crio = await runtime();
    const started = crio.start();
    await crio.notReady;
    await node.daemon.start();
    const answer = await started;
    expect(answer.errors).toEqual([]);
    expect(commands(answer)).toEqual(["VERSION", ...answer.calls.slice(2).map(() => "STATUS"), "GC"]);
    expect(commands(answer).filter((command) => command === "STATUS").length).toBeGreaterThan(1);
    expect(answer.calls.at(-1)?.stdin).toMatchObject({
      "cni.dev/valid-attachments": null,
      "cni.dev/attachments": null,
    });
  });

  test.each(uncheckable)(
    "starts a pod with a network whose plugins cannot CHECK: $name",
    async ({ name, says }) => {
      const before = await traces(node);
      const pod = await node.pod(name, name);
      {
        await using crio = await runtime();
        await crio.start();
        const { calls, errors, result } = await crio.run(pod);
        expect(errors, node.daemon.output).toEqual([]);
        expect(calls.map(({ command }) => command)).toEqual(["ADD", "CHECK"]);
        expect(calls[0]?.stdin.runtimeConfig).toEqual({ [podAnnotations]: pod.annotations });
        expect(result?.ips?.[0]?.address).toMatch(/^10\.90\.0\.\d+\/24$/);
        expect((await pod.network.links()).map(({ ifname }) => ifname).sort()).toEqual(["eth0", "net1"]);
        const stopped = await crio.stop(pod);
        expect(stopped.errors).toEqual([]);
        expect(commands(stopped)).toEqual(["DEL"]);
      }
      expect(await traces(node)).toEqual(before);

      // The same pod with the plugins asked.
      writeConfiguration({ checkDelegates: "all" });
      await using crio = await runtime();
      const { errors } = await crio.run(pod);
      expect(errors).toEqual([
        expect.stringMatching(new RegExp(`^CHECK: .*default/${name}.*${says.source}`)),
      ]);
      expect((await crio.stop(pod)).errors).toEqual([]);
    },
  );

  test("restored: pods are CHECKed, and an interface that is gone, or has lost an address, is named", async () => {
    const pods: Pod[] = [];
    {
      await using crio = await runtime();
      await crio.start();
      for (const name of ["good", "without-link", "without-address", "with-another-mac"]) {
        const pod = await node.pod(name, "addresses,l2");
        pods.push(pod);
        expect((await crio.run(pod)).errors).toEqual([]);
      }
    }
    const [good, withoutLink, withoutAddress, withAnotherMac] = pods;
    await withoutLink?.network.ip("link", "del", "net1");
    await withoutAddress?.network.ip("addr", "del", "fd92::7/64", "dev", "net1");
    await withAnotherMac?.network.ip("link", "set", "net2", "address", "02:00:00:00:00:99");
    await using crio = await runtime();
    const answer = await crio.start(pods);
    expect(commands(answer)).toEqual(["VERSION", "STATUS", "GC", "CHECK", "CHECK", "CHECK", "CHECK"]);
    expect(answer.errors).toEqual([
      expect.stringMatching(
        /CHECK: .*without-link.*default\/addresses\]: interface net1 is missing in \/run/,
      ),
      expect.stringMatching(
        /CHECK: .*without-address.*default\/addresses\]: interface net1 lacks the addresses fd92::7 of/,
      ),
      expect.stringMatching(
        /CHECK: .*with-another-mac.*default\/l2\]: interface net2 has the MAC address 02:00:00:00:00:99, not/,
      ),
    ]);
    // Its GC has left all of them their networks.
    expect((await good?.network.links())?.map(({ ifname }) => ifname).sort()).toEqual([
      "eth0",
      "net1",
      "net2",
    ]);
    expect(reservations(node)).toHaveLength(pods.length);
    for (const pod of pods) expect((await crio.stop(pod)).errors).toEqual([]);
  });

  test("ends a pod from its own cache where 00-multus.conf is gone", async () => {
    await using crio = await runtime();
    await crio.start();
    const before = await traces(node);
    const pod = await node.pod("web", "addresses,l2");
    expect((await crio.run(pod)).errors).toEqual([]);
    rmSync(join(confDir, "00-multus.conf"));
    const stopped = await crio.stop(pod);
    expect(stopped.errors).toEqual([]);
    expect(commands(stopped)).toEqual(["DEL"]);
    expect(await traces(node)).toEqual(before);
  });

  test("starts on a node that pods have left without a DEL: its GC with null collects them", async () => {
    const before = await traces(node);
    const pod = await node.pod("lost", "addresses,l2");
    {
      await using crio = await runtime();
      await crio.start();
      expect((await crio.run(pod)).errors).toEqual([]);
    }
    await pod.network[Symbol.asyncDispose]();
    // With the namespace its links go, some time after it.
    rmSync(join(node.directory, "libcni-cache"), { recursive: true });
    expect(reservations(node)).toHaveLength(1);
    await using crio = await runtime();
    expect((await crio.start()).errors).toEqual([]);
    const { state, reservations: left } = await traces(node);
    expect({ state, left }).toEqual({ state: before.state, left: [] });
  });
});

describe("cnitool", () => {
  /** cnitool in a mount namespace of its own: libcni's cache is in a directory of this test. */
  async function cnitool(command: string, pod: Pod): Promise<CommandOutcome> {
    const program = await installGoProgram("github.com/containernetworking/cni/cnitool", "v1.3.1");
    const cache = join(node.directory, "cnitool-cache");
    mkdirSync(cache, { recursive: true });
    const script =
      'mount -t tmpfs tmpfs /var/lib && mkdir /var/lib/cni && mount --bind "$0" /var/lib/cni && exec "$@"';
    const isolate = ["unshare", "--mount", "--propagation", "private", "sh", "-c", script, cache];
    return runCommand(node.network.enter(...isolate, program, command, networkName, pod.network.path), {
      env: {
        PATH: process.env.PATH,
        CNI_PATH: `${dirname(shim)}:${debianPlugins}`,
        NETCONFPATH: confDir,
        CNI_ARGS: `IgnoreUnknown=1;K8S_POD_NAMESPACE=default;K8S_POD_NAME=${pod.name};K8S_POD_UID=${pod.uid}`,
        CAP_ARGS: JSON.stringify({ [podAnnotations]: pod.annotations }),
      },
    });
  }

  test("has its status, add, check and gc answered", async () => {
    const before = await traces(node);
    const pod = await node.pod("tool", "addresses,l2");
    for (const command of ["status", "add", "check"]) {
      const { exitCode, stdout, stderr } = await cnitool(command, pod);
      expect({ command, exitCode, stderr }, stdout.toString()).toEqual({ command, exitCode: 0, stderr: "" });
    }
    await pod.network.ip("link", "del", "net1");
    const checked = await cnitool("check", pod);
    expect(checked.exitCode).toBe(1);
    expect(checked.stderr).toContain("interface net1 is missing");
    const collected = await cnitool("gc", pod);
    expect({ exitCode: collected.exitCode, stderr: collected.stderr }).toEqual({ exitCode: 0, stderr: "" });
    expect(await traces(node)).toEqual(before);
    expect(existsSync(join(node.cniDir, "results")) ? readdirSync(join(node.cniDir, "results")) : []).toEqual(
      [],
    );
  });

  test("gc without its cache collects nothing: it does not say what is valid", async () => {
    const pod = await node.pod("tool", "addresses,l2");
    expect((await cnitool("add", pod)).exitCode).toBe(0);
    const before = await traces(node);
    rmSync(join(node.directory, "cnitool-cache"), { recursive: true });
    expect((await cnitool("gc", pod)).exitCode).toBe(0);
    expect(await traces(node)).toEqual(before);
    expect(node.daemon.output).toContain("GC without cni.dev/valid-attachments");
  });
});
