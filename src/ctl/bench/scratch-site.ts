/** Pods that are scratch network namespaces: the plugin is executed for them as a container runtime would. */

import { randomBytes, randomUUID } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { unlessAborted } from "../../base/abort.ts";
import { isJsonObject, parseJson } from "../../base/json.ts";
import { errorText } from "../../log/error-text.ts";
import { networksAnnotation } from "../../multus/input/selection.ts";
import type { RequestTiming } from "../../socket/status.ts";
import { UserError } from "../command/user-error.ts";
import { adviceFor, readPluginError } from "../scratch/advice.ts";
import { TrialDaemon } from "../scratch/daemon.ts";
import { type Definition, prepareNetworks, type TrialNetworks } from "../scratch/networks.ts";
import { filesOfContainer, remainingProcesses, remainsOfScratch } from "../scratch/remains.ts";
import { ScratchRuntime } from "../scratch/runtime.ts";
import { ScratchNode } from "../scratch/scratch.ts";
import type { Attacher, PodAttachment } from "./attacher.ts";
import { ClusterNetworkAlone } from "./cluster-network.ts";
import { DaemonTimes } from "./daemon-times.ts";
import { type Batch, type Subject, type SubjectKind, timed } from "./measurement.ts";
import type { BenchPlan, Peer, PluginSite } from "./plan.ts";
import {
  checkDevices,
  type DefinitionCopy,
  definitionsWithDevices,
  selectedNetworks,
  selectionWithDevices,
} from "./pod-devices.ts";
import { allOf, type BenchSite } from "./site.ts";
import { clusterNetworkName, ownName } from "./subject-names.ts";
import { programVersion } from "./versions.ts";

/** Milliseconds for processes to end, and for DELs of an interrupted batch. */
const processGrace = 2_000;
const undoGrace = 30_000;

/** The cluster network of pods whose delegates run in the host's network: nothing of it is left after DEL, and no pod uses these addresses (RFC 2544). */
const hostClusterNetwork = {
  cniVersion: "1.0.0",
  name: "multusctl-bench",
  plugins: [{ type: "ptp", ipam: { type: "host-local", ranges: [[{ subnet: "198.18.0.0/16" }]] } }],
};

export class ScratchSite implements BenchSite {
  readonly runtime = "";
  readonly subjects: readonly Subject[];
  readonly selection: string;
  readonly networks: number;
  readonly #scratch: ScratchNode;
  readonly #plan: BenchPlan;
  readonly #site: PluginSite;
  readonly #daemon: TrialDaemon | undefined;
  readonly #prepared: TrialNetworks;
  readonly #annotations: readonly string[];
  readonly #copies: readonly DefinitionCopy[];
  readonly #podUids: readonly string[];
  readonly #times: DaemonTimes;
  #runtime: ScratchRuntime;
  /** By container id: undoes an ADD that has begun. */
  readonly #begun = new Map<string, () => Promise<unknown>>();

  /**
   * Makes pods, node and daemon.
   * @throws {UserError} for what is missing or wrong; nothing is left then
   * @throws {Interrupted} likewise
   */
  static async open(plan: BenchPlan, site: PluginSite, signal: AbortSignal): Promise<ScratchSite> {
    const pods = Math.max(...plan.levels);
    const scratch = await ScratchNode.create({ pods, inHostNetwork: site.inHostNetwork });
    let daemon: TrialDaemon | undefined;
    let runtime: ScratchRuntime | undefined;
    try {
      const prepared = prepareSite(plan, site, scratch);
      const selections = podSelections(plan, site, prepared);
      if (!site.inHostNetwork) {
        for (const master of new Set([...prepared.masters, ...site.masters])) await scratch.addUplink(master);
      }
      if (site.runningDaemon === undefined) {
        daemon = new TrialDaemon(scratch, prepared.nadDir);
        await unlessAborted(daemon.ready(), signal);
      }
      runtime = await startRuntime(scratch, plan, site);
      return new ScratchSite(scratch, plan, site, daemon, runtime, prepared, selections);
    } catch (error) {
      await runtime?.stop();
      await daemon?.stop();
      await scratch.remove();
      throw error;
    }
  }

  private constructor(
    scratch: ScratchNode,
    plan: BenchPlan,
    site: PluginSite,
    daemon: TrialDaemon | undefined,
    runtime: ScratchRuntime,
    prepared: TrialNetworks,
    { annotations, copies }: PodSelections,
  ) {
    this.#scratch = scratch;
    this.#plan = plan;
    this.#site = site;
    this.#daemon = daemon;
    this.#runtime = runtime;
    this.#prepared = prepared;
    this.#annotations = annotations;
    this.#copies = copies;
    this.#podUids = scratch.podNamespaces.map(() => randomUUID());
    this.#times = new DaemonTimes(this.#socketDir);
    this.selection = prepared.selection;
    this.networks = 1 + selectedNetworks(this.selection, plan.podNamespace).length;
    this.subjects = [
      this.#subject(ownName, "multus", this.#throughMultus()),
      ...plan.peers.map((peer, index) => this.#subject(peer.name, "peer", this.#throughPeer(peer, index))),
      ...(site.withoutMultus
        ? [this.#subject(clusterNetworkName, "cluster-network", this.#clusterNetworkAlone())]
        : []),
    ];
  }

  get #socketDir(): string {
    return this.#daemon?.socketDir ?? this.#site.runningDaemon?.socketDir ?? "";
  }

  get #cniDir(): string {
    return this.#daemon?.cniDir ?? this.#site.runningDaemon?.cniDir ?? "";
  }

  async versions(): Promise<Readonly<Record<string, string>>> {
    const peers = this.#plan.peers.map(({ name, target }) => [name, programVersion(target)] as const);
    return { multusd: (await this.#times.status())?.version ?? "", ...Object.fromEntries(peers) };
  }

  #subject(name: string, kind: SubjectKind, attacher: Attacher): Subject {
    return { name, kind, run: (pods) => this.#batch(attacher, pods, kind === "multus") };
  }

  async #batch(attacher: Attacher, pods: number, isOurs: boolean): Promise<Batch> {
    const attachments = Array.from({ length: pods }, (_, pod): PodAttachment => {
      return { containerId: randomBytes(32).toString("hex"), pod, netns: this.#scratch.podNetns(pod) };
    });
    for (const attachment of attachments) {
      this.#begun.set(attachment.containerId, () => attacher.del(attachment));
    }
    const add = await timed(() => allOf(attachments.map((attachment) => attacher.add(attachment))));
    const addTimings = isOurs ? await this.#times.of("ADD") : undefined;
    const del = await timed(() => allOf(attachments.map((attachment) => attacher.del(attachment))));
    for (const { containerId } of attachments) this.#begun.delete(containerId);
    const delTimings = isOurs ? await this.#times.of("DEL") : undefined;
    return {
      pods: attachments.map(({ containerId }, pod) => ({
        add: add.value[pod] ?? Number.NaN,
        del: del.value[pod],
        addTiming: this.#withOriginals(addTimings?.get(containerId)),
        delTiming: this.#withOriginals(delTimings?.get(containerId)),
      })),
      addAll: add.milliseconds,
      delAll: del.milliseconds,
    };
  }

  /** A timing with the networks' own names, not those of the copies for its pod. */
  #withOriginals(timing: RequestTiming | undefined): RequestTiming | undefined {
    if (timing === undefined || this.#copies.length === 0) return timing;
    const originalOf = (network: string) =>
      this.#copies.find(({ namespace, name }) => `${namespace}/${name}` === network)?.original ?? network;
    const networks = timing.networks.map((each) => ({ ...each, network: originalOf(each.network) }));
    return { ...timing, networks };
  }

  #throughMultus(): Attacher {
    const netconfs = this.#annotations.map((selection) => ({
      cniVersion: "1.0.0",
      name: "multusctl-bench",
      type: "multus",
      capabilities: { "io.kubernetes.cri.pod-annotations": true, portMappings: true, bandwidth: true },
      clusterNetwork: this.#prepared.clusterNetwork,
      // The default would be searched before the user's directories.
      binDir: this.#site.binDirs[0],
      cniDir: this.#cniDir,
      daemonSocketDir: this.#socketDir,
      daemonWaitSeconds: 0,
      delOnDaemonDown: "fail",
      delOnFailure: "fail",
      logToStderr: false,
      runtimeConfig: {
        "io.kubernetes.cri.pod-annotations": selection === "" ? {} : { [networksAnnotation]: selection },
      },
    }));
    const call = (command: "ADD" | "DEL", attachment: PodAttachment) =>
      this.#call(command, attachment, netconfs[attachment.pod]);
    return { add: (attachment) => call("ADD", attachment), del: (attachment) => call("DEL", attachment) };
  }

  /** All networks inline: a peer of its own needs no API server for them. */
  #throughPeer(peer: Peer, index: number): Attacher {
    const { podNamespace } = this.#plan;
    const definitions = [...this.#prepared.definitions, ...this.#copies];
    const inline = this.#annotations.map((selection) => ({
      delegates: [
        parseJson(readFileSync(this.#prepared.clusterNetwork), this.#prepared.clusterNetwork),
        ...selectedNetworks(selection, podNamespace).flatMap(({ namespace, name }) => {
          const own = definitions.find((each) => each.namespace === namespace && each.name === name);
          return own === undefined ? [] : [inlineDelegate(own)];
        }),
      ],
    }));
    const netconfs = inline.map((networks) => ({
      cniVersion: "1.0.0",
      name: "multusctl-bench",
      type: "multus",
      binDir: this.#site.binDirs[0],
      cniDir: this.#scratch.makeDirectory(`peer-${index}`),
      ...networks,
      ...peer.netconf,
    }));
    const call = (command: "ADD" | "DEL", attachment: PodAttachment) =>
      this.#call(command, attachment, netconfs[attachment.pod], peer.target);
    return { add: (attachment) => call("ADD", attachment), del: (attachment) => call("DEL", attachment) };
  }

  #clusterNetworkAlone(): Attacher {
    const { clusterNetwork } = this.#prepared;
    return new ClusterNetworkAlone({
      configuration: readFileSync(clusterNetwork),
      file: clusterNetwork,
      path: this.#site.binDirs.join(":"),
      cacheDirectory: this.#scratch.makeDirectory("cluster-network-cache"),
      executor: () => this.#runtime.executor,
    });
  }

  /** @returns milliseconds of the plugin's process @throws {UserError} naming the pod, if the plugin answers with an error */
  async #call(
    command: "ADD" | "DEL",
    { containerId, netns, pod }: PodAttachment,
    netconf: unknown,
    program?: string,
  ): Promise<number> {
    const answer = await this.#runtime.call({
      command,
      containerId,
      netns,
      ifName: "eth0",
      args: [
        "IgnoreUnknown=1",
        `K8S_POD_NAMESPACE=${this.#plan.podNamespace}`,
        `K8S_POD_NAME=multusctl-bench-${pod}`,
        `K8S_POD_INFRA_CONTAINER_ID=${containerId}`,
        `K8S_POD_UID=${this.#podUids[pod]}`,
      ].join(";"),
      netconf,
      program,
    });
    if (answer.exitCode === 0) return answer.milliseconds;
    const error = readPluginError(Buffer.from(answer.stdout).toString());
    const said = answer.stderrTail.trim() === "" ? "" : `\n${answer.stderrTail.trim()}`;
    const who = program === undefined ? "" : ` through ${program}`;
    throw new UserError(
      `${command} of pod ${pod}${who} failed with CNI error ${error.code}: ${error.message}${said}`,
      adviceFor(error, this.#site.binDirs),
    );
  }

  async cleanUp(): Promise<string[]> {
    const left: string[] = [];
    const steps: readonly (() => Promise<unknown>)[] = [
      // Ends the plugins of an interrupted batch.
      () => this.#runtime.stop(),
      () => this.#undoBegun(),
      async () => left.push(...this.#filesOfRunningDaemon()),
      async () => this.#daemon?.stop(),
      async () => left.push(...(await this.#lastProcesses())),
      () => this.#scratch.remove(),
      async () => left.push(...(await remainsOfScratch(this.#scratch))),
    ];
    for (const step of steps) await step().catch((error: unknown) => left.push(errorText(error)));
    return left;
  }

  /** DELs for pods of a batch that did not come to its end, where what they have outlives the scratch node: devices and links of this machine, files of a daemon that goes on. */
  async #undoBegun(): Promise<void> {
    const { inHostNetwork, runningDaemon } = this.#site;
    if (this.#begun.size === 0 || (!inHostNetwork && runningDaemon === undefined)) return;
    this.#runtime = await startRuntime(this.#scratch, this.#plan, this.#site);
    // With the runtime its plugins end, also those that hang.
    const timer = setTimeout(() => void this.#runtime.stop(), undoGrace);
    try {
      // A DEL may fail for an ADD that never came to anything: what is left is looked for afterwards.
      await Promise.allSettled(Array.from(this.#begun.values(), (undo) => undo()));
    } finally {
      clearTimeout(timer);
      await this.#runtime.stop();
    }
  }

  #filesOfRunningDaemon(): string[] {
    const { runningDaemon } = this.#site;
    if (runningDaemon === undefined) return [];
    return [...this.#begun.keys()].flatMap((containerId) =>
      filesOfContainer(runningDaemon.cniDir, containerId),
    );
  }

  async #lastProcesses(): Promise<string[]> {
    const deadline = Date.now() + processGrace;
    while (remainingProcesses(this.#scratch).length > 0 && Date.now() < deadline) await sleep(20);
    return remainingProcesses(this.#scratch);
  }
}

function startRuntime(scratch: ScratchNode, { peers }: BenchPlan, { binDirs }: PluginSite) {
  return ScratchRuntime.start(
    scratch,
    binDirs,
    peers.map(({ target }) => target),
  );
}

function prepareSite(
  { networks, podNamespace, peers }: BenchPlan,
  { inHostNetwork, runningDaemon }: PluginSite,
  scratch: ScratchNode,
): TrialNetworks {
  for (const { name, netconf } of peers) {
    if (runningDaemon === undefined || Object.keys(netconf).length > 0) continue;
    throw new UserError(
      `--peer ${name}: it cannot know the networks of the daemon in ${runningDaemon.socketDir}`,
      "give it a netconf: --peer NAME=BINARY,NETCONF.json, with a kubeconfig for example",
    );
  }
  const clusterNetwork =
    networks.clusterNetwork ??
    (inHostNetwork
      ? scratch.writeFile("10-multusctl-bench.conflist", JSON.stringify(hostClusterNetwork))
      : undefined);
  return prepareNetworks(scratch, { ...networks, clusterNetwork }, podNamespace);
}

/** A definition's configuration as a delegate of a netconf, which needs a name. */
function inlineDelegate({ namespace, name, config }: Definition): unknown {
  const value = parseJson(Buffer.from(config), `spec.config of ${namespace}/${name}`);
  return isJsonObject(value) ? { name, ...value } : value;
}

/** The annotation of each pod, and the copies of definitions that it selects. */
interface PodSelections {
  readonly annotations: readonly string[];
  readonly copies: readonly DefinitionCopy[];
}

/** @throws {UserError} for devices that do not fit; {CniError} for a selection that cannot be read */
function podSelections(
  plan: BenchPlan,
  { runningDaemon }: PluginSite,
  prepared: TrialNetworks,
): PodSelections {
  const pods = Math.max(...plan.levels);
  const selected = selectedNetworks(prepared.selection, plan.podNamespace);
  checkDevices(plan.devices, selected, pods);
  const copies: DefinitionCopy[] = [];
  const annotations = Array.from({ length: pods }, (_, pod) => {
    if (plan.devices.length === 0) return prepared.selection;
    if (runningDaemon !== undefined) return selectionWithDevices(selected, plan.devices, pod);
    const own = definitionsWithDevices(selected, plan.devices, prepared.definitions, pod);
    copies.push(...own.copies);
    return own.selection;
  });
  for (const { namespace, name, config } of copies) {
    const manifest = {
      apiVersion: "k8s.cni.cncf.io/v1",
      kind: "NetworkAttachmentDefinition",
      metadata: { name, namespace },
      spec: { config },
    };
    writeFileSync(join(prepared.nadDir, `${namespace}-${name}.json`), JSON.stringify(manifest));
  }
  return { annotations, copies };
}
