/** A pod that a pretended API server knows, with a namespace, and the plugin's calls for it as a runtime makes them. */

import { randomUUID } from "node:crypto";
import { readFileSync } from "node:fs";
import { Namespace } from "./namespace.ts";
import { type CniCommand, callPlugin, type PluginAnswer, podArgs } from "./plugin.ts";
import { type PretendedApiServer, podsPath } from "./pretended-api-server.ts";
import { debianPlugins } from "./test-node.ts";

export interface KnownPodOptions {
  readonly api: PretendedApiServer;
  /** Words before a command that start it on the node, which has the plugin in /opt/cni/bin. */
  readonly onNode: readonly string[];
  /** The file that the runtime has found: it is sent as it is. */
  readonly configFile: string;
  /** In the namespace `default`, of node-1. */
  readonly name: string;
  /** Annotation k8s.v1.cni.cncf.io/networks. It does not come with the request. */
  readonly networks: string;
}

export class KnownPod implements AsyncDisposable {
  readonly #options: KnownPodOptions;
  readonly sandbox: Namespace;
  /** Of the pod, and of its sandbox. */
  readonly id = randomUUID();

  private constructor(options: KnownPodOptions, sandbox: Namespace) {
    this.#options = options;
    this.sandbox = sandbox;
    const { api, name, networks } = options;
    const annotations = { "k8s.v1.cni.cncf.io/networks": networks };
    api.set(podsPath, {
      metadata: { name, namespace: "default", uid: this.id, annotations },
      spec: { nodeName: "node-1" },
    });
  }

  static async start(options: KnownPodOptions): Promise<KnownPod> {
    return new KnownPod(options, await Namespace.create("pod"));
  }

  call(command: CniCommand): Promise<PluginAnswer> {
    const { onNode, configFile, name } = this.#options;
    return callPlugin([...onNode, "/opt/cni/bin/multus"], {
      command,
      containerId: this.id,
      netns: this.sandbox.path,
      ifName: "eth0",
      args: podArgs({ namespace: "default", name, containerId: this.id, uid: this.id }),
      path: `/opt/cni/bin:${debianPlugins}`,
      config: readFileSync(configFile),
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.sandbox[Symbol.asyncDispose]();
  }
}
