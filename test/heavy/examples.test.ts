/** The networks of docs/examples as they stand there, each for a pod of its own and all for one: what the README promises about them. */

import { copyFileSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { parseAllDocuments } from "yaml";
import { runCommand } from "../support/command.ts";
import { installDelegate } from "../support/delegates.ts";
import { buildFlannel } from "../support/flannel.ts";
import { traces } from "../support/leaks.ts";
import { cidrs } from "../support/namespace.ts";
import { type Pod, TestNode } from "../support/test-node.ts";

type Json = Readonly<Record<string, unknown>>;

const project = join(import.meta.dirname, "..", "..");
const examples = join(project, "docs", "examples");
const manifestFiles = readdirSync(examples).filter((file) => file.endsWith(".yaml"));

interface Manifest {
  readonly kind: string;
  readonly metadata: { readonly name: string; readonly annotations?: Readonly<Record<string, string>> };
  readonly spec: { readonly config?: string };
}

function manifests(): Manifest[] {
  return manifestFiles.flatMap((file) =>
    parseAllDocuments(readFileSync(join(examples, file), "utf8")).map((document) => document.toJS()),
  );
}

function readJson(...path: string[]): Json {
  return JSON.parse(readFileSync(join(examples, ...path), "utf8"));
}

/** A plugin that cannot run here: keeps what it was given, makes a link that the test can see, answers ADD with `answer`. */
function installRecorder(node: TestNode, type: string, answer: string): void {
  const given = `${join(node.directory, type)}.$CNI_CONTAINERID.$CNI_COMMAND`;
  const keep = `cat > "${given}.stdin"\nenv | grep '^CNI_' > "${given}.env"`;
  const inPod = 'nsenter --net="$CNI_NETNS" ip link';
  const add = `${inPod} add "$CNI_IFNAME" type bridge`;
  const remove = `if [ "$CNI_COMMAND" = DEL ] && [ -n "$CNI_NETNS" ]; then ${inPod} del "$CNI_IFNAME" 2> /dev/null; fi`;
  installDelegate(node, type, `${keep}\n${add}\ncat <<END\n${answer}\nEND`, `${keep}\n${remove}\n:`);
}

/** A recorder's stdin and environment. */
function given(node: TestNode, type: string, pod: Pod, command: string) {
  const path = `${join(node.directory, type)}.${pod.containerId}.${command}`;
  const stdin: Json = JSON.parse(readFileSync(`${path}.stdin`, "utf8"));
  const env = Object.fromEntries(
    readFileSync(`${path}.env`, "utf8")
      .trim()
      .split("\n")
      .map((line) => [line.slice(0, line.indexOf("=")), line.slice(line.indexOf("=") + 1)]),
  );
  return { stdin, env };
}

/** As kuryr-cni prints it, with its daemon's answer: 0.3.1, and the container in the place of the network namespace. */
const kuryrAnswer = `{"cniVersion":"0.3.1","interfaces":[{"name":"$CNI_IFNAME","mac":"fa:16:3e:00:00:07","sandbox":"$CNI_CONTAINERID"}],
"ips":[{"version":"4","interface":0,"address":"10.0.0.7/26","gateway":"10.0.0.1"}],"dns":{"nameservers":["10.0.0.2"]}}`;
/** As sriov prints it after its IPAM plugin. */
const sriovAnswer = `{"cniVersion":"1.0.0","interfaces":[{"name":"$CNI_IFNAME","mac":"ca:fe:c0:ff:ee:01","mtu":1500,"sandbox":"$CNI_NETNS","pciID":"0000:03:02.0"}],
"ips":[{"interface":0,"address":"192.168.100.7/24"}],"dns":{}}`;

describe("the networks of docs/examples", () => {
  let node: TestNode;
  let netconf: Json;

  beforeAll(async () => {
    node = await TestNode.start();
    copyFileSync(await buildFlannel(), join(node.binDir, "flannel"));
    installRecorder(node, "kuryr-cni", kuryrAnswer);
    installRecorder(node, "sriov", sriovAnswer);
    // The places of a machine that the examples name are this node's own.
    await node.network.ip("link", "add", "eth1", "type", "veth", "peer", "name", "wire1");
    await node.network.ip("link", "set", "eth1", "up");
    await node.network.ip("link", "set", "wire1", "up");
    await node.network.ip("link", "add", "cni0", "type", "bridge");
    for (const { kind, metadata, spec } of manifests()) {
      if (kind !== "NetworkAttachmentDefinition") continue;
      const config = JSON.parse(spec.config ?? "");
      if (config.ipam?.type === "host-local") config.ipam.dataDir = node.ipamDir;
      node.writeNetwork(`default/${metadata.name}`, config);
    }
    const subnetFile = join(node.directory, "subnet.env");
    writeFileSync(
      subnetFile,
      "FLANNEL_NETWORK=10.244.0.0/16\nFLANNEL_SUBNET=10.244.9.1/24\nFLANNEL_MTU=1450\nFLANNEL_IPMASQ=false\n",
    );
    const chain = readJson("flannel", "10-flannel.conflist");
    const [flannel, ...others] = chain.plugins as Json[];
    const plugins = [
      {
        ...flannel,
        subnetFile,
        dataDir: join(node.directory, "flannel"),
        ipam: { type: "host-local", dataDir: node.ipamDir },
      },
      ...others,
    ];
    const clusterNetwork = join(node.directory, "10-flannel.conflist");
    writeFileSync(clusterNetwork, JSON.stringify({ ...chain, plugins }));
    const { delegates: _, ...places } = node.netconf({});
    netconf = { ...places, ...readJson("flannel", "00-multus.conf"), clusterNetwork };
  });

  afterAll(async () => {
    await node?.[Symbol.asyncDispose]();
  });

  /** The pod of that name in the examples, as a pod of the node. */
  async function examplePod(name: string): Promise<Pod> {
    const manifest = manifests().find(({ kind, metadata }) => kind === "Pod" && metadata.name === name);
    expect(manifest, `pod ${name} of docs/examples`).toBeDefined();
    return node.pod(name, "", manifest?.metadata.annotations);
  }

  /** ADD of an example's pod, what `look` looks at, DEL twice, and nothing is left. @returns the pod, which is gone by then */
  async function attachAndDetach(
    name: string,
    look: (pod: Pod) => Promise<void>,
    further: Json = {},
  ): Promise<Pod> {
    const config = { ...netconf, ...further };
    await using pod = await examplePod(name);
    // The chains that portmap makes with its first pod stay for the next one, by its design.
    const frame = /^:CNI-HOSTPORT-|-j CNI-HOSTPORT-(DNAT|MASQ)$|^-A CNI-HOSTPORT-(MASQ|SETMARK) /;
    const now = async () => {
      const found = await traces(node);
      return { ...found, rules: found.rules.filter((rule) => !frame.test(rule)) };
    };
    const before = await now();
    const { result } = await node.call("ADD", pod, config);
    expect(result.cniVersion).toBe("0.3.1");
    const eth0 = await pod.network.link("eth0");
    expect(cidrs(eth0)).toEqual(result.ips?.map(({ address }) => address));
    expect(cidrs(eth0)).toEqual([expect.stringMatching(/^10\.244\.9\.\d+\/24$/)]);
    await look(pod);
    for (const time of ["first", "second"]) {
      const answer = await node.call("DEL", pod, config);
      expect(answer.exitCode, `${time} DEL: ${answer.stdout}`).toBe(0);
    }
    expect(await pod.network.links()).toEqual([]);
    expect(await now()).toEqual(before);
    return pod;
  }

  function expectKuryr(pod: Pod, command: string, ifName: string): void {
    const { stdin, env } = given(node, "kuryr-cni", pod, command);
    expect(stdin).toMatchObject({
      cniVersion: "0.3.1",
      name: "kuryr",
      type: "kuryr-cni",
      kuryr_conf: "/etc/kuryr/kuryr.conf",
      debug: true,
    });
    expect(env).toMatchObject({
      CNI_IFNAME: ifName,
      CNI_CONTAINERID: pod.containerId,
      CNI_NETNS: pod.network.path,
      CNI_ARGS: expect.stringContaining(`K8S_POD_NAMESPACE=default;K8S_POD_NAME=${pod.name};`),
    });
  }

  function expectSriov(pod: Pod, mac: string | undefined): void {
    const { stdin, env } = given(node, "sriov", pod, "ADD");
    expect(stdin).toMatchObject({
      cniVersion: "1.0.0",
      name: "sriov-vlan100",
      type: "sriov",
      deviceID: "0000:03:02.0",
      vlan: 100,
      spoofchk: "on",
      trust: "off",
      ipam: { type: "host-local" },
    });
    expect(stdin.runtimeConfig).toEqual(mac === undefined ? undefined : { mac });
    expect(stdin).not.toHaveProperty("capabilities");
    if (mac !== undefined) expect(env.CNI_ARGS).toContain(`;MAC=${mac}`);
  }

  const withinMacvlanRange = /^192\.168\.7\.1\d\d\/24$/;

  test("are what multusctl validate accepts", async () => {
    const files = [...manifestFiles, "flannel/10-flannel.conflist", "flannel/00-multus.conf"];
    const outcome = await runCommand([
      join(project, "build", "multusctl.mjs"),
      "validate",
      ...files.map((file) => join(examples, file)),
    ]);
    expect(outcome.stdout + outcome.stderr).not.toContain("error");
    expect(outcome.exitCode).toBe(0);
  });

  test("macvlan: an address of its range on the node's link", async () => {
    await attachAndDetach("with-macvlan", async (pod) => {
      const link = await pod.network.link("net1");
      expect(link.linkinfo?.info_kind).toBe("macvlan");
      expect(cidrs(link)).toEqual([expect.stringMatching(withinMacvlanRange)]);
    });
  });

  test("kuryr: kuryr-cni gets its configuration and the pod's names, at the interface that was asked for", async () => {
    const pod = await attachAndDetach("with-kuryr", async (attached) => {
      await attached.network.link("port0");
    });
    for (const command of ["ADD", "DEL"]) expectKuryr(pod, command, "port0");
  });

  test("sriov: the plugin gets the function, its settings and the MAC that the pod asks for", async () => {
    await attachAndDetach("with-sriov", async (pod) => {
      expectSriov(pod, "ca:fe:c0:ff:ee:01");
      await pod.network.link("net1");
    });
  });

  test("all of them for one pod, with a port of the node and a bandwidth limit on the cluster network", async () => {
    const runtimeConfig = {
      portMappings: [{ hostPort: 18_080, containerPort: 8080, protocol: "tcp" }],
      bandwidth: {
        ingressRate: 8_000_000,
        ingressBurst: 2_147_483_647,
        egressRate: 4_000_000,
        egressBurst: 2_147_483_647,
      },
    };
    await attachAndDetach(
      "with-all-networks",
      async (pod) => {
        expect((await pod.network.links()).map(({ ifname }) => ifname).sort()).toEqual([
          "eth0",
          "net1",
          "net2",
          "net3",
        ]);
        expect(cidrs(await pod.network.link("net1"))).toEqual([expect.stringMatching(withinMacvlanRange)]);
        expectKuryr(pod, "ADD", "net2");
        expectSriov(pod, undefined);
        const { rules, qdiscs } = await traces(node);
        expect(rules.filter((rule) => rule.includes("18080"))).not.toEqual([]);
        expect(qdiscs).toHaveLength(3);
      },
      { runtimeConfig },
    );
  });
});
