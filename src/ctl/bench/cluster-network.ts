/** Attaches pods to the cluster network by its plugins alone, as a runtime without Multus does. */

import type { Executor, PluginOutcome, PluginRun } from "../../agent/executor.ts";
import { ForwardingExecutor } from "../../agent/forwarding-executor.ts";
import { largeTurnsOf } from "../../base/large-work.ts";
import { ResultCache } from "../../cni/cache.ts";
import { addNetworkList, type ChainContext, deleteNetworkList } from "../../cni/chain.ts";
import { parseNetworkConfig } from "../../cni/config.ts";
import { PluginVersions } from "../../cni/plugin-versions.ts";
import type { NetworkConfigList, RuntimeConf } from "../../cni/types.ts";
import type { Kernels } from "../../kernels/index.ts";
import { loadKernels } from "../../kernels/load.ts";
import { silentLogger } from "../../log/logger.ts";
import type { Attacher, PodAttachment } from "./attacher.ts";

/** Milliseconds that one plugin may take. */
const pluginTimeout = 180_000;

export interface ClusterNetworkOptions {
  /** JSON text of the .conf or .conflist file. */
  readonly configuration: Uint8Array;
  /** Its path, for errors. */
  readonly file: string;
  /** CNI_PATH: colon separated directories. */
  readonly path: string;
  /** Where results are kept between ADD and DEL. */
  readonly cacheDirectory: string;
  /** Runs plugins; asked for each time, as one that was killed is replaced. */
  readonly executor: () => Executor;
}

export class ClusterNetworkAlone implements Attacher {
  readonly #options: ClusterNetworkOptions;
  readonly #kernels: Kernels = loadKernels();
  readonly #network: NetworkConfigList;
  readonly #cache: ResultCache;
  readonly #versions = new PluginVersions();

  /** @throws {InputError | CniError} for a configuration that cannot be used */
  constructor(options: ClusterNetworkOptions) {
    this.#options = options;
    this.#network = parseNetworkConfig(options.configuration, options.file, this.#kernels);
    this.#cache = new ResultCache(options.cacheDirectory, silentLogger);
  }

  async add(attachment: PodAttachment): Promise<number> {
    const timing = new TimedExecutor(this.#options.executor());
    await addNetworkList(this.#context(timing), this.#network, this.#runtime(attachment));
    return timing.milliseconds;
  }

  async del(attachment: PodAttachment): Promise<number> {
    const timing = new TimedExecutor(this.#options.executor());
    await deleteNetworkList(this.#context(timing), this.#network, this.#runtime(attachment));
    return timing.milliseconds;
  }

  #context(executor: Executor): ChainContext {
    return {
      executor,
      path: this.#options.path,
      kernels: this.#kernels,
      refusal: () => undefined,
      versions: this.#versions,
      largeWork: largeTurnsOf("ADD", ""),
      log: silentLogger,
      cache: this.#cache,
      timeoutOf: () => pluginTimeout,
    };
  }

  #runtime({ containerId, netns }: PodAttachment): RuntimeConf {
    return { containerId, netns, ifName: "eth0", args: [], capabilityArgs: undefined };
  }
}

/** Sums up the times of the plugins' processes. */
class TimedExecutor extends ForwardingExecutor {
  milliseconds = 0;

  override async runPlugin(run: PluginRun): Promise<PluginOutcome> {
    const outcome = await super.runPlugin(run);
    this.milliseconds += outcome.milliseconds;
    return outcome;
  }
}
