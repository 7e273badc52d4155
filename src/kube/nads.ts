/** NetworkAttachmentDefinitions of a cluster: a watch of all of them, and the API itself for what the watch does not have. */

import { CniError, CniErrorCode } from "../cni/errors.ts";
import { isJsonObject } from "../cni/json.ts";
import type { Logger } from "../log/logger.ts";
import { type Nad, type NadSource, nadConfigProblem } from "../multus/nads.ts";
import type { Api } from "./api.ts";
import { Lookup, patienceMs } from "./lookup.ts";
import { Reflector } from "./reflector.ts";

const kind = "NetworkAttachmentDefinition";
const group = "/apis/k8s.cni.cncf.io/v1";
const plural = "network-attachment-definitions";
/** The only annotation of a NAD that matters here. */
const resourceNameKey = "k8s.v1.cni.cncf.io/resourceName";

/** How many NADs that only the API had are remembered, and how many that it did not have either. */
const rememberedLimit = 512;
/** For how long it is believed that the API has no such NAD, in milliseconds, while a watch would say otherwise. */
const missingForMs = 5_000;

const encoder = new TextEncoder();

/** A NAD as it is kept: two thousand of them should cost little more than their configurations. */
export class KubeNad implements Nad {
  readonly namespace: string;
  readonly name: string;
  /** "" if there is none. */
  readonly resourceName: string;
  /** What is wrong with the object; "": nothing. */
  readonly problem: string;
  /** The text until somebody asks for bytes, then those: most NADs of a cluster are not used on a node. */
  #config: string | Uint8Array;

  constructor(namespace: string, name: string, config: string, resourceName: string, problem: string) {
    this.namespace = namespace;
    this.name = name;
    this.resourceName = resourceName;
    this.problem = problem;
    this.#config = config;
  }

  get config(): Uint8Array {
    // Not Buffer.from(): its small buffers are slices of larger ones, which would be kept with them.
    if (typeof this.#config === "string") this.#config = encoder.encode(this.#config);
    return this.#config;
  }

  get annotations(): Readonly<Record<string, string>> {
    return this.resourceName === "" ? {} : { [resourceNameKey]: this.resourceName };
  }

  get where(): string {
    return `${kind} ${this.namespace}/${this.name}`;
  }

  /** Is it, in all that is kept, the same as `other`? */
  equals(other: KubeNad): boolean {
    return (
      this.namespace === other.namespace &&
      this.name === other.name &&
      this.resourceName === other.resourceName &&
      this.problem === other.problem &&
      this.#text() === other.#text()
    );
  }

  #text(): string {
    return typeof this.#config === "string" ? this.#config : Buffer.from(this.#config).toString();
  }
}

/**
 * What is kept of an object of the API.
 * @param object anything: what is not as it should be becomes the `problem` of the NAD, for those who ask for it
 */
export function keptNad(object: unknown, namespace: string, name: string): KubeNad {
  const { metadata, spec } = isJsonObject(object) ? object : {};
  const annotations = isJsonObject(metadata) ? metadata.annotations : undefined;
  const resourceName = isJsonObject(annotations) ? annotations[resourceNameKey] : undefined;
  const config = isJsonObject(spec) ? (spec.config ?? "") : "";
  const problem =
    typeof config === "string"
      ? (nadConfigProblem(Buffer.byteLength(config)) ?? "")
      : "spec.config must be a text with JSON in it";
  return new KubeNad(
    namespace,
    name,
    // What cannot be used is not kept, and may be large.
    typeof config === "string" && problem === "" ? config : "",
    typeof resourceName === "string" ? resourceName : "",
    problem,
  );
}

export class KubeNads implements NadSource {
  readonly watch: Reflector<KubeNad>;
  readonly #lookup: Lookup<KubeNad>;
  /** By `namespace/name`: what the watch did not have, so that it stays the same object for as long as its content does. */
  readonly #asked = new Map<string, KubeNad>();
  /** By `namespace/name`: when the API said last that there is none. */
  readonly #missing = new Map<string, number>();

  constructor(api: Api, log: Logger) {
    this.watch = new Reflector({
      api,
      path: `${group}/${plural}`,
      kind: plural,
      // One that is changed elsewhere, as in a label, stays the same here.
      keep: (object, { namespace, name }) => {
        const before = this.watch.get(`${namespace}/${name}`);
        const nad = keptNad(object, namespace, name);
        return before?.equals(nad) ? before : nad;
      },
      log,
    });
    this.#lookup = new Lookup({
      api,
      kind,
      path: (namespace, name) => `${group}/namespaces/${namespace}/${plural}/${name}`,
      mayBeUndefined: true,
      keep: keptNad,
    });
  }

  /**
   * From the watch, also while it is interrupted. What it does not have is asked of the API.
   * @returns the same object for as long as its configuration stays the same
   * @throws {CniError} 7 where spec.config cannot be a configuration; 11 where the API would have to be asked and does not answer
   */
  async get(namespace: string, name: string): Promise<Nad | undefined> {
    const nad = await this.#find(namespace, name);
    if (nad === undefined || nad.problem === "") return nad;
    throw new CniError(CniErrorCode.invalidNetworkConfig, `${nad.where}: ${nad.problem}`);
  }

  async #find(namespace: string, name: string): Promise<KubeNad | undefined> {
    const key = `${namespace}/${name}`;
    const watched = this.watch.get(key);
    if (watched !== undefined && !this.watch.refused) return watched;
    if (this.watch.connected && this.#wasJustMissing(key)) return undefined;
    const known = watched ?? this.#asked.get(key);
    // What it said before is good enough while it is away: neither networks nor files in their place are to be lost with it.
    const isKnown = known !== undefined || (this.watch.synced && this.#missing.has(key));
    try {
      const found = await this.#lookup.get(
        namespace,
        name,
        isKnown ? { retry: false, timeoutMs: patienceMs } : { retry: true },
      );
      return found === undefined ? this.#rememberMissing(key) : this.#remember(key, found);
    } catch (error) {
      if (!isKnown) throw error;
      return known;
    }
  }

  /** A name that is looked up in files after the cluster is not to cost every pod a request. */
  #wasJustMissing(key: string): boolean {
    const since = this.#missing.get(key);
    return since !== undefined && performance.now() - since < missingForMs;
  }

  #remember(key: string, found: KubeNad): KubeNad {
    const before = this.#asked.get(key);
    const nad = before?.equals(found) ? before : found;
    rememberIn(this.#asked, key, nad);
    this.#missing.delete(key);
    return nad;
  }

  #rememberMissing(key: string): undefined {
    rememberIn(this.#missing, key, performance.now());
    this.#asked.delete(key);
  }
}

/** Sets a value, as the newest; the oldest goes where there are too many. */
function rememberIn<Value>(map: Map<string, Value>, key: string, value: Value): void {
  map.delete(key);
  map.set(key, value);
  const [oldest] = map.keys();
  if (map.size > rememberedLimit && oldest !== undefined) map.delete(oldest);
}
