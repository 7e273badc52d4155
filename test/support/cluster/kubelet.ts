/** A real kubelet on directories and loopback ports of its own, for a node whose containers a given containerd runs. */

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, mkdirSync, openSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { session, sessionVariable } from "../session.ts";
import { kubernetesProgram } from "./binaries.ts";

export interface KubeletOptions {
  /** An existing scratch directory. */
  readonly directory: string;
  readonly nodeName: string;
  /** Path of the kubeconfig it reaches its API server with. */
  readonly kubeconfig: string;
  /** Path of the socket that serves CRI. */
  readonly runtimeSocket: string;
}

export class Kubelet implements AsyncDisposable {
  readonly #options: KubeletOptions;
  #process: ChildProcess | undefined;

  constructor(options: KubeletOptions) {
    this.#options = options;
    mkdirSync(this.staticPodDirectory, { recursive: true });
    // Its JSON is YAML.
    writeFileSync(this.#configFile, JSON.stringify(this.#configuration(), undefined, 2));
  }

  /** Manifests of static pods. */
  get staticPodDirectory(): string {
    return this.#path("static-pods");
  }

  get #configFile(): string {
    return this.#path("kubelet.json");
  }

  #path(name: string): string {
    return join(this.#options.directory, name);
  }

  #configuration(): unknown {
    return {
      apiVersion: "kubelet.config.k8s.io/v1beta1",
      kind: "KubeletConfiguration",
      containerRuntimeEndpoint: `unix://${this.#options.runtimeSocket}`,
      staticPodPath: this.staticPodDirectory,
      fileCheckFrequency: "1s",
      podLogsDir: this.#path("pod-logs"),
      volumePluginDir: this.#path("volume-plugins"),
      // It listens nowhere.
      enableServer: false,
      healthzPort: 0,
      authentication: { anonymous: { enabled: false }, webhook: { enabled: false } },
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

  /** Starts it; the node is ready some seconds later. */
  start(): void {
    const { nodeName, kubeconfig } = this.#options;
    const log = openSync(this.#path("kubelet.log"), "a");
    this.#process = spawn(
      kubernetesProgram("kubelet"),
      [
        `--config=${this.#configFile}`,
        `--kubeconfig=${kubeconfig}`,
        `--hostname-override=${nodeName}`,
        `--root-dir=${this.#path("kubelet")}`,
        `--cert-dir=${this.#path("kubelet-pki")}`,
        "--v=2",
      ],
      { env: { ...process.env, [sessionVariable]: session }, stdio: ["ignore", log, log] },
    );
    closeSync(log);
  }

  /** Pods go on running. */
  async stop(signal: NodeJS.Signals = "SIGTERM"): Promise<void> {
    const kubelet = this.#process;
    this.#process = undefined;
    if (kubelet === undefined || kubelet.exitCode !== null || kubelet.signalCode !== null) return;
    const ended = once(kubelet, "exit");
    kubelet.kill(signal);
    await ended;
  }

  /** @throws {Error} with the end of its log, where it ended without having been told to */
  checkRuns(): void {
    const kubelet = this.#process;
    if (kubelet === undefined || (kubelet.exitCode === null && kubelet.signalCode === null)) return;
    throw new Error(`the kubelet ended (${kubelet.exitCode ?? kubelet.signalCode}):\n${this.log()}`);
  }

  /** The end of what it has logged, for messages. */
  log(): string {
    return readFileSync(this.#path("kubelet.log"), "utf8").slice(-10_000);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop("SIGKILL");
  }
}
