/** One try from beginning to end: scratch node, daemon, ADD, a look, CHECK, DEL, and nothing left whatever happens in between. */

import { randomBytes, randomUUID } from "node:crypto";
import { existsSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { loadKernels } from "../../kernels/load.ts";
import { errorText } from "../../log/error-text.ts";
import { networksAnnotation } from "../../multus/input/selection.ts";
import { Interrupted, Interruption, orInterrupted, untilInterrupted } from "../command/interruption.ts";
import { UserError } from "../command/user-error.ts";
import { readAttachments } from "../node/attachments.ts";
import { daemonStatusOf } from "../node/daemon-socket.ts";
import { adviceFor, readPluginError } from "./advice.ts";
import { TrialDaemon } from "./daemon.ts";
import { linksOf } from "./iproute.ts";
import { addTimes } from "./network-times.ts";
import { type NetworkOptions, prepareNetworks, type TrialNetworks } from "./networks.ts";
import { filesOfContainer, remainingProcesses, remainsOfAttachments, remainsOfScratch } from "./remains.ts";
import { type CommandReport, type InterfaceReport, median, type TrialReport } from "./report.ts";
import { ScratchRuntime } from "./runtime.ts";
import { ScratchNode } from "./scratch.ts";

export interface TryOptions {
  readonly networks: NetworkOptions;
  /** Links to make on the scratch node, beside those that the networks' files name. */
  readonly masters: readonly string[];
  /** Absolute directories with plugins. */
  readonly binDirs: readonly string[];
  /** Kubernetes namespace of the pod. */
  readonly podNamespace: string;
  /** undefined: a daemon of the try's own. */
  readonly runningDaemon: { readonly socketDir: string; readonly cniDir: string } | undefined;
  readonly repeat: number;
  readonly keep: boolean;
}

/** Told while the try goes on. */
export interface TrialObserver {
  attached(interfaces: readonly InterfaceReport[]): void;
  /** Everything stands until the try is interrupted. */
  standing(scratch: ScratchNode): void;
  finished(command: CommandReport): void;
}

type Command = CommandReport["command"];

/** Milliseconds that processes have to be gone when they were told to. */
const processGrace = 2_000;

const clusterInterface = "eth0";

/**
 * Runs a try. Whatever happens, an interruption or the end of the daemon too, everything is removed before it returns, and looked for.
 * @throws {Error} only where not even the scratch node could be made; nothing is left then
 */
export async function tryNetworks(options: TryOptions, observer: TrialObserver): Promise<TrialReport> {
  using interruption = new Interruption();
  const scratch = await ScratchNode.create();
  const trial = new Trial(scratch, options, observer, interruption.signal);
  const failure = await trial.run().then(
    () => undefined,
    (error: unknown) => (error instanceof Error ? error : new Error(String(error))),
  );
  const left = await trial.cleanUp();
  return {
    ok: failure === undefined && left.length === 0,
    interrupted: failure instanceof Interrupted,
    interfaces: trial.interfaces,
    commands: trial.commands,
    error: failure?.message ?? "",
    advice: failure instanceof UserError ? failure.advice : "",
    left,
  };
}

class Trial {
  interfaces: InterfaceReport[] = [];
  readonly commands: CommandReport[] = [];
  readonly #scratch: ScratchNode;
  readonly #options: TryOptions;
  readonly #observer: TrialObserver;
  readonly #signal: AbortSignal;
  readonly #containerId = randomBytes(32).toString("hex");
  readonly #times = new Map<Command, number[]>();
  readonly #networkTimes = new Map<string, number[]>();
  #daemon: TrialDaemon | undefined;
  #runtime: ScratchRuntime | undefined;
  #netconf: unknown;
  /** An ADD was begun that no DEL has undone. */
  #attached = false;
  /** The interruption was the end of `--keep`, and is no reason to stop anything else. */
  #interruptionExpected = false;

  constructor(scratch: ScratchNode, options: TryOptions, observer: TrialObserver, signal: AbortSignal) {
    this.#scratch = scratch;
    this.#options = options;
    this.#observer = observer;
    this.#signal = signal;
  }

  async run(): Promise<void> {
    const { networks, masters, podNamespace, runningDaemon, binDirs, repeat, keep } = this.#options;
    const prepared = prepareNetworks(this.#scratch, networks, podNamespace);
    for (const master of new Set([...prepared.masters, ...masters])) await this.#scratch.addUplink(master);
    if (runningDaemon === undefined) {
      // Kept before it is waited for: what was started has to be ended, however the wait ends.
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

  /**
   * Undoes an ADD that still stands, ends what was started, removes the scratch node. A step that fails keeps no other from being done.
   * @returns what is there nevertheless
   */
  async cleanUp(): Promise<string[]> {
    const left: string[] = [];
    const steps: readonly (() => Promise<unknown>)[] = [
      // Ends what an interrupted call may still be running.
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
   * A last DEL, for a daemon whose files outlive the scratch node. What it answers does not matter: it may be that the daemon was
   * never reached, and there is nothing to undo. The files tell.
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

  get #cniDir(): string {
    return this.#daemon?.cniDir ?? this.#options.runningDaemon?.cniDir ?? "";
  }

  get #socketDir(): string {
    return this.#daemon?.socketDir ?? this.#options.runningDaemon?.socketDir ?? "";
  }

  #makeNetconf({ clusterNetwork, selection }: TrialNetworks): unknown {
    return {
      cniVersion: "1.0.0",
      name: "multusctl-try",
      type: "multus",
      capabilities: { "io.kubernetes.cri.pod-annotations": true, portMappings: true, bandwidth: true },
      clusterNetwork,
      // Its default would be searched before what the user named.
      binDir: this.#options.binDirs[0],
      cniDir: this.#cniDir,
      daemonSocketDir: this.#socketDir,
      // The trial's own daemon serves before the first call; one that the user names is there or is not.
      daemonWaitSeconds: 0,
      // The trial says what is left; a DEL that is recorded would have a process stay for it.
      delOnDaemonDown: "fail",
      delOnFailure: "fail",
      logToStderr: false,
      runtimeConfig: {
        "io.kubernetes.cri.pod-annotations": selection === "" ? {} : { [networksAnnotation]: selection },
      },
    };
  }

  #attachment() {
    return {
      containerId: this.#containerId,
      netns: this.#scratch.podNetns,
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

  /** @throws {UserError} where the plugin answers an error */
  async #call(command: Command): Promise<void> {
    if (this.#runtime === undefined) throw new Error("the scratch node has no runtime yet");
    if (command === "ADD") this.#attached = true;
    const answer = await this.#unlessInterrupted(this.#runtime.call({ command, ...this.#attachment() }));
    if (answer.exitCode !== 0) {
      const error = readPluginError(answer.stdout);
      const said = answer.stderr.trim() === "" ? "" : `\n${answer.stderr.trim()}`;
      throw new UserError(
        `${command} failed with CNI error ${error.code}: ${error.message}${said}`,
        adviceFor(error, this.#options.binDirs),
      );
    }
    if (command === "DEL") this.#attached = false;
    this.#times.set(command, [...(this.#times.get(command) ?? []), answer.milliseconds]);
  }

  #finish(command: Command): void {
    const times = this.#times.get(command) ?? [];
    const report = { command, milliseconds: median(times), runs: times.length };
    this.commands.push(report);
    this.#observer.finished(report);
  }

  /** Takes the networks' times of the last ADD from the daemon's status; a running one may be another's, and have none. */
  async #noteNetworkTimes(): Promise<void> {
    const status = await daemonStatusOf(this.#socketDir).catch((error: unknown) => {
      if (error instanceof UserError) return {};
      throw error;
    });
    for (const { ifName, milliseconds } of addTimes(status, this.#containerId)) {
      this.#networkTimes.set(ifName, [...(this.#networkTimes.get(ifName) ?? []), milliseconds]);
    }
  }

  /** Looks into the pod's namespace; the cache says whose the interfaces are. */
  async #look(): Promise<void> {
    const known = await this.#networksByInterface();
    this.interfaces = (await linksOf(this.#scratch.podNamespace)).map((link) => {
      const times = this.#networkTimes.get(link.name) ?? [];
      return {
        ifName: link.name,
        addresses: link.addresses,
        mac: link.mac,
        network: known.get(link.name) ?? "",
        milliseconds: times.length > 0 ? median(times) : undefined,
      };
    });
    this.#observer.attached(this.interfaces);
  }

  /** Networks by interface. Empty where a running daemon's cache is elsewhere. */
  async #networksByInterface(): Promise<Map<string, string>> {
    if (!existsSync(this.#cniDir)) return new Map();
    const { attachments } = await readAttachments(this.#cniDir, loadKernels());
    const own = attachments.filter((attachment) => attachment.containerId === this.#containerId);
    return new Map(own.map(({ ifName, network }) => [ifName, network]));
  }

  /** @throws {UserError} where DEL left something */
  async #refuseRemains(): Promise<void> {
    const remains = await remainsOfAttachments(this.#scratch, this.#cniDir, this.#containerId);
    if (remains.length > 0) throw new UserError(`DEL succeeded, but left:\n${remains.join("\n")}`);
  }

  async #stand(): Promise<void> {
    this.#observer.standing(this.#scratch);
    await untilInterrupted(this.#signal);
    this.#interruptionExpected = true;
  }

  #unlessInterrupted<Value>(promise: Promise<Value>): Promise<Value> {
    return this.#interruptionExpected ? promise : orInterrupted(promise, this.#signal);
  }
}
