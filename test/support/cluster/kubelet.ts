/** A real kubelet on directories and loopback ports of its own, for a node whose containers a given containerd runs. */

import { mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { kubernetesProgram } from "./binaries.ts";
import { ServerProcess } from "./server-process.ts";

/** Directories of `KubeletOptions.directory` by the places that a kubelet writes to outside of its root directory, whatever it is told. */
const otherPlaces = {
  "/var/lib/kubelet": "var-lib-kubelet",
  "/var/log/containers": "log-containers",
} as const;

/**
 * Starts a command in a mount namespace where some places of the machine's own kubelet are directories of the test's: it would remove the sockets of a real one's device
 * plugins, and leave links to logs behind. $1: `PLACE:DIRECTORY`, blank separated. Containers still see its mounts below its root directory, $0.
 */
const elsewhere = `set -e
mountpoint -q "$0" || mount --bind "$0" "$0"
mount --make-shared "$0"
exec unshare --mount --propagation unchanged sh -e -c '
for pair in $1; do
  place=\${pair%%:*}
  mkdir -p "$place"
  mount --make-private "$(findmnt --noheadings --output TARGET --target "$place")"
  mount --bind "\${pair#*:}" "$place"
done
shift
exec "$@"' - "$@"`;

export interface KubeletOptions {
  /** An existing scratch directory. */
  readonly directory: string;
  readonly nodeName: string;
  /** Path of the kubeconfig it reaches its API server with. */
  readonly kubeconfig: string;
  /** Path of the socket that serves CRI. */
  readonly runtimeSocket: string;
  /** Words before the command that start it elsewhere and become it. */
  readonly through?: readonly string[];
  /** It serves logs and exec to clients with a certificate of this authority (path), on this port of all addresses: the API server asks the node's own. undefined: it listens nowhere. */
  readonly serving?: { readonly port: number; readonly clientAuthority: string };
  /** Places where `through` has put directories of the test's. */
  readonly places?: readonly string[];
}

/** A kubelet's root directory, above its mounts for containers. @param directory its scratch directory */
export function kubeletRoot(directory: string): string {
  return join(directory, "kubelet");
}

/** The directory that a kubelet has at /var/lib/kubelet: device plugins belong below it, wherever its root directory is. @param directory the kubelet's scratch directory */
export function varLibKubelet(directory: string): string {
  return join(directory, otherPlaces["/var/lib/kubelet"]);
}

export class Kubelet implements AsyncDisposable {
  readonly #options: KubeletOptions;
  readonly #process: ServerProcess;

  constructor(options: KubeletOptions) {
    this.#options = options;
    this.#process = new ServerProcess(
      [
        ...(options.through ?? []),
        "sh",
        "-c",
        elsewhere,
        this.#rootDirectory,
        Object.entries(otherPlaces)
          .filter(([place]) => !options.places?.includes(place))
          .map(([place, name]) => `${place}:${this.#path(name)}`)
          .join(" "),
        kubernetesProgram("kubelet"),
        `--config=${this.#configFile}`,
        `--kubeconfig=${options.kubeconfig}`,
        `--hostname-override=${options.nodeName}`,
        `--root-dir=${this.#rootDirectory}`,
        `--cert-dir=${this.#path("kubelet-pki")}`,
        "--v=2",
      ],
      this.logFile,
    );
    const others = Object.values(otherPlaces).map((name) => this.#path(name));
    for (const directory of [this.#rootDirectory, this.staticPodDirectory, ...others]) {
      mkdirSync(directory, { recursive: true });
    }
    // Other than directories of device plugins, that of pod-resources is below the root directory; a node has both below /var/lib/kubelet.
    symlinkSync(
      join(this.#rootDirectory, "pod-resources"),
      join(varLibKubelet(options.directory), "pod-resources"),
    );
    // Its JSON is YAML.
    writeFileSync(this.#configFile, JSON.stringify(this.#configuration(), undefined, 2));
  }

  /** Manifests of static pods. */
  get staticPodDirectory(): string {
    return this.#path("static-pods");
  }

  get logFile(): string {
    return this.#path("kubelet.log");
  }

  get #rootDirectory(): string {
    return kubeletRoot(this.#options.directory);
  }

  get #configFile(): string {
    return this.#path("kubelet.json");
  }

  #path(name: string): string {
    return join(this.#options.directory, name);
  }

  #configuration(): unknown {
    const { serving } = this.#options;
    return {
      apiVersion: "kubelet.config.k8s.io/v1beta1",
      kind: "KubeletConfiguration",
      containerRuntimeEndpoint: `unix://${this.#options.runtimeSocket}`,
      staticPodPath: this.staticPodDirectory,
      fileCheckFrequency: "1s",
      podLogsDir: this.#path("pod-logs"),
      volumePluginDir: this.#path("volume-plugins"),
      ...(serving === undefined
        ? { enableServer: false }
        : { enableServer: true, port: serving.port, readOnlyPort: 0 }),
      healthzPort: 0,
      authentication: {
        anonymous: { enabled: false },
        webhook: { enabled: false },
        ...(serving && { x509: { clientCAFile: serving.clientAuthority } }),
      },
      authorization: { mode: "AlwaysAllow" },
      // The machine's control groups, swap and firewall stay as they are.
      cgroupDriver: "cgroupfs",
      cgroupsPerQOS: false,
      enforceNodeAllocatable: [],
      failCgroupV1: false,
      failSwapOn: false,
      localStorageCapacityIsolation: false,
      makeIPTablesUtilChains: false,
      // No pod is evicted and no image removed because of what else the machine does.
      evictionHard: { "memory.available": "0%", "nodefs.available": "0%", "imagefs.available": "0%" },
      imageGCHighThresholdPercent: 100,
      resolvConf: "",
      clusterDNS: ["10.96.0.10"],
      nodeStatusUpdateFrequency: "2s",
      // Every event is to be seen, and twenty pods at once are not to wait for each other.
      eventRecordQPS: 0,
      kubeAPIQPS: 100,
      kubeAPIBurst: 200,
    };
  }

  /** @param isReady is the node, as far as the API server knows? @throws {Error} with the end of the log */
  async start(isReady: () => Promise<boolean>): Promise<void> {
    await this.#process.start(isReady);
  }

  /** Pods go on running. */
  async stop(signal: NodeJS.Signals = "SIGTERM"): Promise<void> {
    await this.#process.stop(signal);
  }

  /** The end of what it has logged, for messages. */
  log(): string {
    return this.#process.log();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop("SIGKILL");
  }
}
