/** A real containerd on directories of its own, inside a test's network namespace, and its CRI as typed calls. */

import { type ChildProcess, spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { closeSync, mkdirSync, openSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { containersOf, removeCgroups } from "./cgroups.ts";
import { HostPlaces } from "./cluster/host-places.ts";
import { runCommand, runOrThrow } from "./command.ts";
import { GrpcClient, grpcService } from "./grpc-service.ts";
import type { Namespace } from "./namespace.ts";
import { buildPauseImage, pauseImageName } from "./pause-image.ts";
import { markedProcesses, mountsBelow, session, sessionVariable, uniqueName } from "./session.ts";

export interface SandboxConfig {
  readonly metadata: { readonly name: string; readonly uid: string; readonly namespace: string };
  readonly annotations: Readonly<Record<string, string>>;
  readonly labels?: Readonly<Record<string, string>>;
}

/** An item of ListPodSandbox. */
export interface Sandbox {
  readonly id: string;
  readonly metadata: { readonly name: string; readonly uid: string; readonly namespace: string };
  /** Its first process runs. One that is stopped stays listed until it is removed. */
  readonly isReady: boolean;
}

export interface ContainerdOptions {
  /** Where containerd, ctr and containerd-shim-runc-v2 are; without it those in PATH. */
  readonly programDirectory?: string;
  /** Words before the command that start it elsewhere and become it, with a /var/lib/cni that is not the machine's. Default: it has that, and is where its caller is. */
  readonly through?: readonly string[];
  /** `/run` is not the machine's there: pods' network namespaces are in /run/netns, as on any node. */
  readonly ownRun?: boolean;
  /** Port, on the loopback of its network namespace, of exec and attach; undefined: any. */
  readonly streamPort?: number | undefined;
}

/** PodSandboxStatus as far as tests look. */
export interface SandboxStatus {
  readonly addresses: readonly string[];
  /** Pid of the sandbox's first process, whose network namespace is the pod's. */
  readonly pid: number;
}

interface StatusAnswer {
  readonly status: {
    readonly network: { readonly ip: string; readonly additionalIps: readonly { readonly ip: string }[] };
  };
  readonly info: Readonly<Record<string, string>>;
}

interface ListAnswer {
  readonly items: readonly {
    readonly id: string;
    readonly metadata: { readonly name: string; readonly uid: string; readonly namespace: string };
    readonly state: number;
  }[];
}

interface RuntimeStatusAnswer {
  readonly status: { readonly conditions: readonly { type: string; status: boolean; message: string }[] };
}

/** Socket paths may have 107 bytes; the config quotes paths as TOML strings, which JSON's are. */
function configuration(
  directory: string,
  cniBinDir: string,
  cniConfDir: string,
  { ownRun = false, streamPort = 0 }: ContainerdOptions,
): string {
  const quoted = (name: string) => JSON.stringify(join(directory, name));
  return `version = 2
root = ${quoted("root")}
state = ${quoted("state")}
disabled_plugins = ["io.containerd.snapshotter.v1.btrfs", "io.containerd.snapshotter.v1.zfs", "io.containerd.snapshotter.v1.aufs", "io.containerd.snapshotter.v1.devmapper", "io.containerd.internal.v1.opt", "io.containerd.nri.v1.nri", "io.containerd.internal.v1.tracing"]

[grpc]
  address = ${quoted("containerd.sock")}

[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = ${JSON.stringify(pauseImageName)}
  restrict_oom_score_adj = true
  disable_apparmor = true
  stream_server_address = "127.0.0.1"
  stream_server_port = "${streamPort}"
  netns_mounts_under_state_dir = ${!ownRun}
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = ${JSON.stringify(cniBinDir)}
    conf_dir = ${JSON.stringify(cniConfDir)}
  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = "native"
    default_runtime_name = "runc"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
      runtime_type = "io.containerd.runc.v2"
      base_runtime_spec = ${quoted(runtimeSpecFile)}
`;
}

const runtimeSpecFile = "runtime-spec.json";

/**
 * The runtime's defaults with this session's mark in the environment of containers whose image has none: what a killed run left is found by it. The first container of a
 * sandbox has it by its image, as containerd gives it no environment of the runtime's.
 */
async function markedRuntimeSpec(ctr: string): Promise<string> {
  const spec: { readonly process: { readonly env?: readonly string[] } } = JSON.parse(
    await runOrThrow([ctr, "oci", "spec"]),
  );
  const env = [...(spec.process.env ?? []), `${sessionVariable}=${session}`];
  return JSON.stringify({ ...spec, process: { ...spec.process, env } });
}

export class Containerd implements AsyncDisposable {
  readonly #directory: string;
  readonly #process: ChildProcess;
  readonly #service: GrpcClient;
  readonly #cgroup = uniqueName("cri");
  readonly #ctr: string;
  /** Its own; undefined: the caller has given it some. */
  readonly #places: HostPlaces | undefined;

  private constructor(directory: string, process: ChildProcess, ctr: string, places: HostPlaces | undefined) {
    this.#directory = directory;
    this.#process = process;
    this.#ctr = ctr;
    this.#places = places;
    const runtime = grpcService(join(import.meta.dirname, "cri.proto"), "runtime.v1.RuntimeService");
    this.#service = new GrpcClient(runtime, this.socket);
  }

  /** Path of the socket that serves CRI. */
  get socket(): string {
    return join(this.#directory, "containerd.sock");
  }

  /**
   * Starts containerd and waits until its network is ready, which is when it has read the CNI configuration.
   * @param directory an existing scratch directory
   * @param network namespace that it and the plugins run in
   * @param cniBinDir plugins @param cniConfDir configurations of networks
   * @throws {Error} with its log
   */
  static async start(
    directory: string,
    network: Namespace,
    cniBinDir: string,
    cniConfDir: string,
    options: ContainerdOptions = {},
  ): Promise<Containerd> {
    mkdirSync(directory, { recursive: true });
    const configFile = join(directory, "config.toml");
    const { programDirectory } = options;
    const ctr = programDirectory === undefined ? "ctr" : join(programDirectory, "ctr");
    writeFileSync(configFile, configuration(directory, cniBinDir, cniConfDir, options));
    writeFileSync(join(directory, runtimeSpecFile), await markedRuntimeSpec(ctr));
    const image = await buildPauseImage(directory);
    const log = openSync(join(directory, "containerd.log"), "a");
    const places =
      options.through === undefined
        ? new HostPlaces({ "/var/lib/cni": join(directory, "cni") }, [directory])
        : undefined;
    const [command = "", ...args] = network.enter(
      ...(options.through ?? places?.through ?? []),
      "containerd",
      "--config",
      configFile,
    );
    const { PATH = "" } = process.env;
    // containerd looks for its shim in PATH too.
    const path = programDirectory === undefined ? PATH : `${programDirectory}:${PATH}`;
    const child = spawn(command, args, {
      env: { ...process.env, PATH: path, [sessionVariable]: session },
      stdio: ["ignore", log, log],
    });
    closeSync(log);
    const containerd = new Containerd(directory, child, ctr, places);
    try {
      await containerd.#untilReady();
      await containerd.importImage(image);
    } catch (error) {
      await containerd[Symbol.asyncDispose]();
      throw error;
    }
    return containerd;
  }

  async #untilReady(): Promise<void> {
    const deadline = Date.now() + 120_000;
    for (;;) {
      let reason: string;
      try {
        const { status } = await this.#service.call<RuntimeStatusAnswer>("Status", {}, 2_000);
        // Later versions have further conditions, such as warnings.
        const notReady = status.conditions.filter(
          ({ type, status }) => ["RuntimeReady", "NetworkReady"].includes(type) && !status,
        );
        if (notReady.length === 0) return;
        reason = notReady.map(({ type, message }) => `${type}: ${message}`).join("; ");
      } catch (error) {
        reason = String(error);
      }
      if (Date.now() > deadline || this.#process.exitCode !== null) {
        throw new Error(`containerd is not ready: ${reason}\n${this.log()}`);
      }
      await sleep(100);
    }
  }

  /** Runs a command in a container, with what the container's own process may: `kubectl exec` without an API server. @param container its id */
  async exec(container: string, command: readonly string[]) {
    // Not in /run, which ctr and containerd may see differently.
    const fifos = join(this.#directory, "exec");
    const task = ["tasks", "exec", "--fifo-dir", fifos, "--exec-id", randomUUID(), container];
    return runCommand([this.#ctr, "--address", this.socket, "-n", "k8s.io", ...task, ...command]);
  }

  /** @param image path of a tar @throws {Error} with ctr's message */
  async importImage(image: string): Promise<void> {
    await this.#images("import", image);
  }

  /** Gives an image of the node a further name. @throws {Error} with ctr's message */
  async tagImage(name: string, further: string): Promise<void> {
    await this.#images("tag", name, further);
  }

  async #images(...args: readonly string[]): Promise<void> {
    await runOrThrow([this.#ctr, "--address", this.socket, "-n", "k8s.io", "images", ...args], {
      timeoutMs: 300_000,
    });
  }

  get logFile(): string {
    return join(this.#directory, "containerd.log");
  }

  /** The end of what containerd has logged, for messages. */
  log(): string {
    return readFileSync(this.logFile, "utf8").slice(-20_000);
  }

  /** @returns the sandbox's id @throws {Error} with the runtime's message */
  async runPodSandbox(config: SandboxConfig): Promise<string> {
    const { podSandboxId } = await this.#service.call<{ podSandboxId: string }>("RunPodSandbox", {
      config: { ...config, hostname: config.metadata.name, linux: { cgroupParent: `/${this.#cgroup}` } },
    });
    return podSandboxId;
  }

  async podSandboxStatus(id: string): Promise<SandboxStatus> {
    const { status, info } = await this.#service.call<StatusAnswer>("PodSandboxStatus", {
      podSandboxId: id,
      verbose: true,
    });
    const details: { readonly pid: number } = JSON.parse(info.info ?? "{}");
    return {
      addresses: [status.network.ip, ...status.network.additionalIps.map(({ ip }) => ip)],
      pid: details.pid,
    };
  }

  async stopPodSandbox(id: string): Promise<void> {
    await this.#service.call("StopPodSandbox", { podSandboxId: id });
  }

  async removePodSandbox(id: string): Promise<void> {
    await this.#service.call("RemovePodSandbox", { podSandboxId: id });
  }

  /** Ids of all sandboxes, those too whose start failed and which a kubelet would stop and remove. */
  async listPodSandboxes(): Promise<string[]> {
    return (await this.sandboxes()).map(({ id }) => id);
  }

  async sandboxes(): Promise<Sandbox[]> {
    const { items } = await this.#service.call<ListAnswer>("ListPodSandbox", {});
    return items.map(({ id, metadata, state }) => ({ id, metadata, isReady: state === 0 }));
  }

  /** Stops and removes every sandbox. @returns pids of those that could not be */
  async #removeSandboxes(): Promise<number[]> {
    const remaining: number[] = [];
    // Those last that may serve the others: a daemon's pod.
    const isSystem = ({ metadata }: Sandbox) => Number(metadata.namespace === "kube-system");
    for (const { id } of (await this.sandboxes()).sort((a, b) => isSystem(a) - isSystem(b))) {
      try {
        await this.stopPodSandbox(id);
        await this.removePodSandbox(id);
      } catch (error) {
        // After a failed test there may be a sandbox that can't be stopped.
        process.stderr.write(`containerd: ${String(error)}\n`);
        remaining.push((await this.podSandboxStatus(id)).pid);
      }
    }
    return remaining;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    let remaining: number[] = [];
    try {
      remaining = await this.#removeSandboxes();
    } catch (error) {
      process.stderr.write(`containerd: ${String(error)}\n`); // it does not answer; the sweep ends what is left
    }
    this.#service.close();
    if (this.#process.exitCode === null && this.#process.signalCode === null) {
      const ended = once(this.#process, "exit");
      this.#process.kill("SIGTERM");
      await ended;
    }
    const shims = markedProcesses()
      .filter((candidate) => candidate.session === session && candidate.command.includes(this.socket))
      .map(({ pid }) => pid);
    for (const pid of [...shims, ...remaining]) {
      try {
        if (pid > 0) process.kill(pid, "SIGKILL");
      } catch {
        // ended by itself
      }
    }
    const shared = this.#places === undefined ? [] : [this.#directory];
    for (const point of [...mountsBelow(this.#directory), ...shared]) {
      await runCommand(["umount", "--lazy", point]);
    }
    this.#places?.[Symbol.dispose]();
    const containers = containersOf(this.#directory);
    await removeCgroups((name) => name === this.#cgroup || containers.some((id) => name === `k8s.io/${id}`));
  }
}
