/** NetworkAttachmentDefinitions of a cluster: a watch of all of them, and requests for those that the watch does not have. */

import { InputError } from "../base/input-error.ts";
import { objectAt, textOf } from "../base/json.ts";
import { setNewest } from "../base/map-entry.ts";
import type { Logger } from "../log/logger.ts";
import { ClusterUnavailable } from "../multus/cluster/cluster-unavailable.ts";
import { resourceNameAnnotation } from "../multus/plan/devices.ts";
import { type Nad, type NadName, type NadSource, nadConfigProblem } from "../multus/plan/nads.ts";
import type { Api } from "./api.ts";
import { BodyBudget, type Budgeted } from "./body-budget.ts";
import type { WatchState } from "./cluster-state.ts";
import { Lookup } from "./lookup.ts";
import { type ObjectMeta, Reflector } from "./reflector.ts";
import { Turns } from "./turns.ts";

const kind = "NetworkAttachmentDefinition";
const group = "/apis/k8s.cni.cncf.io/v1";
const plural = "network-attachment-definitions";
/** NADs that are remembered although the watch did not have them, and as many names of those that the API did not have either. */
const rememberedLimit = 512;
/** For how long the API's answer that there is no such NAD is used, in milliseconds, while a watch would report a new one. */
const missingForMs = 5_000;
/** Characters of the longest resource name that Kubernetes has: a prefix of 253, and a name. */
const longestResourceName = 317;
/** Bytes of an answer with one NAD: etcd takes 1.5 MiB. */
const longestAnswer = 4 << 20;
/** An answer takes some four times its size in memory until what matters was taken out of it. */
const lookupLimits = { atOnce: 6, ofGroup: 2, waitMs: 10_000 };

const encoder = new TextEncoder();

/** A NAD as it is kept: two thousand of them should cost little more than their configurations. */
export class KubeNad implements Budgeted {
  readonly namespace: string;
  readonly name: string;
  /** Of the object when it was last seen. */
  resourceVersion: string;
  /** "" if there is none. It is left out with the configuration. */
  #resourceName: string;
  readonly problem: string;
  /** The text until its bytes are needed, then those: most NADs of a cluster are not used on a node. undefined: left out. */
  #config: string | Uint8Array | undefined;

  constructor(
    { namespace, name, resourceVersion }: ObjectMeta,
    config: string,
    resourceName: string,
    problem: string,
  ) {
    this.namespace = namespace;
    this.name = name;
    this.resourceVersion = resourceVersion;
    this.#resourceName = resourceName;
    this.problem = problem;
    // In memory a text has one byte a character, or two if one of them is beyond Latin-1.
    this.#config = Buffer.byteLength(config) === config.length ? config : encoder.encode(config);
  }

  get isHeld(): boolean {
    return this.#config !== undefined;
  }

  /** @throws {Error} where the configuration was left out */
  get config(): Uint8Array {
    // Not Buffer.from(): its small buffers are slices of larger ones, which would be kept with them.
    if (typeof this.#config === "string") this.#config = encoder.encode(this.#config);
    if (this.#config === undefined) throw new Error(`the configuration of ${this.where} is not in memory`);
    return this.#config;
  }

  /** Once it is used, the parsed form takes as much again. */
  get bodyBytes(): number {
    const length = this.#config?.length ?? 0;
    return this.#resourceName.length + (typeof this.#config === "string" ? length : 2 * length);
  }

  dropBody(): void {
    this.#config = undefined;
    this.#resourceName = "";
  }

  get annotations(): Readonly<Record<string, string>> {
    return this.#resourceName === "" ? {} : { [resourceNameAnnotation]: this.#resourceName };
  }

  get where(): string {
    return `${kind} ${this.namespace}/${this.name}`;
  }

  /** The NAD for its users: it stays whole when the configuration is left out here. */
  opened(): Nad {
    const { namespace, name, config, annotations, where } = this;
    return { namespace, name, config, annotations, where };
  }

  /** Is it, in all that is kept, the same as another state of the object? Where a configuration was left out there is no saying. */
  equals(other: KubeNad): boolean {
    return (
      this.#resourceName === other.#resourceName && this.problem === other.problem && this.#isSameText(other)
    );
  }

  #isSameText(other: KubeNad): boolean {
    const [one, another] = [this.#config, other.#config];
    if (one === undefined || another === undefined) return false;
    if (typeof one === "string" && typeof another === "string") return one === another;
    return Buffer.compare(bytesOf(one), bytesOf(another)) === 0;
  }
}

function bytesOf(config: string | Uint8Array): Uint8Array {
  return typeof config === "string" ? encoder.encode(config) : config;
}

/**
 * The part of an object of the API that is kept.
 * @param object anything: an error in it becomes the `problem` of the NAD
 */
export function keptNad(object: unknown, namespace: string, name: string): KubeNad {
  const metadata = objectAt(object, "metadata");
  const resourceName = textOf(objectAt(metadata.annotations)[resourceNameAnnotation]);
  const config = objectAt(object, "spec").config ?? "";
  const problem =
    typeof config === "string"
      ? (nadConfigProblem(Buffer.byteLength(config)) ?? "")
      : "spec.config must be a text with JSON in it";
  return new KubeNad(
    { namespace, name, resourceVersion: textOf(metadata.resourceVersion) },
    // A configuration that cannot be used is not kept, and may be large.
    typeof config === "string" && problem === "" ? config : "",
    resourceName.length <= longestResourceName ? resourceName : "",
    problem,
  );
}

export class KubeNads implements NadSource {
  readonly watch: Reflector<KubeNad>;
  readonly #budget: BodyBudget<KubeNad>;
  readonly #lookup: Lookup<KubeNad>;
  /** By `namespace/name`: those that the watch did not have. Each stays the same object for as long as its content does. */
  readonly #asked = new Map<string, KubeNad>();
  /** By `namespace/name`: when the API last answered that there is none. */
  readonly #missing = new Map<string, number>();

  /** @param cacheBytes that the NADs may take in memory; configurations beyond are asked of the API when they are needed */
  constructor(api: Api, log: Logger, cacheBytes: number) {
    this.#budget = new BodyBudget({
      limit: cacheBytes,
      kind: plural,
      setting: "nadCacheBytes",
      forget: (nad) => this.#forget(nad),
      // Before the watch is there nothing was forgotten.
      forgotten: () => this.watch?.forgotten ?? 0,
      log,
    });
    this.watch = new Reflector({
      api,
      path: `${group}/${plural}`,
      kind: plural,
      // One that is changed elsewhere, as in a label, stays the same here.
      keep: (object, { namespace, name }) => {
        const before = this.watch.get(`${namespace}/${name}`);
        const nad = keptNad(object, namespace, name);
        if (before?.equals(nad) !== true) return nad;
        before.resourceVersion = nad.resourceVersion;
        return before;
      },
      onChange: (key, nad, before) => this.#changed(key, nad, before),
      log,
    });
    this.#lookup = new Lookup({
      api,
      kind,
      path: (namespace, name) => `${group}/namespaces/${namespace}/${plural}/${name}`,
      maxBytes: longestAnswer,
      turns: new Turns(lookupLimits),
      mayBeUndefined: true,
      keep: keptNad,
    });
  }

  get state(): WatchState {
    return { ...this.watch.state, memory: this.#budget.state };
  }

  /**
   * From the watch, also while it is interrupted. Objects that it does not have, and configurations that memory had no room for, are read from the API.
   * @returns one with the same `config` for as long as its configuration stays the same and is kept
   * @throws {InputError} where spec.config cannot be a configuration; @throws {ClusterUnavailable} where the API is needed and does not answer
   */
  async get(namespace: string, name: string): Promise<Nad | undefined> {
    const nad = await this.#find(namespace, name);
    if (nad === undefined) return undefined;
    if (nad.problem !== "") {
      throw new InputError("content", `${nad.where}: ${nad.problem}`);
    }
    // Before it is counted, which may leave out its configuration.
    const opened = nad.opened();
    this.#keepUsed(`${namespace}/${name}`, nad);
    return opened;
  }

  /** Those of the watch. */
  async names(): Promise<readonly NadName[]> {
    return [...this.watch.values()];
  }

  async #find(namespace: string, name: string): Promise<KubeNad | undefined> {
    const key = `${namespace}/${name}`;
    const watched = this.watch.get(key);
    if (watched !== undefined && !this.watch.refused) {
      return watched.isHeld ? watched : this.#fetch(watched);
    }
    if (this.watch.connected && this.#wasJustMissing(key)) return undefined;
    const inMemory = watched ?? this.#asked.get(key);
    const known = inMemory?.isHeld === true ? inMemory : undefined;
    // While the API is away its earlier answer is used: pods keep networks, and the files that take their place.
    const isKnown = known !== undefined || (this.watch.synced && this.#missing.has(key));
    try {
      const found = await this.#lookup.get(namespace, name, !isKnown);
      return found === undefined ? this.#rememberMissing(key) : this.#remember(key, found);
    } catch (error) {
      if (!isKnown) throw error;
      return known;
    }
  }

  /** The NAD of the API for one whose configuration memory had no room for. @throws {ClusterUnavailable} */
  async #fetch({ namespace, name }: KubeNad): Promise<KubeNad | undefined> {
    try {
      return await this.#lookup.get(namespace, name, true);
    } catch (error) {
      if (!(error instanceof ClusterUnavailable)) throw error;
      const { limit } = this.#budget.state;
      const why = `its configuration is not in memory, as those of all together need more than nadCacheBytes (${limit})`;
      throw new ClusterUnavailable(`${error.message}; ${why}`, { cause: error });
    }
  }

  /** A configuration that is used on this node stays longest. */
  #keepUsed(key: string, nad: KubeNad): void {
    const watched = this.watch.get(key);
    if (watched === nad || this.#asked.get(key) === nad) {
      this.#budget.count(nad, true);
    } else if (watched?.isHeld === false && watched.resourceVersion === nad.resourceVersion) {
      this.#budget.count(watched, true);
      this.watch.replace(key, nad);
    }
  }

  #changed(key: string, nad: KubeNad | undefined, before: KubeNad | undefined): void {
    this.#missing.delete(key);
    this.#dropAsked(key);
    this.#budget.replace(before, nad);
  }

  #forget(nad: KubeNad): void {
    const key = `${nad.namespace}/${nad.name}`;
    if (this.watch.get(key) === nad) this.watch.forget(key);
    else if (this.#asked.get(key) === nad) this.#asked.delete(key);
  }

  /** A name that only files have must not cost every pod a request. */
  #wasJustMissing(key: string): boolean {
    const since = this.#missing.get(key);
    return since !== undefined && performance.now() - since < missingForMs;
  }

  #remember(key: string, found: KubeNad): KubeNad {
    const before = this.#asked.get(key);
    const nad = before?.equals(found) ? before : found;
    if (before !== undefined && before !== nad) this.#budget.release(before);
    const oldest = setNewest(this.#asked, key, nad, rememberedLimit);
    if (oldest !== undefined) this.#budget.release(oldest);
    this.#missing.delete(key);
    return nad;
  }

  #rememberMissing(key: string): undefined {
    setNewest(this.#missing, key, performance.now(), rememberedLimit);
    this.#dropAsked(key);
  }

  #dropAsked(key: string): void {
    const before = this.#asked.get(key);
    if (before === undefined) return;
    this.#asked.delete(key);
    this.#budget.release(before);
  }
}
