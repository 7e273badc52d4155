/** Runs the controllers of kube-controller-manager, and kube-scheduler. For tests of what users apply, a DaemonSet say; the others name their pods' node. */

import { join } from "node:path";
import type { ApiServer } from "./api-server.ts";
import { controllerProgram } from "./binaries.ts";
import { ServerProcess } from "./server-process.ts";

/** Controllers for a DaemonSet, a Deployment, a certificate and a resource claim, and the one that removes the taint when a node is ready. */
const controllers = [
  "daemonset-controller",
  "deployment-controller",
  "replicaset-controller",
  "garbage-collector-controller",
  "node-lifecycle-controller",
  "namespace-controller",
  "serviceaccount-controller",
  "root-ca-certificate-publisher-controller",
  "certificatesigningrequest-signing-controller",
  "resourceclaim-controller",
];

export class Controllers implements AsyncDisposable {
  readonly #processes: readonly ServerProcess[];

  private constructor(processes: readonly ServerProcess[]) {
    this.#processes = processes;
  }

  /** Starts both, with an administrator's rights. @throws {Error} with the end of the log of what did not start */
  static async start(api: ApiServer): Promise<Controllers> {
    const { authority } = api.certificates;
    const common = [
      `--kubeconfig=${api.adminKubeconfig}`,
      // They listen nowhere, and there is one of each.
      "--secure-port=0",
      "--leader-elect=false",
    ];
    const manager = new ServerProcess(
      [
        controllerProgram("kube-controller-manager"),
        ...common,
        `--controllers=${controllers.join(",")}`,
        `--root-ca-file=${authority.certificate}`,
        `--cluster-signing-cert-file=${authority.certificate}`,
        `--cluster-signing-key-file=${authority.key}`,
      ],
      join(api.directory, "kube-controller-manager.log"),
    );
    const scheduler = new ServerProcess(
      [controllerProgram("kube-scheduler"), ...common],
      join(api.directory, "kube-scheduler.log"),
    );
    const started = new Controllers([manager, scheduler]);
    try {
      // An account that it has put into a namespace shows that it works.
      const served = await api.request<{ readonly metadata: { readonly name: string } }>(
        "POST",
        "/api/v1/namespaces",
        { metadata: { generateName: "controllers-" } },
      );
      const account = `/api/v1/namespaces/${served.metadata.name}/serviceaccounts/default`;
      await manager.start(async () => (await api.ask("GET", account)).status === 200);
      await api.request("DELETE", `/api/v1/namespaces/${served.metadata.name}`);
      await scheduler.start(async () => scheduler.pid !== undefined);
    } catch (error) {
      await started[Symbol.asyncDispose]();
      throw error;
    }
    return started;
  }

  /** The ends of their logs, for messages. */
  log(): string {
    return this.#processes.map((process) => process.log()).join("\n");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const process of this.#processes) await process[Symbol.asyncDispose]();
  }
}
