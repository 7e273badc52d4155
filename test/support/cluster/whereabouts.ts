/** The IPAM plugin whereabouts on a node of the tests: its resources and rights in the API, the plugin beside the runtime's, and its reconciler. */

import { copyFileSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { whereaboutsFile } from "./binaries.ts";
import type { Crossing } from "./crossing.ts";
import { writeKubeconfig } from "./kubeconfig.ts";
import { documents } from "./manifests.ts";
import { type ClusterNode, nodeName } from "./node.ts";
import { ServerProcess } from "./server-process.ts";
import { ServiceAccountFiles } from "./service-account-files.ts";
import { serviceUrl, startServiceAddress } from "./service-address.ts";

const account = { namespace: "kube-system", name: "whereabouts" };
const resources = "/apis/whereabouts.cni.cncf.io/v1alpha1";

/** One address of a pool, by its index. */
export interface Allocation {
  /** `namespace/name` of the pod. */
  readonly podref: string;
  readonly id: string;
  readonly ifname: string;
}

/** Addresses of one range that are given out. */
export interface IpPool {
  readonly metadata: { readonly namespace: string; readonly name: string };
  readonly spec: {
    /** CIDR. */
    readonly range: string;
    /** By the distance from the range's first address. */
    readonly allocations: Readonly<Record<string, Allocation>>;
  };
}

export class Whereabouts implements AsyncDisposable {
  readonly #node: ClusterNode;
  readonly #address: Crossing;
  /** The file that it takes from what a network does not say. */
  readonly #defaults: string;

  private constructor(node: ClusterNode, address: Crossing, defaults: string) {
    this.#node = node;
    this.#address = address;
    this.#defaults = defaults;
  }

  /** Applies its manifests and installs the plugin. Its DaemonSet stays an object: nothing on the node makes pods of it. */
  static async install(node: ClusterNode): Promise<Whereabouts> {
    const { api } = node;
    const directory = whereaboutsFile("crds");
    const manifests = readdirSync(directory).map((file) => readFileSync(join(directory, file), "utf8"));
    await api.apply(documents(manifests));
    const token = await api.createToken(account.namespace, account.name);
    for (const path of [resources, `${resources}/ippools`]) await api.untilServed(path, token);
    const kubeconfig = writeKubeconfig(
      join(node.directory, "whereabouts.kubeconfig"),
      serviceUrl,
      api.certificates.authority.certificate,
      { token },
    );
    // As its installation writes it; without this file it refuses, even where a network says everything.
    const defaults = join(node.directory, "whereabouts.conf");
    writeFileSync(defaults, JSON.stringify({ datastore: "kubernetes", kubernetes: { kubeconfig } }));
    copyFileSync(whereaboutsFile("cmd"), node.pluginPath("whereabouts"));
    const socket = join(node.directory, "service.sock");
    return new Whereabouts(node, await startServiceAddress(node.network, socket, api.port), defaults);
  }

  /** `ipam` of a network. @param range CIDR */
  ipam(range: string): Readonly<Record<string, unknown>> {
    return { type: "whereabouts", range, configuration_path: this.#defaults };
  }

  async pools(): Promise<readonly IpPool[]> {
    const { items } = await this.#node.api.request<{ readonly items: readonly IpPool[] }>(
      "GET",
      `${resources}/ippools`,
    );
    return items;
  }

  /** Names of the addresses that are given out in all of the cluster. */
  async reservations(): Promise<readonly string[]> {
    const { items } = await this.#node.api.request<{ readonly items: readonly Pick<IpPool, "metadata">[] }>(
      "GET",
      `${resources}/overlappingrangeipreservations`,
    );
    return items.map(({ metadata }) => metadata.name);
  }

  /** Gives an address to a pod that does not exist, as a node that died does. @param index in the pool */
  async addOrphan({ metadata }: IpPool, index: string): Promise<void> {
    const allocation: Allocation = { podref: "default/gone", id: "0123456789abcdef", ifname: "net1" };
    await this.#node.api.request(
      "PATCH",
      `${resources}/namespaces/${metadata.namespace}/ippools/${metadata.name}`,
      { spec: { allocations: { [index]: allocation } } },
      "application/merge-patch+json",
    );
  }

  /** Starts its reconciler, which begins a run each second. It sees of the machine its own files alone. */
  async startReconciler(): Promise<ServerProcess> {
    const root = join(this.#node.directory, "reconciler");
    for (const directory of ["cron-schedule", "var/run/secrets/kubernetes.io", "tmp"]) {
      mkdirSync(join(root, directory), { recursive: true });
    }
    copyFileSync(whereaboutsFile("controlloop"), join(root, "controlloop"));
    writeFileSync(join(root, "cron-schedule", "config"), "@every 1s\n");
    const { api } = this.#node;
    const token = await api.createToken(account.namespace, account.name);
    new ServiceAccountFiles(
      join(root, "var/run/secrets/kubernetes.io/serviceaccount"),
      api.certificates.authority.certificate,
      account.namespace,
      token,
    );
    const reconciler = new ServerProcess(["chroot", root, "/controlloop"], join(root, "log"), {
      KUBERNETES_SERVICE_HOST: "127.0.0.1",
      KUBERNETES_SERVICE_PORT: String(api.port),
      NODENAME: nodeName,
      WHEREABOUTS_NAMESPACE: account.namespace,
    });
    await reconciler.start(async () => reconciler.log().includes("starting reconciler run"));
    return reconciler;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#address[Symbol.asyncDispose]();
  }
}
