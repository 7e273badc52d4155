/**
 * A pretended node: a network namespace for its links, rules and queues, directories for its files, our daemon, and pods. The plugin is
 * run inside that namespace, so nothing of the machine's own network is touched.
 */

import { randomBytes, randomUUID } from "node:crypto";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { Daemon, type DaemonSurroundings } from "./daemon.ts";
import { Namespace } from "./namespace.ts";
import { type CniCommand, callPlugin, type PluginAnswer, type PluginCall, podArgs } from "./plugin.ts";
import { ScratchDirectory } from "./scratch-directory.ts";
import { endStayingBelow } from "./staying.ts";

/** The plugin binary. */
export const shim = join(import.meta.dirname, "..", "..", "build", "multus");

/** Where Debian's containernetworking-plugins are. */
export const debianPlugins = "/usr/lib/cni";

/** Link of a test node that macvlan networks take as their master. */
export const masterLink = "uplink0";

type Json = Readonly<Record<string, unknown>>;

export class Pod implements AsyncDisposable {
  readonly network: Namespace;
  readonly containerId = randomBytes(32).toString("hex");
  readonly uid = randomUUID();
  readonly namespace: string;
  readonly name: string;
  readonly annotations: Readonly<Record<string, string>>;

  constructor(
    network: Namespace,
    namespace: string,
    name: string,
    annotations: Readonly<Record<string, string>>,
  ) {
    this.network = network;
    this.namespace = namespace;
    this.name = name;
    this.annotations = annotations;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.network[Symbol.asyncDispose]();
  }
}

export interface TestNodeOptions {
  /** Further keys of the daemon's configuration. */
  readonly daemonConfig?: Json;
  /** The daemon's configuration names the node's cniDir: for requests that come without a netconf, which would use the machine's. */
  readonly daemonHasCniDir?: boolean;
  readonly daemonSurroundings?: DaemonSurroundings;
  /** The daemon runs in the node's network: for requests whose plugins it runs itself. */
  readonly isDaemonInNetwork?: boolean;
  /** The plugin's command, with words before it if it is run through something; default: the one that was built for this machine. */
  readonly plugin?: readonly string[];
  /** NADs by `namespace/name`: their spec.config. */
  readonly networks?: Readonly<Record<string, Json>>;
  /** Where the directory with its files is made, if not where all scratch directories are. */
  readonly parentDirectory?: string;
}

export class TestNode implements AsyncDisposable {
  readonly network: Namespace;
  readonly daemon: Daemon;
  readonly #scratch: ScratchDirectory;
  readonly #plugin: readonly string[];
  readonly #pods: Pod[] = [];

  private constructor(
    network: Namespace,
    scratch: ScratchDirectory,
    {
      daemonConfig,
      daemonHasCniDir = false,
      daemonSurroundings = {},
      isDaemonInNetwork = false,
      plugin = [shim],
    }: TestNodeOptions,
  ) {
    this.network = network;
    this.#scratch = scratch;
    this.#plugin = plugin;
    for (const directory of [this.binDir, this.confDir, this.cniDir, this.nadDir, this.ipamDir]) {
      mkdirSync(directory, { recursive: true });
    }
    const config = {
      socketDir: this.socketDir,
      nadDir: this.nadDir,
      logLevel: "debug",
      ...(daemonHasCniDir ? { cniDir: this.cniDir } : {}),
      ...daemonConfig,
    };
    const through = [...(isDaemonInNetwork ? network.enter() : []), ...(daemonSurroundings.through ?? [])];
    this.daemon = new Daemon(scratch.path, config, { ...daemonSurroundings, through });
  }

  /** Makes the namespace with a master link, writes the networks, starts the daemon. */
  static async start(options: TestNodeOptions = {}): Promise<TestNode> {
    const scratch = new ScratchDirectory("node", options.parentDirectory);
    const network = await Namespace.create("node");
    const node = new TestNode(network, scratch, options);
    try {
      await network.ip("link", "add", masterLink, "type", "veth", "peer", "name", "wire0");
      await network.ip("link", "set", masterLink, "up");
      await network.ip("link", "set", "wire0", "up");
      for (const [name, config] of Object.entries(options.networks ?? {})) node.writeNetwork(name, config);
      await node.daemon.start();
    } catch (error) {
      await node[Symbol.asyncDispose]();
      throw error;
    }
    return node;
  }

  get directory(): string {
    return this.#scratch.path;
  }
  /** For delegates that a test writes; Debian's are in CNI_PATH behind it. */
  get binDir(): string {
    return join(this.directory, "bin");
  }
  get confDir(): string {
    return join(this.directory, "net.d");
  }
  get cniDir(): string {
    return join(this.directory, "multus");
  }
  get nadDir(): string {
    return join(this.directory, "nads");
  }
  get socketDir(): string {
    return join(this.directory, "run");
  }
  /** host-local's dataDir in configurations. */
  get ipamDir(): string {
    return join(this.directory, "ipam");
  }

  /** Writes a NAD's manifest. @param name `namespace/name` */
  writeNetwork(
    name: string,
    config: Json | string,
    annotations: Readonly<Record<string, string>> = {},
  ): void {
    const [namespace = "", object = ""] = name.split("/");
    const manifest = {
      apiVersion: "k8s.cni.cncf.io/v1",
      kind: "NetworkAttachmentDefinition",
      metadata: { namespace, name: object, annotations },
      spec: { config: typeof config === "string" ? config : JSON.stringify(config) },
    };
    writeFileSync(join(this.nadDir, `${namespace}-${object}.json`), JSON.stringify(manifest));
  }

  /** host-local on a subnet with this node's own data directory. @param subnet CIDR */
  hostLocal(subnet: string, routes: readonly Json[] = []): Json {
    return { type: "host-local", dataDir: this.ipamDir, ranges: [[{ subnet }]], routes };
  }

  /** A netconf with this node's directories. @param clusterNetwork the delegate's configuration */
  netconf(clusterNetwork: Json, further: Json = {}): Json {
    return {
      cniVersion: "1.0.0",
      name: "multus-test",
      type: "multus",
      capabilities: { "io.kubernetes.cri.pod-annotations": true },
      delegates: [clusterNetwork],
      binDir: this.binDir,
      confDir: this.confDir,
      cniDir: this.cniDir,
      daemonSocketDir: this.socketDir,
      ...further,
    };
  }

  /**
   * A netconf whose cluster network is a bridge. The bridge is made here: plugins make it with the first pod and leave it, and what there is before
   * a pod is compared with what there is after it.
   * @param subnet CIDR
   */
  async bridgeNetconf(subnet: string): Promise<Json> {
    const bridge = "cni0";
    await this.network.ip("link", "add", bridge, "type", "bridge");
    const ipam = this.hostLocal(subnet);
    return this.netconf({
      cniVersion: "1.0.0",
      name: "cluster",
      type: "bridge",
      bridge,
      isGateway: true,
      ipam,
    });
  }

  /**
   * Writes a NAD of namespace default: macvlan on the master link.
   * @param subnet CIDR
   * @param type of a plugin that takes macvlan's configuration
   */
  writeMacvlan(name: string, subnet: string, type = "macvlan"): void {
    const ipam = this.hostLocal(subnet);
    const config = { cniVersion: "1.0.0", name, type, master: masterLink, mode: "bridge", ipam };
    this.writeNetwork(`default/${name}`, config);
  }

  /** Makes a pod's namespace. @param networks value of the annotation k8s.v1.cni.cncf.io/networks */
  async pod(name: string, networks = "", annotations: Readonly<Record<string, string>> = {}): Promise<Pod> {
    const pod = new Pod(await Namespace.create("pod"), "default", name, {
      ...(networks === "" ? {} : { "k8s.v1.cni.cncf.io/networks": networks }),
      ...annotations,
    });
    this.#pods.push(pod);
    return pod;
  }

  /** Calls our plugin for a pod as the runtime does, with the pod's annotations in runtimeConfig. */
  call(
    command: CniCommand,
    pod: Pod,
    netconf: Json,
    further: Partial<PluginCall> = {},
  ): Promise<PluginAnswer> {
    return callPlugin(this.network.enter(...this.#plugin), this.podCall(command, pod, netconf, further));
  }

  /** A runtime's call of its plugin for a pod. */
  podCall(command: CniCommand, pod: Pod, netconf: Json, further: Partial<PluginCall> = {}): PluginCall {
    const given = netconf.runtimeConfig;
    const runtimeConfig = {
      ...(typeof given === "object" ? given : {}),
      "io.kubernetes.cri.pod-annotations": pod.annotations,
    };
    return {
      command,
      containerId: pod.containerId,
      netns: pod.network.path,
      ifName: "eth0",
      args: podArgs(pod),
      path: debianPlugins,
      config: { ...netconf, runtimeConfig },
      ...further,
    };
  }

  /**
   * Waits until the daemon can serve an ADD: where it belongs to a cluster it knows that one's networks. Asks as a runtime does.
   * @throws {Error} with its reason, after 30 s
   */
  async untilReady(): Promise<void> {
    const unused = { cniVersion: "1.0.0", name: "unused", type: "bridge" };
    const deadline = Date.now() + 90_000;
    for (;;) {
      const answer = await callPlugin(this.network.enter(shim), {
        command: "STATUS",
        containerId: "",
        netns: "",
        ifName: "",
        args: "",
        path: debianPlugins,
        config: this.netconf(unused, { cniVersion: "1.1.0" }),
      });
      if (answer.exitCode === 0) return;
      if (Date.now() > deadline) answer.expectSuccess();
      await sleep(100);
    }
  }

  /**
   * ADD with a netconf from which the daemon's socket can't be read: the plugin looks for it in the default directory, which is ours in a
   * mount namespace of the call's own. The pod's namespace is not there.
   */
  addAtDefaultSocket(pod: Pod, config: string | Uint8Array): Promise<PluginAnswer> {
    const script =
      'mount -t tmpfs tmpfs /run && mkdir /run/multus && mount --bind "$1" /run/multus && exec "$0"';
    const isolate = ["unshare", "--mount", "--propagation", "private", "sh", "-c", script];
    return callPlugin(this.network.enter(...isolate, shim, this.socketDir), {
      command: "ADD",
      containerId: pod.containerId,
      netns: pod.network.path,
      ifName: "eth0",
      args: podArgs(pod),
      path: debianPlugins,
      config,
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await endStayingBelow(this.directory);
    await this.daemon[Symbol.asyncDispose]();
    for (const pod of this.#pods) await pod[Symbol.asyncDispose]();
    await this.network[Symbol.asyncDispose]();
    this.#scratch[Symbol.dispose]();
  }
}
