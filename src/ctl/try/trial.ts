/** Runs one try: scratch node, daemon, ADD, a look at the interfaces, CHECK, DEL, and a cleanup in every case. */

import { randomBytes, randomUUID } from "node:crypto";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { unlessAborted } from "../../base/abort.ts";
import { entryOf } from "../../base/map-entry.ts";
import { ResultCache } from "../../cni/cache.ts";
import { parseNetworkConfig } from "../../cni/config.ts";
import type { NetworkConfigList } from "../../cni/types.ts";
import { loadKernels } from "../../kernels/load.ts";
import { errorText } from "../../log/error-text.ts";
import { networksAnnotation } from "../../multus/input/selection.ts";
import { whyExecuted } from "../../native/native-networks.ts";
import { Interrupted, Interruption, untilInterrupted } from "../command/interruption.ts";
import { UserError } from "../command/user-error.ts";
import { isExecutable } from "../node/access.ts";
import { readAttachments } from "../node/attachments.ts";
import { daemonStatusOf } from "../node/daemon-socket.ts";
import { problemLog } from "../node/problem-log.ts";
import { adviceFor, readPluginError } from "../scratch/advice.ts";
import { TrialDaemon } from "../scratch/daemon.ts";
import { linksOf } from "../scratch/iproute.ts";
import { type NetworkOptions, prepareNetworks, type TrialNetworks } from "../scratch/networks.ts";
import {
  filesOfContainer,
  remainingProcesses,
  remainsOfAttachments,
  remainsOfScratch,
} from "../scratch/remains.ts";
import { ScratchRuntime } from "../scratch/runtime.ts";
import { ScratchNode } from "../scratch/scratch.ts";
import { median } from "../text/statistics.ts";
import { inUsersFiles } from "./file-problems.ts";
import { addTimes } from "./network-times.ts";
import type { CommandReport, InterfaceReport, PluginReport, TrialReport } from "./report.ts";

export interface TryOptions extends NetworkOptions {
  /** Links to create on the scratch node, besides those that the networks' files name. */
  readonly masters: readonly string[];
  /** Absolute directories with plugins. */
  readonly binDirs: readonly string[];
  /** Kubernetes namespace of the pod. */
  readonly podNamespace: string;
  /** undefined: the try starts its own daemon. */
  readonly runningDaemon: { readonly socketDir: string; readonly cniDir: string } | undefined;
  readonly repeat: number;
  readonly keep: boolean;
  /** Networks may be attached natively (nativeNetworks "auto"). */
  readonly native: boolean;
}

/** Receives the progress of the try. */
export interface TrialObserver {
  attached(interfaces: readonly InterfaceReport[], plugins: readonly PluginReport[]): void;
  /** With `--keep`: pod and networks are up, until the try is interrupted. */
  standing(scratch: ScratchNode): void;
  finished(command: CommandReport): void;
}

type Command = CommandReport["command"];

/** Time limit in milliseconds for processes to end. */
const processGrace = 2_000;

const clusterInterface = "eth0";

/**
 * Runs a try. Removes everything before it returns, also after an interruption or the end of the daemon, and looks for leftovers.
 * @throws {Error} only if the scratch node could not be created; nothing is left then
 */
export async function tryNetworks(options: TryOptions, observer: TrialObserver): Promise<TrialReport> {
  using interruption = new Interruption();
  const scratch = await ScratchNode.create();
  const trial = new Trial(scratch, options, observer, interruption.signal);
  const failure = await trial.run().then(
    () => undefined,
    (error: unknown) =>
      inUsersFiles(error instanceof Error ? error : new Error(String(error)), options, scratch.directory),
  );
  const left = await trial.cleanUp();
  return {
    ok: failure === undefined && left.length === 0,
    interrupted: failure instanceof Interrupted,
    interfaces: trial.interfaces,
    plugins: trial.plugins,
    commands: trial.commands,
    error: failure?.message ?? "",
    advice: failure instanceof UserError ? failure.advice : "",
    left,
  };
}

class Trial {
  interfaces: InterfaceReport[] = [];
  plugins: readonly PluginReport[] = [];
  readonly commands: CommandReport[] = [];
  readonly #scratch: ScratchNode;
  readonly #options: TryOptions;
  readonly #observer: TrialObserver;
  readonly #signal: AbortSignal;
  readonly #containerId = randomBytes(32).toString("hex");
  readonly #times = new Map<Command, number[]>();
  readonly #networkTimes = new Map<string, number[]>();
  /** How the last ADD attached each interface. */
  readonly #ways = new Map<string, "native" | "executed">();
  #daemon: TrialDaemon | undefined;
  #runtime: ScratchRuntime | undefined;
  #netconf: unknown;
  /** Has an ADD begun that no DEL has undone? */
  #attached = false;
  /** The interruption only ended `--keep`; the rest of the try continues. */
  #interruptionExpected = false;

  constructor(scratch: ScratchNode, options: TryOptions, observer: TrialObserver, signal: AbortSignal) {
    this.#scratch = scratch;
    this.#options = options;
    this.#observer = observer;
    this.#signal = signal;
  }

  async run(): Promise<void> {
    const { masters, podNamespace, runningDaemon, binDirs, repeat, keep } = this.#options;
    const prepared = prepareNetworks(this.#scratch, this.#options, podNamespace);
    for (const master of new Set([...prepared.masters, ...masters])) await this.#scratch.addUplink(master);
    if (runningDaemon === undefined) {
      // Stored before the wait, so that the process is ended even if the wait fails.
      this.#daemon = new TrialDaemon(this.#scratch, prepared.nadDir);
      await this.#unlessInterrupted(this.#daemon.ready());
    }
    this.#netconf = this.#makeNetconf(prepared);
    this.#runtime = await ScratchRuntime.start(this.#scratch, binDirs);
    for (let run = 1; run <= repeat; run++) {
      const isLast = run === repeat;
      await this.#call("ADD");
      await this.#noteNetworkTimes();
      if (isLast) {
        await this.#look();
        this.#finish("ADD");
      }
      if (isLast && keep) await this.#stand();
      await this.#call("CHECK");
      if (isLast) this.#finish("CHECK");
      await this.#call("DEL");
      await this.#refuseRemains();
    }
    this.#finish("DEL");
  }

  /** Undoes the last ADD, ends all processes, removes the scratch node. A failed step does not prevent the next ones. @returns the leftovers */
  async cleanUp(): Promise<string[]> {
    const left: string[] = [];
    const steps: readonly (() => Promise<unknown>)[] = [
      // Ends the plugins of an interrupted call.
      async () => this.#runtime?.stop(),
      async () => this.#undo(),
      async () => left.push(...this.#filesOfRunningDaemon()),
      async () => this.#daemon?.stop(),
      async () => left.push(...(await this.#lastProcesses())),
      async () => this.#scratch.remove(),
      async () => left.push(...(await remainsOfScratch(this.#scratch))),
    ];
    for (const step of steps) {
      await step().catch((error: unknown) => left.push(errorText(error)));
    }
    return left;
  }

  /**
   * A last DEL, for a daemon whose files outlive the scratch node. Its answer does not matter: the daemon may never have been
   * reached, so that there is nothing to undo. The files tell.
   */
  async #undo(): Promise<void> {
    if (!this.#attached || this.#options.runningDaemon === undefined) return;
    const runtime = await ScratchRuntime.start(this.#scratch, this.#options.binDirs);
    try {
      await runtime.call({ command: "DEL", ...this.#attachment() });
    } finally {
      await runtime.stop();
    }
  }

  #filesOfRunningDaemon(): string[] {
    const { runningDaemon } = this.#options;
    return runningDaemon === undefined ? [] : filesOfContainer(runningDaemon.cniDir, this.#containerId);
  }

  /** Processes of the scratch node that do not end. */
  async #lastProcesses(): Promise<string[]> {
    const deadline = Date.now() + processGrace;
    while (remainingProcesses(this.#scratch).length > 0 && Date.now() < deadline) await sleep(20);
    return remainingProcesses(this.#scratch);
  }

  get #directories(): NonNullable<TryOptions["runningDaemon"]> {
    return this.#daemon ?? this.#options.runningDaemon ?? { socketDir: "", cniDir: "" };
  }

  #makeNetconf({ clusterNetwork, selection }: TrialNetworks): unknown {
    return {
      cniVersion: "1.0.0",
      name: "multusctl-try",
      type: "multus",
      capabilities: { "io.kubernetes.cri.pod-annotations": true, portMappings: true, bandwidth: true },
      clusterNetwork,
      // The default would be searched before the user's directories.
      binDir: this.#options.binDirs[0],
      cniDir: this.#directories.cniDir,
      daemonSocketDir: this.#directories.socketDir,
      // The try waits for its own daemon before the first call, and does not wait for the user's.
      daemonWaitSeconds: 0,
      // The trial says what is left; a DEL that is recorded would have a process stay for it.
      delOnDaemonDown: "fail",
      delOnFailure: "fail",
      ...(this.#options.native ? { nativeNetworks: "auto" } : {}),
      logToStderr: false,
      runtimeConfig: {
        "io.kubernetes.cri.pod-annotations": selection === "" ? {} : { [networksAnnotation]: selection },
      },
    };
  }

  #attachment() {
    return {
      containerId: this.#containerId,
      netns: this.#scratch.podNetns(),
      ifName: clusterInterface,
      args: [
        "IgnoreUnknown=1",
        `K8S_POD_NAMESPACE=${this.#options.podNamespace}`,
        "K8S_POD_NAME=multusctl-try",
        `K8S_POD_INFRA_CONTAINER_ID=${this.#containerId}`,
        `K8S_POD_UID=${this.#podUid}`,
      ].join(";"),
      netconf: this.#netconf,
    };
  }

  readonly #podUid = randomUUID();

  /** @throws {UserError} if the plugin answers with an error */
  async #call(command: Command): Promise<void> {
    if (this.#runtime === undefined) throw new Error("the scratch node has no runtime yet");
    if (command === "ADD") this.#attached = true;
    const outcome = await this.#unlessInterrupted(this.#runtime.call({ command, ...this.#attachment() }));
    if (outcome.exitCode !== 0) {
      const error = readPluginError(Buffer.from(outcome.stdout).toString());
      const said = outcome.stderrTail.trim();
      throw new UserError(
        `${command} failed with CNI error ${error.code}: ${error.message}${said === "" ? "" : `\n${said}`}`,
        adviceFor(error, this.#options.binDirs),
      );
    }
    if (command === "DEL") this.#attached = false;
    entryOf(this.#times, command, () => []).push(outcome.milliseconds);
  }

  #finish(command: Command): void {
    const times = this.#times.get(command) ?? [];
    const report = { command, milliseconds: median(times), runs: times.length };
    this.commands.push(report);
    this.#observer.finished(report);
  }

  /** Reads the networks' times of the last ADD from the daemon's status; the user's daemon may not report any. */
  async #noteNetworkTimes(): Promise<void> {
    const status = await daemonStatusOf(this.#directories.socketDir).catch((error: unknown) => {
      if (error instanceof UserError) return {};
      throw error;
    });
    for (const { ifName, milliseconds, native } of addTimes(status, this.#containerId)) {
      entryOf(this.#networkTimes, ifName, () => []).push(milliseconds);
      this.#ways.set(ifName, native ? "native" : "executed");
    }
  }

  /** Lists the interfaces in the pod's namespace, with their networks by the cache. @throws {UserError} if a network's interface is not there */
  async #look(): Promise<void> {
    const known = await this.#networksByInterface();
    const cached = await this.#cached();
    const links = await linksOf(this.#scratch.podNamespace);
    this.interfaces = links.map((link) => {
      const times = this.#networkTimes.get(link.name) ?? [];
      const way = this.#ways.get(link.name);
      const of = cached.find(({ ifName }) => ifName === link.name);
      const asksWhy = this.#options.native && way === "executed" && of !== undefined;
      return {
        ifName: link.name,
        addresses: link.addresses,
        mac: link.mac,
        network: known.get(link.name) ?? "",
        milliseconds: times.length > 0 ? median(times) : undefined,
        way,
        whyExecuted: asksWhy ? (whyExecuted(of.network, of) ?? "") : "",
      };
    });
    this.plugins = this.#pluginsOf(cached);
    this.#observer.attached(this.interfaces, this.plugins);
    const missing = [...new Set([...known.keys(), ...this.#ways.keys()])].filter(
      (ifName) => !links.some(({ name }) => name === ifName),
    );
    if (missing.length === 0) return;
    const named = missing.map((ifName) => `${ifName} (network ${known.get(ifName) ?? "unknown"})`);
    throw new UserError(
      `ADD succeeded, and the pod has no interface ${named.join(", ")}`,
      "the network's plugin has answered success without making its interface: look at its type, and at its own log",
    );
  }

  /** Networks by interface. Empty if the user's daemon has its cache elsewhere. */
  async #networksByInterface(): Promise<Map<string, string>> {
    const { cniDir } = this.#directories;
    if (!existsSync(cniDir)) return new Map();
    const { attachments } = await readAttachments(cniDir, loadKernels());
    const own = attachments.filter((attachment) => attachment.containerId === this.#containerId);
    return new Map(own.map(({ ifName, network }) => [ifName, network]));
  }

  /** The cache's entries of the pod's networks. Empty if the user's daemon has its cache elsewhere. */
  async #cached() {
    const { cniDir } = this.#directories;
    if (!existsSync(cniDir)) return [];
    const kernels = loadKernels();
    const cached = await new ResultCache(cniDir, problemLog([])).list(this.#containerId);
    return cached.flatMap((each) => {
      if (each.config.length === 0) return [];
      const network = parseNetworkConfig(each.config, `configuration of ${each.ifName}`, kernels);
      return [{ ...each, network }];
    });
  }

  /** The plugins that ran, in order, each once. */
  #pluginsOf(
    cached: readonly { readonly ifName: string; readonly network: NetworkConfigList }[],
  ): PluginReport[] {
    const executed = cached.filter(({ ifName }) => this.#ways.get(ifName) !== "native");
    const types = executed.flatMap(({ network }) =>
      network.plugins.flatMap(({ type, ipamType }) => [type, ipamType]),
    );
    return [...new Set(types)]
      .filter((type) => type !== "")
      .map((type) => {
        const paths = this.#options.binDirs.map((directory) => join(directory, type));
        return { type, path: paths.find((path) => isExecutable(path)) ?? "" };
      });
  }

  /** @throws {UserError} if DEL left something behind */
  async #refuseRemains(): Promise<void> {
    const remains = await remainsOfAttachments(this.#scratch, this.#directories.cniDir, this.#containerId);
    if (remains.length > 0) throw new UserError(`DEL succeeded, but left:\n${remains.join("\n")}`);
  }

  async #stand(): Promise<void> {
    this.#observer.standing(this.#scratch);
    await untilInterrupted(this.#signal);
    this.#interruptionExpected = true;
  }

  #unlessInterrupted<Value>(promise: Promise<Value>): Promise<Value> {
    return this.#interruptionExpected ? promise : unlessAborted(promise, this.#signal);
  }
}
