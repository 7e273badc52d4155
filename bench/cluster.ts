/** A cluster for benchmarks: a real API server with our manifests, credentials for a daemon, and watches of the arriving objects. */

import { ApiServer } from "../test/support/cluster/api-server.ts";
import { pauseImageName } from "../test/support/pause-image.ts";
import type { TestNodeOptions } from "../test/support/test-node.ts";
import { Arrivals, statusAnnotation, type WatchedEvent, type WatchedPod } from "./arrivals.ts";

/** Name of the node that the daemon under measurement serves. */
export const nodeName = "bench-node";
/** The progress of a part while its cluster starts. */
export const clusterStarts = "a cluster starts";
/** Where the benchmarks' pods and networks are. */
const namespace = "default";
const podsPath = `/api/v1/namespaces/${namespace}/pods`;
const eventsPath = `/apis/events.k8s.io/v1/namespaces/${namespace}/events`;

/** A pod in the API, as a runtime names it. */
export interface ApiPod {
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
}

/** A real API server with our manifests. */
export class BenchCluster implements AsyncDisposable {
  readonly api: ApiServer;
  readonly arrivals: Arrivals;
  readonly #resources: AsyncDisposableStack;

  private constructor(api: ApiServer, arrivals: Arrivals, resources: AsyncDisposableStack) {
    this.api = api;
    this.arrivals = arrivals;
    this.#resources = resources;
  }

  /** @throws {Error} with the end of the log of what did not start */
  static async start(): Promise<BenchCluster> {
    await using resources = new AsyncDisposableStack();
    const api = resources.use(await ApiServer.start());
    await api.applyDeployment();
    const arrivals = new Arrivals();
    resources.use(await api.watch<WatchedPod>(podsPath, (pod, type) => arrivals.seePod(pod, type)));
    resources.use(await api.watch<WatchedEvent>(eventsPath, (event, type) => arrivals.seeEvent(event, type)));
    return new BenchCluster(api, arrivals, resources.move());
  }

  /**
   * For a node whose daemon belongs to this cluster, with the rights of deploy/base/rbac.yaml and no other.
   * @param server URL that it reaches the API at, if not the API server's own
   */
  async nodeOptions(server?: string): Promise<TestNodeOptions> {
    const token = await this.api.createToken("kube-system", "multus", 2 * 3_600);
    return {
      // No other source of networks.
      daemonConfig: {
        logLevel: "panic",
        kubeconfig: this.api.kubeconfigFor({ token }, server),
        nadDir: undefined,
      },
      daemonSurroundings: { environment: { MULTUS_NODE_NAME: nodeName } },
    };
  }

  /** A pod of the node. Nobody starts it. */
  async createPod(name: string, annotations: Readonly<Record<string, string>>): Promise<ApiPod> {
    const { metadata } = await this.api.request<{ readonly metadata: { readonly uid: string } }>(
      "POST",
      podsPath,
      {
        metadata: { name, annotations },
        spec: { nodeName, containers: [{ name: "main", image: pauseImageName }] },
      },
    );
    return { namespace, name, uid: metadata.uid };
  }

  /** Takes a pod's network-status away and forgets its events. */
  async clear({ name }: ApiPod): Promise<void> {
    const { arrivals } = this;
    if (arrivals.of(name).status !== undefined) {
      await this.api.request(
        "PATCH",
        `${podsPath}/${name}`,
        { metadata: { annotations: { [statusAnnotation]: null } } },
        "application/merge-patch+json",
      );
      await arrivals.until(`pod ${name} without status`, () => arrivals.of(name).status === undefined);
    }
    arrivals.forget(name);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#resources.disposeAsync();
  }
}
