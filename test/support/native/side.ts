/** One of the two nodes that a case runs on: prepares it, makes the runtime's calls, and writes down all that can be seen after each. */

import { existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import {
  type Change,
  caseContainer,
  ipamPlace,
  type NetworksCase,
  parentLinks,
} from "../../generated/arbitraries/networks.ts";
import { runCommand } from "../command.ts";
import { Namespace } from "../namespace.ts";
import { type CniCommand, callPlugin, podArgs } from "../plugin.ts";
import { Pod, shim, TestNode } from "../test-node.ts";
import { NodeShell } from "./node-shell.ts";
import { type Depth, type NodeState, Normalizer } from "./node-state.ts";

type Json = Readonly<Record<string, unknown>>;

/** One of the runtime's calls and what there was after it. */
export interface Step {
  readonly call: string;
  readonly exitCode: number;
  /** Output as the runtime reads it, byte for byte but for random values. */
  readonly stdout: string;
  /** undefined: not looked at after this call. */
  readonly state: NodeState | undefined;
}

export interface CaseOutcome {
  readonly steps: readonly Step[];
  /** Lines that the daemon logged meanwhile. */
  readonly log: string;
  /** Milliseconds of each call. */
  readonly times: Readonly<Record<string, number>>;
}

const lastingLinks: readonly string[] = ["lo", ...parentLinks, "wire0", "wire1"];

const podIdentity = {
  namespace: "default",
  name: "web",
  containerId: caseContainer,
  uid: "00000000-0000-4000-8000-000000000001",
};

/** Hardware addresses that the case names. */
function macsOf(one: NetworksCase): readonly string[] {
  return JSON.stringify(one).match(/\b(?:[0-9a-fA-F]{2}:){5}[0-9a-fA-F]{2}\b/g) ?? [];
}

/** Lines for `ip`, as a shell has them. */
function batch(options: string, lines: readonly string[]): string {
  return lines.length === 0 ? "" : `ip ${options} - <<'LINES'\n${lines.join("\n")}\nLINES`;
}

/** Removes the files in a directory, which stays as it is followed; where there is none, nothing. */
function emptyDirectory(directory: string): void {
  if (!existsSync(directory)) return;
  for (const file of readdirSync(directory)) rmSync(join(directory, file));
}

export class Side implements AsyncDisposable {
  readonly node: TestNode;
  readonly #path: string;
  readonly #native: boolean;
  readonly #shell: NodeShell;
  #pod: Namespace;
  #nodeLinks: readonly string[] = [];

  private constructor(node: TestNode, pod: Namespace, path: string, native: boolean) {
    this.node = node;
    this.#pod = pod;
    this.#path = path;
    this.#native = native;
    this.#shell = new NodeShell(node.network);
  }

  /** @param path CNI_PATH @param native whether native networks are allowed where the case says so */
  static async start(path: string, native: boolean): Promise<Side> {
    const node = await TestNode.start({ daemonConfig: { logLevel: "verbose" } });
    await node.network.ip("link", "add", "uplink1", "mtu", "9000", "type", "veth", "peer", "name", "wire1");
    await node.network.ip("link", "set", "uplink1", "up");
    await node.network.ip("link", "set", "wire1", "up");
    await node.network.ip("link", "add", "parent0", "type", "bridge");
    await node.network.ip("link", "set", "parent0", "up");
    await node.network.ip("addr", "add", "192.0.2.2/24", "dev", "uplink0");
    return new Side(node, await Namespace.create("pod"), path, native);
  }

  /** Removes what the case before has left, and prepares the node for this one. */
  async #prepare(one: NetworksCase): Promise<void> {
    const { node } = this;
    for (const directory of [node.cniDir, node.ipamDir, node.nadDir]) {
      for (const entry of readdirSync(directory)) {
        // The daemon follows the directory of results.
        const path = join(directory, entry);
        if (entry === "results") emptyDirectory(path);
        else rmSync(path, { recursive: true });
      }
    }
    for (const directory of one.directories) mkdirSync(join(node.ipamDir, directory), { recursive: true });
    for (const { path, content } of one.files) {
      mkdirSync(dirname(join(node.ipamDir, path)), { recursive: true });
      writeFileSync(join(node.ipamDir, path), content, { mode: 0o600 });
    }
    for (const { name, config } of one.definitions) {
      node.writeNetwork(`default/${name}`, JSON.stringify(config).replaceAll(ipamPlace, node.ipamDir));
    }
    const leftovers = this.#nodeLinks.filter((name) => !lastingLinks.includes(name));
    const onNode = [
      "link set uplink0 up",
      "link set uplink1 up",
      "route replace default via 192.0.2.1 dev uplink0",
    ];
    const forward = one.forwards ? 1 : 0;
    const lines = [
      // One end of a veth takes the other with it.
      ...leftovers.map((name) => `ip link del ${name} 2>/dev/null`),
      batch("-batch", onNode),
      `echo ${forward} > /proc/sys/net/ipv4/ip_forward; echo ${forward} > /proc/sys/net/ipv6/conf/all/forwarding`,
      batch("-batch", one.nodeLinks),
      ...one.quiet.map((link) => `echo 0 > /proc/sys/net/ipv6/conf/${link}/accept_ra`),
      batch(`-n ${this.#pod.name} -batch`, one.podLinks),
    ];
    const said = await this.#shell.run(`{ ${lines.join("\n")}\n} 2>&1`);
    if (said !== "") throw new Error(`the node cannot be prepared: ${said}`);
  }

  async #change(change: Change, netns: { isGone: boolean }): Promise<void> {
    const { node } = this;
    switch (change.kind) {
      case "ip":
        // Where the ADD has failed there is nothing to be changed.
        if (change.where === "node")
          await runCommand(["ip", "-n", node.network.name, ...change.line.split(" ")]);
        else if (!netns.isGone) await runCommand(["ip", "-n", this.#pod.name, ...change.line.split(" ")]);
        return;
      case "no-address-files": {
        const directory = join(node.ipamDir, change.network);
        if (!existsSync(directory)) return;
        for (const file of readdirSync(directory))
          if (/^[0-9a-f]*[.:]/.test(file)) rmSync(join(directory, file));
        return;
      }
      case "no-address-directory":
        rmSync(join(node.ipamDir, change.network), { recursive: true, force: true });
        return;
      case "no-netns":
        await this.#pod[Symbol.asyncDispose]();
        netns.isGone = true;
        // The kernel takes its links away some time after its last name.
        await this.#untilNoVeth();
        return;
      case "no-plan":
        rmSync(join(node.cniDir, caseContainer), { force: true });
        return;
      case "no-results":
        emptyDirectory(join(node.cniDir, "results"));
        return;
    }
  }

  /** @throws {Error} where plugins' veths are still on the node after 30 s */
  async #untilNoVeth(): Promise<void> {
    for (const deadline = performance.now() + 30_000; performance.now() < deadline; ) {
      if (!/\bveth[0-9a-f]{8}\b/.test(await this.#shell.look("ip -o link show type veth"))) return;
      await sleep(2);
    }
    throw new Error("the links of a namespace that is gone are still there");
  }

  async #call(command: CniCommand, one: NetworksCase, native: boolean) {
    const { node } = this;
    const pod = new Pod(this.#pod, "default", "web", {
      "k8s.v1.cni.cncf.io/networks": JSON.stringify(one.selections),
    });
    const cluster: Json = JSON.parse(JSON.stringify(one.clusterNetwork).replaceAll(ipamPlace, node.ipamDir));
    const netconf = node.netconf(cluster, {
      cniVersion: one.cniVersion,
      capabilities: { "io.kubernetes.cri.pod-annotations": true, ips: true, mac: true },
      runtimeConfig: one.runtimeConfig,
      // A DEL that failed is not done again in the background, in its own time.
      delOnFailure: "fail",
      nativeNetworks: this.#native && native ? "auto" : "off",
    });
    const call = node.podCall(command, pod, netconf, {
      containerId: caseContainer,
      args: podArgs(podIdentity),
      path: this.#path,
    });
    return await callPlugin(node.network.enter(shim), call);
  }

  /** Runs all steps of a case. */
  async run(one: NetworksCase): Promise<CaseOutcome> {
    const { node } = this;
    await this.#prepare(one);
    const texts: readonly (readonly [string, string])[] = [
      [this.#pod.path, "NETNS"],
      [node.directory, "NODE"],
      [JSON.stringify(this.#path).slice(1, -1), "PATH"],
    ];
    const normalizer = new Normalizer(texts, macsOf(one));
    const netns = { isGone: false };
    const steps: Step[] = [];
    const times: Record<string, number> = {};
    const logged = node.daemon.output.length;
    const step = async (name: string, command: CniCommand, native: boolean, depth?: Depth): Promise<void> => {
      const { exitCode, stdout, milliseconds } = await this.#call(command, one, native);
      times[name] = milliseconds;
      let state: NodeState | undefined;
      if (depth !== undefined) {
        const pod = netns.isGone ? undefined : this.#pod;
        const { nodeLinks, ...observed } = await normalizer.observe(node, this.#shell, pod, depth);
        this.#nodeLinks = nodeLinks;
        state = observed;
      }
      steps.push({ call: name, exitCode, stdout: normalizer.text(stdout), state });
    };
    await step("ADD", "ADD", one.nativeAdd, "all sysctls");
    for (const change of one.changes) await this.#change(change, netns);
    // It changes nothing: what there is was seen after the ADD, but for the changes.
    await step("CHECK", "CHECK", one.nativeDel, one.changes.length > 0 ? "all sysctls" : undefined);
    await step("DEL", "DEL", one.nativeDel, "node's sysctls");
    await step("second DEL", "DEL", one.nativeDel, "links");
    const left = steps.at(-1)?.state?.pod?.links ?? [];
    if (netns.isGone || left.some(({ name }) => name !== "lo")) {
      await this.#pod[Symbol.asyncDispose]();
      this.#pod = await Namespace.create("pod");
    }
    return { steps, log: node.daemon.output.slice(logged), times };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#shell[Symbol.asyncDispose]();
    await this.#pod[Symbol.asyncDispose]();
    await this.node[Symbol.asyncDispose]();
  }
}
