/** The DaemonSet of deploy/ on a node: no controller runs in the tests' cluster, so the pod that one would make of the template is made here. */

import { markedProcesses, session } from "../session.ts";
import { type DaemonSet, daemonSetOf, manifests } from "./deployment.ts";
import { importMultusImage } from "./images.ts";
import { type ClusterNode, type ClusterPod, nodeName } from "./node.ts";

const namespace = "kube-system";

/** That were made so far: each has a name of its own. */
let pods = 0;

/** A DaemonSet that is applied to a cluster, and its image that is on the node. */
export class DeployedDaemonSet {
  readonly #node: ClusterNode;
  readonly #daemonSet: DaemonSet;

  private constructor(node: ClusterNode, daemonSet: DaemonSet) {
    this.#node = node;
    this.#daemonSet = daemonSet;
  }

  /** Builds the image as the Dockerfile does, puts it onto the node, applies the manifests. @param text YAML, with one DaemonSet */
  static async apply(node: ClusterNode, text: string): Promise<DeployedDaemonSet> {
    const [container] = daemonSetOf(manifests(text)).spec.template.spec.containers;
    if (container === undefined) throw new Error("the DaemonSet has no container");
    await importMultusImage(node, container.image);
    return DeployedDaemonSet.applyOnly(node, text);
  }

  /** Applies the manifests where the image is on the node already. @param listsPods does their role say so? */
  static async applyOnly(node: ClusterNode, text: string, listsPods = true): Promise<DeployedDaemonSet> {
    await node.apply(text);
    await node.api.untilDefinitionsServed(listsPods);
    return new DeployedDaemonSet(node, daemonSetOf(manifests(text)));
  }

  get spec(): DaemonSet["spec"] {
    return this.#daemonSet.spec;
  }

  /** Makes the next pod of the template and waits until it runs. */
  async start(): Promise<DaemonPod> {
    pods += 1;
    const name = `${this.#daemonSet.metadata.name}-${pods}`;
    const { metadata, spec } = this.spec.template;
    // As its controller does: the pod stays where it is, whatever the node's conditions say.
    await this.#node.api.request("POST", `/api/v1/namespaces/${namespace}/pods`, {
      metadata: { ...metadata, name },
      spec: { ...spec, nodeName },
    });
    return new DaemonPod(this.#node, await this.#node.waitForPod(namespace, name));
  }
}

/** A pod of the DaemonSet. */
export class DaemonPod {
  readonly #node: ClusterNode;
  readonly pod: ClusterPod;

  constructor(node: ClusterNode, pod: ClusterPod) {
    this.#node = node;
    this.pod = pod;
  }

  /** Pid, as this machine has it, of its container's process. @throws {Error} */
  get pid(): number {
    const found = markedProcesses().filter(
      ({ session: owner, command }) => owner === session && command.startsWith("/usr/local/bin/node "),
    );
    const [first] = found;
    if (first === undefined || found.length > 1)
      throw new Error(`${found.length} processes of the image run`);
    return first.pid;
  }

  /** Output of a container of it. */
  log(container: string): string {
    return this.#node.podLog(this.pod, container);
  }

  /** Runs multusctl in its only container that lasts; what it prints is one JSON object. @throws {Error} with what it printed instead */
  async multusctl(...args: readonly string[]): Promise<unknown> {
    const [{ containerID = "" } = {}] = this.pod.status.containerStatuses ?? [];
    const command = ["multusctl", ...args, "--json"];
    const { stdout, stderr } = await this.#node.containerd.exec(
      containerID.replace("containerd://", ""),
      command,
    );
    // Not what is on stderr: ctr has warnings of its own there.
    if (stdout.length === 0) throw new Error(`${command.join(" ")}: ${stderr}`);
    return JSON.parse(stdout.toString());
  }

  /** As an update or `kubectl delete` does it; waits until it is gone. */
  async delete(): Promise<void> {
    await this.#node.deletePods(namespace, this.pod.metadata.name);
  }
}
