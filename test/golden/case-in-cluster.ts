/** The API objects of a case in a real API server, for as long as the case runs. */

import type { ApiServer } from "../support/cluster/api-server.ts";
import { pauseImageName } from "../support/pause-image.ts";
import { cases, type GoldenCase, type Json, nadObject } from "./cases.ts";
import { comparableEvents, type Expectation } from "./expectation.ts";

const statusAnnotation = "k8s.v1.cni.cncf.io/network-status";

interface ApiObject {
  readonly metadata: { readonly uid: string; readonly annotations?: Readonly<Record<string, string>> };
}

interface ApiEvent {
  readonly type: string;
  readonly reason: string;
  readonly message: string;
}

/** The part about a pod that is in the API alone. */
export type SeenInApi = Pick<Expectation, "networkStatus" | "events">;

function nadsPath(namespace: string): string {
  return `/apis/k8s.cni.cncf.io/v1/namespaces/${namespace}/network-attachment-definitions`;
}

/** Makes the namespaces that the cases name, and that a new cluster does not have. */
export async function createNamespaces(api: ApiServer): Promise<void> {
  const named = cases.flatMap(({ nads = [], pod }) => [pod, ...nads].map(({ namespace }) => namespace));
  for (const namespace of new Set(named)) {
    if (namespace === "default" || namespace === "kube-system") continue;
    await api.createNamespace(namespace);
  }
}

export class CaseInCluster implements AsyncDisposable {
  /** Of the pod; undefined where the case has none. */
  readonly podUid: string | undefined;
  readonly #podPath: string;
  readonly #api: ApiServer;
  readonly #golden: GoldenCase;

  private constructor(api: ApiServer, golden: GoldenCase, podPath: string, podUid: string | undefined) {
    this.#api = api;
    this.#golden = golden;
    this.#podPath = podPath;
    this.podUid = podUid;
  }

  /** Creates the case's networks and its pod. @param nodeName the pod's */
  static async create(api: ApiServer, golden: GoldenCase, nodeName: string): Promise<CaseInCluster> {
    for (const nad of golden.nads ?? []) {
      await api.request("POST", nadsPath(nad.namespace), nadObject(nad));
    }
    const { namespace, name, annotations, absent } = golden.pod;
    const podsPath = `/api/v1/namespaces/${namespace}/pods`;
    const path = `${podsPath}/${name}`;
    if (absent === true) return new CaseInCluster(api, golden, path, undefined);
    const { metadata } = await api.request<ApiObject>("POST", podsPath, {
      metadata: { name, annotations },
      spec: { nodeName, containers: [{ name: "main", image: pauseImageName }] },
    });
    return new CaseInCluster(api, golden, path, metadata.uid);
  }

  /** Deletes the pod where it is still there, and what the API keeps of it: its events. */
  async deletePod(): Promise<void> {
    if (this.podUid === undefined) return;
    const { status } = await this.#api.ask("DELETE", `${this.#podPath}?gracePeriodSeconds=0`);
    if (status !== 200 && status !== 404) throw new Error(`DELETE ${this.#podPath}: ${status}`);
    await this.#api.request("DELETE", this.#eventsPath());
  }

  /** The pod's network-status and events in the API at this moment. */
  async seen(): Promise<SeenInApi> {
    if (this.podUid === undefined) return { networkStatus: undefined, events: [] };
    const [pod, { items }] = await Promise.all([
      this.#api.ask("GET", this.#podPath),
      this.#api.request<{ readonly items: readonly ApiEvent[] }>("GET", this.#eventsPath()),
    ]);
    const { metadata }: Partial<ApiObject> = pod.status === 200 ? JSON.parse(pod.text) : {};
    const status = metadata?.annotations?.[statusAnnotation];
    return {
      networkStatus: status === undefined ? undefined : (JSON.parse(status) as Json),
      events: comparableEvents(items.map(({ type, reason, message }) => [type, reason, message] as const)),
    };
  }

  #eventsPath(): string {
    const { namespace } = this.#golden.pod;
    return `/api/v1/namespaces/${namespace}/events?fieldSelector=involvedObject.uid%3D${this.podUid}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.deletePod();
    for (const { namespace, name } of this.#golden.nads ?? []) {
      await this.#api.request("DELETE", `${nadsPath(namespace)}/${name}`);
    }
  }
}
