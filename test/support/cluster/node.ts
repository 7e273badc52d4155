/**
 * A node of a real cluster on this machine: etcd, kube-apiserver, kubelet and containerd with our plugin as the node's only CNI. Pods' networks are in a network
 * namespace of the node's own; what talks to each other talks over loopback. Nothing schedules pods: they name their node.
 */

import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { dirname, join, relative } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { containersWithCgroup } from "../cgroups.ts";
import { runCommand, runOrThrow } from "../command.ts";
import { Containerd } from "../containerd.ts";
import { Daemon } from "../daemon.ts";
import { type Traces, traces } from "../leaks.ts";
import { type Link, Namespace, type Route } from "../namespace.ts";
import { ScratchDirectory } from "../scratch-directory.ts";
import { type MarkedProcess, markedProcesses, mountsBelow, session } from "../session.ts";
import { endStayingBelow } from "../staying.ts";
import { debianPlugins, masterLink, shim } from "../test-node.ts";
import { ApiServer } from "./api-server.ts";
import { containerdProgram } from "./binaries.ts";
import { Crossing } from "./crossing.ts";
import { FaultProxy } from "./fault-proxy.ts";
import { HostPlaces } from "./host-places.ts";
import { Kubelet, kubeletRoot, varLibKubelet } from "./kubelet.ts";
import { nadManifest, podManifest } from "./manifests.ts";
import { deviceInformationPlace, type NodePlace } from "./node-places.ts";
import { freePort } from "./ports.ts";
import { inPodWith } from "./service-account-files.ts";
import { startServiceAddress } from "./service-address.ts";

type Json = Readonly<Record<string, unknown>>;

/** Link of the node that pods' cluster network is bridged by. */
const clusterBridge = "cni0";

/** The node's name in the cluster. */
export const nodeName = "node-1";

/** Annotation by which a pod selects networks. */
export const networksAnnotation = "k8s.v1.cni.cncf.io/networks";

/** Variables in the environment of a daemon's pod. */
const ownDaemonSet = {
  MULTUS_NAMESPACE: "kube-system",
  MULTUS_DAEMONSET: "kube-multus-ds",
  MULTUS_POD: "kube-multus-ds-1",
};

/** Where k3s has what other nodes have in many places. */
const k3sPlace: NodePlace = "/var/lib/rancher/k3s";

const serviceAccount = { namespace: "kube-system", name: "multus" };

/** Deadlines are for a machine that does much else; nothing waits longer than it has to. */
const patienceMs = 90_000;
const pollMs = 200;

export interface ClusterNodeOptions {
  /** Debian's (1.6), or 2.4 as built from its module. */
  readonly containerd?: "debian" | "2.4";
  /** Of the netconf; default 1.0.0. */
  readonly cniVersion?: string;
  /** Further keys of the netconf. */
  readonly netconf?: Json;
  /** Further keys of the daemon's configuration. */
  readonly daemonConfig?: Json;
  /** The daemon itself makes 00-multus.conf from the cluster network's file, which is beside it, and is told that it is a pod of the DaemonSet of deploy/thick. `netconf` and `cniVersion` are for nothing. */
  readonly keepsRuntimeFile?: boolean;
  /**
   * A node as it is before anybody installs multus: neither plugin nor netconf nor daemon of the test's. Containerd and kubelet have the usual places of a node, with Debian's
   * plugins and the cluster network's configuration in them; pods in the host's network reach the API server at its Service's address, also with certificates of theirs.
   */
  readonly bare?: boolean;
  /**
   * A bare node whose runtime has k3s's directories: all is below /var/lib/rancher/k3s, and the plugins, in a directory of each release, are linked to where the runtime
   * looks for them (https://docs.k3s.io/networking/multus-ipams).
   */
  readonly k3s?: boolean;
  /**
   * The daemon sees the kubelet's directories at /var/lib/kubelet, and daemon and plugins directories of the node's own at /run/k8s.cni.cncf.io. A bare node has them there
   * anyway.
   */
  readonly devices?: boolean;
  /** The kubelet serves exec and logs: kubectl exec and kubectl logs work. */
  readonly serving?: boolean;
  /** Told of every step of the start when it is done. */
  readonly onStep?: (step: string, milliseconds: number) => void;
  /** Told of what the daemon logs, as it comes. */
  readonly onLog?: (text: string) => void;
}

/** The oldest and the newest container runtime that tests run, each with what its netconf says. */
export const runtimes: readonly (ClusterNodeOptions & { readonly about: string })[] = [
  { about: "containerd 1.6, netconf 1.0.0", containerd: "debian", cniVersion: "1.0.0" },
  { about: "containerd 2.4, netconf 1.1.0", containerd: "2.4", cniVersion: "1.1.0" },
];

/** A pod as far as tests look. */
export interface ClusterPod {
  readonly metadata: {
    readonly name: string;
    readonly namespace: string;
    readonly uid: string;
    readonly annotations?: Readonly<Record<string, string>>;
    readonly deletionTimestamp?: string;
  };
  readonly status: {
    readonly phase: string;
    /** Of a pod that the kubelet has refused. */
    readonly reason?: string;
    /** The claims that were made of templates, by their names within the pod. */
    readonly resourceClaimStatuses?: readonly {
      readonly name: string;
      readonly resourceClaimName?: string;
    }[];
    /** The claim that the scheduler made for resources of device classes. */
    readonly extendedResourceClaimStatus?: {
      readonly resourceClaimName: string;
      readonly requestMappings: readonly {
        readonly containerName: string;
        readonly resourceName: string;
        readonly requestName: string;
      }[];
    };
    readonly podIPs?: readonly { readonly ip: string }[];
    readonly containerStatuses?: readonly {
      readonly ready: boolean;
      readonly restartCount: number;
      /** `containerd://` and the id. */
      readonly containerID?: string;
    }[];
  };
}

/** An event (events.k8s.io/v1) as far as tests look. */
export interface ClusterEvent {
  readonly type: string;
  readonly reason: string;
  readonly note: string;
  readonly reportingController: string;
  readonly regarding: {
    readonly kind: string;
    readonly namespace: string;
    readonly name: string;
    readonly uid: string;
  };
}

interface NodeCondition {
  readonly type: string;
  readonly status: string;
  readonly message: string;
}

interface NodeObject {
  readonly status?: {
    readonly conditions?: readonly NodeCondition[];
    /** Quantities by resource. */
    readonly allocatable?: Readonly<Record<string, string>>;
  };
}

/** Traces of pods on a node, beyond those of a test node. */
export interface ClusterTraces extends Traces {
  /** Mount points of sandboxes and their network namespaces. */
  readonly mounts: readonly string[];
  /** Sandboxes that have a control group. */
  readonly cgroups: readonly string[];
}

/** Daemons that this session's plugins have started on the node, as deploy/thin installs them. */
export function onDemandDaemons(): readonly MarkedProcess[] {
  return markedProcesses().filter(
    ({ session: owner, command }) => owner === session && command.startsWith("/opt/cni/bin/multusd "),
  );
}

/** Does its container run? */
export function isRunning(pod: ClusterPod | undefined): boolean {
  return pod?.status.phase === "Running" && (pod.status.containerStatuses ?? []).every(({ ready }) => ready);
}

/** Copies those plugins of Debian's that a bare node has. @returns their names */
function copyPlugins(directory: string): readonly string[] {
  const plugins = ["loopback", "bridge", "macvlan", "host-local"];
  for (const plugin of plugins) copyFileSync(join(debianPlugins, plugin), join(directory, plugin));
  return plugins;
}

/** Everything that a node is made of, each part ended by the stack that `ClusterNode.start` keeps. */
interface Parts {
  readonly scratch: ScratchDirectory;
  readonly network: Namespace;
  readonly api: ApiServer;
  readonly proxy: FaultProxy;
  /** A bare node has none. */
  readonly daemon: Daemon | undefined;
  readonly containerd: Containerd;
  readonly kubelet: Kubelet;
}

/** Directories and files of a node, all below its scratch directory. */
class NodeFiles {
  readonly directory: string;
  readonly #isK3s: boolean;

  constructor(directory: string, isK3s: boolean) {
    this.directory = directory;
    this.#isK3s = isK3s;
  }

  /** Seen at /var/lib/rancher/k3s. */
  get #k3s(): string {
    return join(this.directory, "k3s");
  }
  /** The runtime's plugins: ours and `loopback`; of a bare node all. */
  get runtimeBinDir(): string {
    return this.#isK3s ? join(this.#k3s, "data", "cni") : join(this.directory, "runtime-bin");
  }
  /** The runtime's network configurations: ours alone; of a bare node the cluster network's. */
  get runtimeConfDir(): string {
    return this.#isK3s
      ? join(this.#k3s, "agent", "etc", "cni", "net.d")
      : join(this.directory, "runtime-net.d");
  }
  /** Those two as the runtime of a bare node calls them. */
  get bareDirectories(): readonly [binDir: string, confDir: string] {
    return this.#isK3s
      ? [`${k3sPlace}/data/cni`, `${k3sPlace}/agent/etc/cni/net.d`]
      : ["/opt/cni/bin", "/etc/cni/net.d"];
  }
  get plugin(): string {
    return join(this.runtimeBinDir, "multus");
  }
  /** Of a bare node, /run. */
  get runDir(): string {
    return join(this.directory, "run");
  }
  get socketDir(): string {
    return join(this.runDir, "multus");
  }
  get confDir(): string {
    return join(this.directory, "net.d");
  }
  get cniDir(): string {
    return join(this.directory, "cni", "multus");
  }
  get ipamDir(): string {
    return join(this.directory, "ipam");
  }
  get containerdDirectory(): string {
    return join(this.directory, "cri");
  }
  get deviceInformation(): string {
    return join(this.directory, "device-information");
  }

  /** host-local with this node's data directory. @param subnets CIDRs, one of a family */
  hostLocal(subnets: readonly string[]): Json {
    return {
      type: "host-local",
      dataDir: this.ipamDir,
      ranges: subnets.map((subnet) => [{ subnet }]),
    };
  }

  /** Directories, plugins, the cluster network's configuration and the netconf. @param further keys of the netconf */
  write(cniVersion: string, further: Json): void {
    for (const directory of [
      this.runtimeBinDir,
      this.runtimeConfDir,
      this.confDir,
      this.cniDir,
      this.ipamDir,
    ]) {
      mkdirSync(directory, { recursive: true });
    }
    copyFileSync(shim, this.plugin);
    copyFileSync(join(debianPlugins, "loopback"), join(this.runtimeBinDir, "loopback"));
    const clusterNetwork = this.#writeClusterNetwork(this.confDir);
    const netconf = {
      cniVersion,
      name: "multus-test",
      type: "multus",
      capabilities: { "io.kubernetes.cri.pod-annotations": true },
      clusterNetwork,
      binDir: debianPlugins,
      confDir: this.confDir,
      cniDir: this.cniDir,
      daemonSocketDir: this.socketDir,
      ...further,
    };
    writeFileSync(join(this.runtimeConfDir, "00-multus.conf"), JSON.stringify(netconf, undefined, 2));
  }

  /** Prepares a node whose daemon keeps the runtime's file. @returns keys of its configuration */
  writeKept(): Json {
    this.writeBare();
    for (const directory of [this.confDir, this.cniDir]) mkdirSync(directory, { recursive: true });
    copyFileSync(shim, this.plugin);
    const { confDir, cniDir, runtimeConfDir: cniConfigDir, socketDir: daemonSocketDir } = this;
    return {
      multusConfigFile: "auto",
      cniConfigDir,
      binDir: debianPlugins,
      confDir,
      cniDir,
      daemonSocketDir,
    };
  }

  /** Prepares a node that knows nothing of multus. */
  writeBare(): void {
    for (const directory of [this.runtimeBinDir, this.runtimeConfDir, this.ipamDir]) {
      mkdirSync(directory, { recursive: true });
    }
    if (this.#isK3s) this.writeK3sRelease("first");
    else copyPlugins(this.runtimeBinDir);
    this.#writeClusterNetwork(this.runtimeConfDir);
  }

  /** Does as k3s when it starts for the first time with a release: its plugins in a directory of their own, and links that lead to them; others are gone. */
  writeK3sRelease(hash: string): void {
    const data = dirname(this.runtimeBinDir);
    const earlier = readdirSync(data).filter((name) => name !== "cni");
    mkdirSync(join(data, hash, "bin"), { recursive: true });
    for (const plugin of copyPlugins(join(data, hash, "bin"))) {
      rmSync(join(this.runtimeBinDir, plugin), { force: true });
      symlinkSync(`${k3sPlace}/data/${hash}/bin/${plugin}`, join(this.runtimeBinDir, plugin));
    }
    for (const name of earlier) rmSync(join(data, name), { recursive: true });
  }

  /** A bare node's directories by the places that its containerd and kubelet have them in. */
  get places(): Readonly<Partial<Record<NodePlace, string>>> {
    return {
      ...(this.#isK3s
        ? {
            [k3sPlace]: this.#k3s,
            // Nobody reads these.
            "/etc/cni/net.d": join(this.directory, "unread-net.d"),
            "/opt/cni/bin": join(this.directory, "unread-bin"),
          }
        : { "/etc/cni/net.d": this.runtimeConfDir, "/opt/cni/bin": this.runtimeBinDir }),
      "/etc/cni/multus/net.d": this.confDir,
      "/etc/cni/multus/certs": join(this.directory, "certs"),
      "/etc/kubernetes": join(this.directory, "kubernetes"),
      "/run": this.runDir,
      "/var/lib/cni": dirname(this.cniDir),
      "/var/lib/kubelet": varLibKubelet(this.directory),
    };
  }

  /** @returns path of the file */
  #writeClusterNetwork(directory: string): string {
    const file = join(directory, "10-cluster.conflist");
    const bridge = {
      type: "bridge",
      bridge: clusterBridge,
      isDefaultGateway: true,
      ipam: this.hostLocal(["10.120.0.0/22", "fd12::/64"]),
    };
    writeFileSync(
      file,
      JSON.stringify({ cniVersion: "1.0.0", name: "cluster", plugins: [bridge] }, undefined, 2),
    );
    return file;
  }
}

export class ClusterNode implements AsyncDisposable {
  readonly #parts: Parts;
  readonly #files: NodeFiles;
  readonly #resources: AsyncDisposableStack;
  readonly #daemonConfig: Json;

  private constructor(parts: Parts, files: NodeFiles, resources: AsyncDisposableStack, daemonConfig: Json) {
    this.#parts = parts;
    this.#files = files;
    this.#resources = resources;
    this.#daemonConfig = daemonConfig;
  }

  /** Brings everything up; the node is ready, the daemon's watches have begun. @throws {Error} with the log of what did not come up */
  static async start(options: ClusterNodeOptions = {}): Promise<ClusterNode> {
    await using resources = new AsyncDisposableStack();
    const step = async <Result>(name: string, work: () => Promise<Result>): Promise<Result> => {
      const started = performance.now();
      const result = await work();
      options.onStep?.(name, performance.now() - started);
      return result;
    };
    const scratch = resources.use(new ScratchDirectory("node"));
    resources.defer(async () => {
      for (const point of mountsBelow(scratch.path)) await runCommand(["umount", "--lazy", point]);
    });
    // They would end with the directory of records, but some seconds later.
    resources.defer(() => endStayingBelow(scratch.path));
    // Those that the plugin starts are nobody's children, and come again with the last pods that are removed.
    resources.defer(async () => {
      for (const { pid } of onDemandDaemons()) process.kill(pid, "SIGKILL");
      while (onDemandDaemons().length > 0) await sleep(20);
    });
    const { bare = false, devices = false, keepsRuntimeFile = false } = options;
    const files = new NodeFiles(scratch.path, options.k3s ?? false);
    const keptKeys = keepsRuntimeFile ? files.writeKept() : {};
    if (bare) files.writeBare();
    else if (!keepsRuntimeFile) files.write(options.cniVersion ?? "1.0.0", options.netconf ?? {});

    const network = resources.use(await Namespace.create("node"));
    await network.ip("link", "add", masterLink, "type", "veth", "peer", "name", "wire0");
    for (const link of [masterLink, "wire0"]) await network.ip("link", "set", link, "up");
    // Plugins make the bridge with the first pod and leave it: what there is before a pod is compared with what there is after it.
    await network.ip("link", "add", clusterBridge, "type", "bridge");

    const api = await step("etcd and kube-apiserver", async () => resources.use(await ApiServer.start()));
    if (!bare) await step("the manifests of deploy/", () => api.applyDeployment());
    const proxy = resources.use(await FaultProxy.start(api));
    const daemonConfig = {
      socketDir: files.socketDir,
      logLevel: "debug",
      ...keptKeys,
      ...options.daemonConfig,
    };
    let daemon: Daemon | undefined;
    let through: readonly string[] = [];
    let runtimeThrough: readonly string[] = [];
    if (bare) {
      resources.use(await startServiceAddress(network, join(scratch.path, "service.sock"), api.port));
      const shared = [files.containerdDirectory, kubeletRoot(scratch.path), files.runDir];
      through = resources.use(new HostPlaces(files.places, shared)).through;
      runtimeThrough = through;
    } else {
      let volumes: Readonly<Record<string, string>> = {};
      if (devices) {
        const information = { [deviceInformationPlace]: files.deviceInformation };
        const shared = [files.containerdDirectory, kubeletRoot(scratch.path)];
        runtimeThrough = resources.use(new HostPlaces(information, shared)).through;
        volumes = { ...information, "/var/lib/kubelet": varLibKubelet(scratch.path) };
        mkdirSync(varLibKubelet(scratch.path));
      }
      const { namespace, name } = serviceAccount;
      const credentials = api.serviceAccountFiles(namespace, await api.createToken(namespace, name));
      const own = resources.use(
        new Daemon(scratch.path, daemonConfig, {
          environment: {
            KUBERNETES_SERVICE_HOST: "127.0.0.1",
            KUBERNETES_SERVICE_PORT: String(proxy.port),
            MULTUS_NODE_NAME: nodeName,
            ...(keepsRuntimeFile ? ownDaemonSet : {}),
          },
          through: inPodWith(credentials.directory, volumes),
          ...(options.onLog && { onOutput: options.onLog }),
        }),
      );
      await step("multusd", () => own.start());
      daemon = own;
    }
    const streamPort = options.serving === true ? await freePort() : undefined;
    if (streamPort !== undefined) {
      resources.use(await Crossing.loopback(network, join(scratch.path, "stream.sock"), streamPort));
    }
    const containerd = await step("containerd", async () =>
      resources.use(
        await Containerd.start(
          files.containerdDirectory,
          network,
          ...(bare ? files.bareDirectories : ([files.runtimeBinDir, files.runtimeConfDir] as const)),
          {
            through: runtimeThrough,
            streamPort,
            ownRun: bare,
            ...(options.containerd === "2.4"
              ? { programDirectory: dirname(containerdProgram("containerd")) }
              : {}),
          },
        ),
      ),
    );
    // A test that failed may have left the node without plugin or daemon; sandboxes cannot be stopped without them.
    resources.defer(async () => {
      restorePlugin(files);
      if (daemon !== undefined && daemon.pidIfRunning === undefined) await daemon.start();
    });
    const kubelet = resources.use(
      new Kubelet({
        directory: scratch.path,
        nodeName,
        kubeconfig: api.kubeconfigFor(await api.certificates.kubelet(nodeName)),
        runtimeSocket: containerd.socket,
        through,
        ...(options.serving === true && {
          serving: { port: await freePort(), clientAuthority: api.certificates.authority.certificate },
        }),
        ...(bare ? { places: Object.keys(files.places) } : {}),
      }),
    );
    const parts: Parts = { scratch, network, api, proxy, daemon, containerd, kubelet };
    const node = new ClusterNode(parts, files, resources.move(), daemonConfig);
    try {
      await step("kubelet", () => kubelet.start(() => node.isReady()));
      if (!bare) {
        await node.until("the daemon's watches", async () => proxy.seen({ path: /[?&]watch=/ }).length >= 2);
      }
    } catch (error) {
      await node[Symbol.asyncDispose]();
      throw error;
    }
    return node;
  }

  get network(): Namespace {
    return this.#parts.network;
  }
  get api(): ApiServer {
    return this.#parts.api;
  }
  /** Between the daemon and the API server. */
  get proxy(): FaultProxy {
    return this.#parts.proxy;
  }
  /** The test's own. @throws {Error} on a bare node */
  get daemon(): Daemon {
    const { daemon } = this.#parts;
    if (daemon === undefined) throw new Error("a bare node has no daemon of the test's");
    return daemon;
  }
  get containerd(): Containerd {
    return this.#parts.containerd;
  }
  get kubelet(): Kubelet {
    return this.#parts.kubelet;
  }
  /** Everything of the node's own is below it. */
  get directory(): string {
    return this.#files.directory;
  }
  /** The kubelet's `--root-dir`. */
  get kubeletRoot(): string {
    return kubeletRoot(this.directory);
  }
  /** Where the kubelet has its socket for device plugins, theirs, and its checkpoint; the kubelet itself sees it below /var/lib/kubelet. */
  get devicePluginDirectory(): string {
    return join(varLibKubelet(this.directory), "device-plugins");
  }
  /** Path of the socket by which the kubelet tells the devices of pods. */
  get podResourcesSocket(): string {
    return join(this.kubeletRoot, "pod-resources", "kubelet.sock");
  }
  /** Directory that daemon and plugins of a node with `devices` see at /run/k8s.cni.cncf.io. */
  get deviceInformationDirectory(): string {
    return this.#files.deviceInformation;
  }
  get cniDir(): string {
    return this.#files.cniDir;
  }
  get ipamDir(): string {
    return this.#files.ipamDir;
  }
  /** Of a bare node: the test's own directories by the places that they are seen at there. */
  get places(): Readonly<Record<string, string>> {
    return this.#files.places;
  }

  /** Of a node with k3s's directories: it comes up with another release. @param hash the release's directory, a new one */
  upgradeK3s(hash: string): void {
    this.#files.writeK3sRelease(hash);
  }

  /** Of a bare node. @param path as it is called there @returns path on this machine @throws {Error} where it is none of the test's */
  hostPath(path: string): string {
    const found = Object.entries(this.places).find(([place]) => `${path}/`.startsWith(`${place}/`));
    if (found === undefined) throw new Error(`${path}: not of the node's own`);
    return join(found[1], relative(found[0], path));
  }

  /** Ends the daemon, if it runs, and starts it again. @param config further keys of its configuration, instead of those of the last time */
  async restartDaemon(config: Json = {}): Promise<void> {
    await this.daemon.stop();
    this.daemon.configure({ ...this.#daemonConfig, ...config, socketDir: this.#files.socketDir });
    await this.daemon.start();
  }

  /** Installs a plugin for networks, beside the runtime's. @param script the program's text */
  installPlugin(name: string, script: string): void {
    writeFileSync(this.pluginPath(name), script, { mode: 0o755 });
  }

  /** Where a plugin for networks belongs. */
  pluginPath(name: string): string {
    return join(this.#files.runtimeBinDir, name);
  }

  /** Takes the plugin's binary away, as an upgrade that went wrong does. */
  removePlugin(): void {
    renameSync(this.#files.plugin, `${this.#files.plugin}.away`);
  }

  restorePlugin(): void {
    restorePlugin(this.#files);
  }

  /** The configuration of a macvlan on the node's uplink with host-local. @param subnets CIDRs, one of a family */
  macvlan(subnets: readonly string[], further: Json = {}): Json {
    const ipam = this.#files.hostLocal(subnets);
    return { cniVersion: "1.0.0", type: "macvlan", master: masterLink, mode: "bridge", ipam, ...further };
  }

  /** Creates or changes a NetworkAttachmentDefinition as a user does. @param config text is taken as it is */
  async applyNetwork(namespace: string, name: string, config: Json | string): Promise<void> {
    await this.apply(nadManifest(namespace, name, config));
  }

  /** Creates a pod as a user does. @param networks value of the annotation k8s.v1.cni.cncf.io/networks */
  async applyPod(namespace: string, name: string, networks: string): Promise<void> {
    await this.apply(this.podManifest(namespace, name, networks));
  }

  /** The manifest of a pod of this node. */
  podManifest(namespace: string, name: string, networks: string): string {
    return podManifest({ namespace, name, annotations: { [networksAnnotation]: networks }, nodeName });
  }

  /** `kubectl apply`. @param manifests YAML */
  async apply(manifests: string): Promise<void> {
    await this.api.apply(manifests);
  }

  /** `kubectl delete`, and waits until they are gone. */
  async deletePods(namespace: string, ...names: readonly string[]): Promise<void> {
    await this.api.kubectl("delete", "pod", "--namespace", namespace, "--wait=false", ...names);
    await this.until(`pods ${names.join(", ")} of ${namespace} to be gone`, async () =>
      (await this.pods(namespace)).every(({ metadata }) => !names.includes(metadata.name)),
    );
  }

  /** Asks for an object. @returns undefined if there is none */
  async #get<Answer>(path: string): Promise<Answer | undefined> {
    const { status, text } = await this.api.ask("GET", path);
    if (status === 404) return undefined;
    if (status !== 200) throw new Error(`GET ${path}: ${status} ${text.trim()}`);
    return JSON.parse(text);
  }

  /** Asks for all objects of a kind. */
  async #list<Item>(path: string): Promise<readonly Item[]> {
    return (await this.api.request<{ readonly items: readonly Item[] }>("GET", path)).items;
  }

  /** @returns undefined if there is none */
  async pod(namespace: string, name: string): Promise<ClusterPod | undefined> {
    return this.#get<ClusterPod>(`/api/v1/namespaces/${namespace}/pods/${name}`);
  }

  /** Every pod of a namespace. */
  async pods(namespace: string): Promise<readonly ClusterPod[]> {
    return this.#list<ClusterPod>(`/api/v1/namespaces/${namespace}/pods`);
  }

  /** Events of all namespaces. */
  async allEvents(): Promise<readonly ClusterEvent[]> {
    return this.#list<ClusterEvent>("/apis/events.k8s.io/v1/events");
  }

  /** Events that regard a pod of that name. */
  async events(namespace: string, name: string): Promise<readonly ClusterEvent[]> {
    return (await this.allEvents()).filter(
      ({ regarding }) =>
        regarding.kind === "Pod" && regarding.namespace === namespace && regarding.name === name,
    );
  }

  /**
   * Asks again and again until there is an answer.
   * @param what is waited for, for the error
   * @param look undefined, or false: not yet
   * @throws {Error} after a minute and a half, with the ends of the logs
   */
  async until<Result>(
    what: string,
    look: () => Promise<Result | undefined | false>,
    patience = patienceMs,
  ): Promise<Result> {
    const deadline = Date.now() + patience;
    for (;;) {
      const result = await look();
      if (result !== undefined && result !== false) return result;
      if (Date.now() > deadline) throw new Error(`in vain waited for ${what}\n${this.logs()}`);
      await sleep(pollMs);
    }
  }

  /** Output of a pod's container: the kubelet's file of its last start. */
  podLog({ metadata }: ClusterPod, container: string): string {
    const name = `${metadata.namespace}_${metadata.name}_${metadata.uid}`;
    const directory = join(this.#files.directory, "pod-logs", name, container);
    const last = readdirSync(directory).sort().at(-1);
    return last === undefined ? "" : readFileSync(join(directory, last), "utf8");
  }

  /** The ends of all logs, for messages. */
  logs(): string {
    return [
      `--- multusd\n${this.#parts.daemon?.output.slice(-10_000) ?? "none of the test's"}`,
      `--- containerd\n${this.containerd.log().slice(-5_000)}`,
      `--- kubelet\n${this.kubelet.log().slice(-5_000)}`,
    ].join("\n");
  }

  /** Waits until the pod's container runs, or until it is as wanted. */
  waitForPod(
    namespace: string,
    name: string,
    isAsWanted: (pod: ClusterPod) => boolean = isRunning,
    what = "its container to run",
  ): Promise<ClusterPod> {
    return this.until(`pod ${namespace}/${name}: ${what}`, async () => {
      const pod = await this.pod(namespace, name);
      return pod !== undefined && isAsWanted(pod) ? pod : undefined;
    });
  }

  /** Waits until the pods' containers run. */
  waitForPods(namespace: string, names: readonly string[]): Promise<readonly ClusterPod[]> {
    return this.until(`pods ${names.join(", ")} of ${namespace} to run`, async () => {
      const running = (await this.pods(namespace)).filter((pod) => isRunning(pod));
      const wanted = running.filter(({ metadata }) => names.includes(metadata.name));
      return wanted.length === names.length ? wanted : undefined;
    });
  }

  /** Waits for an event on a pod. */
  waitForEvent(
    namespace: string,
    name: string,
    reason: string,
    matches: (event: ClusterEvent) => boolean = () => true,
  ): Promise<ClusterEvent> {
    return this.until(`event ${reason} on ${namespace}/${name}`, async () =>
      (await this.events(namespace, name)).find((event) => event.reason === reason && matches(event)),
    );
  }

  /** The network-status that is written on the pod, undefined if there is none. */
  async networkStatus(namespace: string, name: string): Promise<readonly Json[] | undefined> {
    const text = (await this.pod(namespace, name))?.metadata.annotations?.[
      "k8s.v1.cni.cncf.io/network-status"
    ];
    return text === undefined ? undefined : JSON.parse(text);
  }

  /** Waits for the network-status, which follows the ADD. */
  waitForNetworkStatus(namespace: string, name: string): Promise<readonly Json[]> {
    return this.until(`network-status of ${namespace}/${name}`, () => this.networkStatus(namespace, name));
  }

  async #object(): Promise<NodeObject | undefined> {
    return this.#get<NodeObject>(`/api/v1/nodes/${nodeName}`);
  }

  async #readiness(): Promise<NodeCondition | undefined> {
    return (await this.#object())?.status?.conditions?.find(({ type }) => type === "Ready");
  }

  /** Waits until the node object offers so many devices of a resource. @param count 0: also none at all */
  async untilAllocatable(resource: string, count: number): Promise<void> {
    await this.until(`node ${nodeName} to offer ${count} of ${resource}`, async () => {
      const { allocatable } = (await this.#object())?.status ?? {};
      return Number(allocatable?.[resource] ?? 0) === count;
    });
  }

  /** Ends the kubelet and starts it again; pods go on running. Device plugins have to register again. */
  async restartKubelet(): Promise<void> {
    await this.kubelet.stop();
    // They stay behind; the node object still says ready.
    const sockets = [this.podResourcesSocket, join(this.devicePluginDirectory, "kubelet.sock")];
    for (const socket of sockets) rmSync(socket, { force: true });
    await this.kubelet.start(async () => sockets.every((socket) => existsSync(socket)));
  }

  /** Does the node object say that the node is ready? */
  async isReady(): Promise<boolean> {
    return (await this.#readiness())?.status === "True";
  }

  /** Waits until the node object says that the node is ready, or not. @returns the condition's message */
  waitUntilReady(wanted: boolean): Promise<string> {
    return this.until(`node ${nodeName} to be ${wanted ? "ready" : "not ready"}`, async () => {
      const condition = await this.#readiness();
      return condition !== undefined && (condition.status === "True") === wanted && condition.message;
    });
  }

  /** Pid of a process in the pod's network namespace. @throws {Error} if the pod has no sandbox that runs */
  async sandboxPid(namespace: string, name: string): Promise<number> {
    const sandbox = (await this.containerd.sandboxes()).find(
      ({ metadata, isReady }) => isReady && metadata.namespace === namespace && metadata.name === name,
    );
    if (sandbox === undefined) throw new Error(`${namespace}/${name} has no sandbox`);
    return (await this.containerd.podSandboxStatus(sandbox.id)).pid;
  }

  /** `ip` in a pod's network namespace. @returns what it prints */
  async ipInPod(namespace: string, name: string, ...args: readonly string[]): Promise<string> {
    const pid = await this.sandboxPid(namespace, name);
    return runOrThrow(["nsenter", `--net=/proc/${pid}/ns/net`, "--", "ip", ...args]);
  }

  /** The pod's links with their addresses, without `lo`. */
  async podLinks(namespace: string, name: string): Promise<Link[]> {
    const links: Link[] = JSON.parse(await this.ipInPod(namespace, name, "-j", "-d", "addr", "show"));
    return links.filter(({ ifname }) => ifname !== "lo");
  }

  async podDefaultRoutes(namespace: string, name: string, family: 4 | 6): Promise<Route[]> {
    return JSON.parse(
      (await this.ipInPod(namespace, name, `-${family}`, "-j", "route", "show", "default")) || "[]",
    );
  }

  /** The node's present traces of pods. */
  async traces(): Promise<ClusterTraces> {
    return {
      ...(await traces({
        network: this.network,
        daemon: { pidIfRunning: this.#parts.daemon?.pidIfRunning },
        cniDir: this.cniDir,
        ipamDir: this.ipamDir,
      })),
      mounts: [join(this.#files.containerdDirectory, "state"), this.#files.runDir]
        .flatMap(mountsBelow)
        .sort(),
      cgroups: containersWithCgroup(await this.containerd.listPodSandboxes()).sort(),
    };
  }

  /**
   * Waits until the node has of pods what it had. Sandboxes that are stopped may stay known to the runtime: a kubelet removes them when it next collects garbage.
   * @throws {Error} with what there is beside it
   */
  async untilNothingIsLeft(before: ClusterTraces): Promise<void> {
    let now = await this.traces();
    const deadline = Date.now() + patienceMs;
    while (JSON.stringify(now) !== JSON.stringify(before)) {
      if (Date.now() > deadline) {
        const [had, has] = [before, now].map((snapshot) => JSON.stringify(snapshot, undefined, 2));
        throw new Error(`something is left: the node had ${had}\nand has ${has}\n${this.logs()}`);
      }
      await sleep(pollMs);
      now = await this.traces();
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#resources.disposeAsync();
  }
}

function restorePlugin(files: NodeFiles): void {
  const away = `${files.plugin}.away`;
  if (existsSync(away)) renameSync(away, files.plugin);
}
