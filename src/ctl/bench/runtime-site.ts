/** Pods that are sandboxes of the node's container runtime, which calls the plugin as for any pod. */

import { randomBytes } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { errorText } from "../../log/error-text.ts";
import { configSourceAnnotation } from "../../multus/cluster/pod-lookup.ts";
import { networksAnnotation } from "../../multus/input/selection.ts";
import { UserError } from "../command/user-error.ts";
import { isAlive, thisProcess } from "../scratch/owner.ts";
import { RuntimeClient, type Sandbox } from "./cri/runtime-client.ts";
import { DaemonTimes } from "./daemon-times.ts";
import { type Batch, type Subject, type SubjectKind, timed } from "./measurement.ts";
import type { BenchPlan, RuntimeSite as RuntimeSitePlan } from "./plan.ts";
import { checkDevices, selectedNetworks, selectionWithDevices } from "./pod-devices.ts";
import { allOf, type BenchSite } from "./site.ts";
import { ownName } from "./subject-names.ts";

/** Labels of a benchmark's sandboxes: the run, and the process by which it is told whether the run still goes on. */
const runLabel = "multusctl.bench/run";
const ownerLabel = "multusctl.bench/owner";
/** Marks all of them. */
const markLabel = "multusctl.bench/sandbox";
/** The kubelet's: it looks after those itself, and anybody who may make pods may set the labels of one. */
const kubeletLabel = "io.kubernetes.pod.uid";

/** Milliseconds between two looks for sandboxes that the runtime was still making when the benchmark ended. */
const lookAgainAfter = 500;
const mostLooks = 20;

export class RuntimeSite implements BenchSite {
  readonly runtime: string;
  readonly subjects: readonly Subject[];
  readonly selection: string;
  readonly networks: number;
  readonly #client: RuntimeClient;
  readonly #plan: BenchPlan;
  readonly #site: RuntimeSitePlan;
  readonly #times: DaemonTimes;
  readonly #run = randomBytes(6).toString("hex");
  readonly #underWay = new Set<Promise<unknown>>();
  #started = 0;

  /** Connects, and checks that the runtime can start pods. @throws {UserError} */
  static async open(plan: BenchPlan, site: RuntimeSitePlan): Promise<RuntimeSite> {
    const client = await RuntimeClient.open(site.socket);
    try {
      const { program } = await client.version();
      const [problem] = await client.problems();
      if (problem !== undefined) {
        throw new UserError(
          `${program} is not ready: ${problem.type}: ${problem.message}`,
          "multusctl doctor says what is wrong on this node",
        );
      }
      return new RuntimeSite(client, plan, site, program);
    } catch (error) {
      client.close();
      throw error;
    }
  }

  private constructor(client: RuntimeClient, plan: BenchPlan, site: RuntimeSitePlan, runtime: string) {
    this.#client = client;
    this.#plan = plan;
    this.#site = site;
    this.runtime = runtime;
    this.#times = new DaemonTimes(site.socketDir);
    this.selection = plan.networks.networks ?? "";
    const selected = selectedNetworks(this.selection, plan.podNamespace);
    checkDevices(plan.devices, selected, Math.max(...plan.levels));
    this.networks = 1 + selected.length;
    this.subjects = [
      this.#subject(ownName, "multus", ""),
      ...plan.peers.map(({ name, target }) => this.#subject(name, "peer", target)),
    ];
  }

  async versions(): Promise<Readonly<Record<string, string>>> {
    return { multusd: (await this.#times.status())?.version ?? "" };
  }

  #subject(name: string, kind: SubjectKind, handler: string): Subject {
    return { name, kind, run: (pods) => this.#batch(pods, handler, kind === "multus") };
  }

  async #batch(pods: number, handler: string, isOurs: boolean): Promise<Batch> {
    const configs = Array.from({ length: pods }, (_, pod) => this.#config(pod));
    const add = await timed(() =>
      allOf(configs.map((config) => this.#noted(timed(() => this.#client.runPodSandbox(config, handler))))),
    );
    const ids = add.value.map(({ value }) => value);
    const addTimings = isOurs ? await this.#times.of("ADD") : undefined;
    // The kubelet stops sandboxes of pods that it does not know, and one that it has stopped has had its DEL.
    const standing = new Set((await this.#own()).filter(({ isReady }) => isReady).map(({ id }) => id));
    const del = await timed(() => allOf(ids.map((id) => timed(() => this.#client.stopPodSandbox(id)))));
    const delTimings = isOurs ? await this.#times.of("DEL") : undefined;
    await allOf(ids.map((id) => this.#client.removePodSandbox(id)));
    return {
      pods: ids.map((id, pod) => ({
        add: add.value[pod]?.milliseconds ?? Number.NaN,
        del: standing.has(id) ? del.value[pod]?.milliseconds : undefined,
        addTiming: addTimings?.get(id),
        delTiming: delTimings?.get(id),
      })),
      addAll: add.milliseconds,
      delAll: del.milliseconds,
    };
  }

  /** Remembers what the runtime is doing, as it goes on with it when nobody waits any more. */
  #noted<Value>(work: Promise<Value>): Promise<Value> {
    this.#underWay.add(work);
    const forget = () => void this.#underWay.delete(work);
    work.then(forget, forget);
    return work;
  }

  /**
   * As the kubelet gives a static pod's: Multus takes its annotations from the runtime, and asks for no object of the cluster. Its UID is an MD5, as that of a static pod.
   */
  #config(pod: number) {
    const { podNamespace, devices } = this.#plan;
    const name = `multusctl-bench-${this.#run}-${this.#started++}`;
    const selection =
      devices.length === 0
        ? this.selection
        : selectionWithDevices(selectedNetworks(this.selection, podNamespace), devices, pod);
    const { pid, started } = thisProcess();
    return {
      metadata: { name, uid: randomBytes(16).toString("hex"), namespace: podNamespace },
      hostname: name.slice(0, 63),
      labels: { [markLabel]: "true", [runLabel]: this.#run, [ownerLabel]: `${pid}.${started}` },
      annotations: {
        [configSourceAnnotation]: "file",
        ...(selection === "" ? {} : { [networksAnnotation]: selection }),
      },
      linux: { cgroupParent: this.#site.cgroupParent },
    };
  }

  #own(): Promise<Sandbox[]> {
    return this.#client.listPodSandboxes({ [runLabel]: this.#run });
  }

  async cleanUp(): Promise<string[]> {
    try {
      await Promise.allSettled(this.#underWay);
      return await this.#removeOwn();
    } catch (error) {
      return [errorText(error)];
    } finally {
      this.#client.close();
    }
  }

  async #removeOwn(): Promise<string[]> {
    let failures: string[] = [];
    for (let look = 0; look < mostLooks; look++) {
      const sandboxes = await this.#own();
      if (sandboxes.length === 0) return [];
      failures = (await Promise.all(sandboxes.map(({ id }) => removeSandbox(this.#client, id)))).flat();
      if (failures.length > 0) await sleep(lookAgainAfter);
    }
    return failures;
  }
}

/** @returns why it could not be removed; empty where it was */
async function removeSandbox(client: RuntimeClient, id: string): Promise<string[]> {
  try {
    await client.stopPodSandbox(id);
    await client.removePodSandbox(id);
    return [];
  } catch (error) {
    return [`sandbox ${id}: ${errorText(error)}`];
  }
}

/**
 * Stops and removes the sandboxes of benchmarks whose process is gone. Sandboxes of the kubelet are left alone, whatever labels their pods have.
 * @param socket of the runtime
 * @returns how many, and what could not be removed
 * @throws {UserError} where no runtime answers
 */
export async function removeAbandonedSandboxes(
  socket: string,
): Promise<{ readonly removed: number; readonly left: string[] }> {
  const client = await RuntimeClient.open(socket);
  try {
    const abandoned = (await client.listPodSandboxes({ [markLabel]: "true" })).filter(
      ({ labels }) => labels[kubeletLabel] === undefined && !isOwnerAlive(labels[ownerLabel] ?? ""),
    );
    const left = (await Promise.all(abandoned.map(({ id }) => removeSandbox(client, id)))).flat();
    return { removed: abandoned.length - left.length, left };
  } finally {
    client.close();
  }
}

/** @param label `pid.started` */
function isOwnerAlive(label: string): boolean {
  const [, pid, started] = /^(\d{1,10})\.(\d{1,15})$/.exec(label) ?? [];
  return pid !== undefined && isAlive({ pid: Number(pid), started: Number(started) });
}
