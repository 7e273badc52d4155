/**
 * A pretended node that belongs to a real cluster: our daemon as in a pod, with its service account's files and rights, and a proxy between it and the
 * API server. There is no kubelet: a test creates pods, and calls the plugin as their runtime would.
 */

import { isDeepStrictEqual } from "node:util";
import { cidrs } from "../namespace.ts";
import { pauseImageName } from "../pause-image.ts";
import { type CniCommand, type PluginAnswer, type PluginCall, podArgs } from "../plugin.ts";
import { masterLink, type Pod, TestNode } from "../test-node.ts";
import type { ApiServer } from "./api-server.ts";
import { FaultProxy, type SeenRequest } from "./fault-proxy.ts";
import { inPodWith, type ServiceAccountFiles } from "./service-account-files.ts";

type Json = Readonly<Record<string, unknown>>;

const account = { namespace: "kube-system", name: "multus" };
const mergePatch = "application/merge-patch+json";
const patience = 60_000;

export const nadsPath = "/apis/k8s.cni.cncf.io/v1/namespaces/default/network-attachment-definitions";
export const podsPath = "/api/v1/namespaces/default/pods";
export const networksAnnotation = "k8s.v1.cni.cncf.io/networks";
export const statusAnnotation = "k8s.v1.cni.cncf.io/network-status";

/** The daemon's watches, and nobody else's. */
export const nadWatch = { method: "GET", path: /network-attachment-definitions\?watch=1/ };
/** That of all pods of the node. Beside it there may be one of those that run and lack their networks. */
export const podWatch = { method: "GET", path: /pods\?fieldSelector=(?!.*status\.phase)[^&]*&watch=1/ };

/** A pod as the API has it. */
export interface ApiPod {
  readonly metadata: {
    readonly name: string;
    readonly uid: string;
    readonly annotations?: Readonly<Record<string, string>>;
  };
}

/** The API's network-status of a pod; undefined where it has none. */
export function statusOf({ metadata }: ApiPod): unknown {
  const text = metadata.annotations?.[statusAnnotation];
  return text === undefined ? undefined : JSON.parse(text);
}

/** A pod that the API has and the node has a network namespace for. */
export class PlacedPod {
  readonly pod: Pod;
  readonly uid: string;
  readonly #node: TestNode;
  readonly #netconf: Json;

  constructor(node: TestNode, netconf: Json, pod: Pod, uid: string) {
    this.#node = node;
    this.#netconf = netconf;
    this.pod = pod;
    this.uid = uid;
  }

  get name(): string {
    return this.pod.name;
  }

  /**
   * Calls the plugin.
   * @param networks that the annotations of the request select; undefined: none come with it
   */
  call(command: CniCommand, networks: string | undefined): Promise<PluginAnswer> {
    const { pod, uid } = this;
    const { capabilities: _, ...withoutCapabilities } = this.#netconf;
    const further: Partial<PluginCall> = {
      args: podArgs({ ...pod, uid }),
      config:
        networks === undefined
          ? withoutCapabilities
          : {
              ...this.#netconf,
              runtimeConfig: {
                "io.kubernetes.cri.pod-annotations": {
                  "kubernetes.io/config.source": "api",
                  [networksAnnotation]: networks,
                },
              },
            },
    };
    return this.#node.call(command, pod, this.#netconf, further);
  }

  /** Its expected network-status, by the links in its namespace. @param networks of its interfaces but the first, `namespace/name` */
  async expectedStatus(networks: readonly string[]): Promise<Json[]> {
    const links = await this.pod.network.links();
    return links.map((link, position) => ({
      name: position === 0 ? "cluster" : networks[position - 1],
      interface: link.ifname,
      ips: cidrs(link).map((cidr) => cidr.slice(0, cidr.indexOf("/"))),
      mac: link.address,
      ...(position === 0 ? { default: true } : {}),
      dns: {},
    }));
  }
}

export class ApiNode implements AsyncDisposable {
  readonly api: ApiServer;
  readonly proxy: FaultProxy;
  readonly node: TestNode;
  readonly serviceAccount: ServiceAccountFiles;
  readonly #nodeName: string;
  readonly #netconf: Json;
  readonly #resources: AsyncDisposableStack;

  private constructor(
    nodeName: string,
    api: ApiServer,
    proxy: FaultProxy,
    node: TestNode,
    serviceAccount: ServiceAccountFiles,
    netconf: Json,
    resources: AsyncDisposableStack,
  ) {
    this.#nodeName = nodeName;
    this.api = api;
    this.proxy = proxy;
    this.node = node;
    this.serviceAccount = serviceAccount;
    this.#netconf = netconf;
    this.#resources = resources;
  }

  /**
   * Starts proxy and daemon; the daemon knows the cluster's networks and pods then.
   * @param nodeName of the daemon's node
   * @param token that it begins with
   */
  static async start(api: ApiServer, nodeName: string, token?: string): Promise<ApiNode> {
    await using resources = new AsyncDisposableStack();
    const proxy = resources.use(await FaultProxy.start(api));
    const { namespace, name } = account;
    const files = api.serviceAccountFiles(namespace, token ?? (await api.createToken(namespace, name)));
    const node = resources.use(
      await TestNode.start({
        daemonConfig: { nadDir: undefined },
        daemonSurroundings: {
          environment: {
            KUBERNETES_SERVICE_HOST: "127.0.0.1",
            KUBERNETES_SERVICE_PORT: String(proxy.port),
            MULTUS_NODE_NAME: nodeName,
          },
          through: inPodWith(files.directory),
        },
      }),
    );
    const netconf = await node.bridgeNetconf("10.120.0.0/22");
    const started = new ApiNode(nodeName, api, proxy, node, files, netconf, resources.move());
    try {
      await node.untilReady();
      await started.untilWatching();
    } catch (error) {
      await started[Symbol.asyncDispose]();
      throw error;
    }
    return started;
  }

  /** Polls. @throws {Error} with the daemon's output, where it is not so after a minute */
  async until<Value>(
    what: string,
    ask: () => Value | undefined | false | Promise<Value | undefined | false>,
  ): Promise<Value> {
    const deadline = Date.now() + patience;
    for (;;) {
      const value = await ask();
      if (value !== undefined && value !== false) return value;
      if (Date.now() > deadline) {
        throw new Error(
          `${what}: not after ${patience / 1000} s; the daemon:\n${this.node.daemon.output.slice(-5_000)}`,
        );
      }
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }

  /**
   * Waits until the pod's network-status is that of its namespace as it is now, field by field: an older one may be there before.
   * @param networks `namespace/name` in the order of the pod's annotation
   */
  async untilReported(pod: PlacedPod, networks: readonly string[]): Promise<void> {
    const expected = await pod.expectedStatus(networks);
    if (expected.length !== 1 + networks.length) throw new Error(`${pod.name} has ${expected.length} links`);
    await this.until(`the network-status ${JSON.stringify(expected)} of ${pod.name}`, async () =>
      isDeepStrictEqual(statusOf(await this.apiPod(pod.name)), expected),
    );
  }

  /** Waits for a line of the daemon's log: it comes on another way than answers do. */
  async untilLogged(line: RegExp): Promise<void> {
    await this.until(`${line} in the log`, () => line.test(this.node.daemon.output));
  }

  /** Waits until both of the daemon's watches are open. @returns when the later one was asked for, milliseconds since the epoch */
  async untilWatching(): Promise<number> {
    const open = (match: typeof nadWatch): SeenRequest | undefined =>
      this.proxy.seen(match).find(({ status, millis }) => status === 200 && millis === undefined);
    return this.until("both watches open", () => {
      const [nads, pods] = [open(nadWatch), open(podWatch)];
      return nads && pods && Math.max(nads.at, pods.at);
    });
  }

  /** Macvlan with addresses of its own. */
  macvlan(name: string, subnet: string): Json {
    const ipam = this.node.hostLocal(subnet);
    return { cniVersion: "1.0.0", name, type: "macvlan", master: masterLink, mode: "bridge", ipam };
  }

  /** Creates a NAD in namespace default. */
  createNetwork(name: string, config: Json): Promise<void> {
    return this.api.createNetwork(name, config);
  }

  async changeNetwork(name: string, config: Json): Promise<void> {
    const spec = { config: JSON.stringify(config) };
    await this.api.request("PATCH", `${nadsPath}/${name}`, { spec }, mergePatch);
  }

  async deleteNetwork(name: string): Promise<void> {
    await this.api.request("DELETE", `${nadsPath}/${name}`);
  }

  /** Creates a pod of the node in namespace default, in the API alone. @param networks that it selects */
  createPod(name: string, networks: string): Promise<ApiPod> {
    return this.api.request("POST", podsPath, {
      metadata: { name, annotations: { [networksAnnotation]: networks } },
      spec: { nodeName: this.#nodeName, containers: [{ name: "main", image: pauseImageName }] },
    });
  }

  /** A pod in the API, with a network namespace on the node. */
  async place(name: string, networks: string): Promise<PlacedPod> {
    const pod = await this.node.pod(name);
    const { metadata } = await this.createPod(name, networks);
    return new PlacedPod(this.node, this.#netconf, pod, metadata.uid);
  }

  apiPod(name: string): Promise<ApiPod> {
    return this.api.request("GET", `${podsPath}/${name}`);
  }

  /** Sets annotations of a pod; null takes one away. @returns the pod with them */
  annotate(name: string, annotations: Readonly<Record<string, string | null>>): Promise<ApiPod> {
    return this.api.request("PATCH", `${podsPath}/${name}`, { metadata: { annotations } }, mergePatch);
  }

  /** Takes a pod away as a kubelet does in the end. */
  async deletePod(name: string): Promise<void> {
    await this.api.request("DELETE", `${podsPath}/${name}?gracePeriodSeconds=0`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#resources.disposeAsync();
  }
}
