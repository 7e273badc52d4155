/** The node's pods that may run without their networks. The watch of running pods and evictions are loaded where there are any. */

import { errorText } from "../log/error-text.ts";
import type { EvictionAnswer, FollowedPods, LackingPods } from "../multus/cluster/cluster.ts";
import type { PodReference } from "../multus/input/pod.ts";
import type { KubePods } from "./pods.ts";
import type { RunningPods, RunningPodsOptions } from "./running-pods.ts";

/** `nodeName` "": no pods are watched. */
export interface KubeLackingPodsOptions extends Omit<RunningPodsOptions, "onChange"> {
  readonly pods: KubePods;
}

export class KubeLackingPods implements LackingPods {
  readonly #options: KubeLackingPodsOptions;
  readonly #followed = new Set<FollowedPods>();

  constructor(options: KubeLackingPodsOptions) {
    this.#options = options;
  }

  all(): Iterable<PodReference> {
    return this.#options.pods.lackingStatus();
  }

  /** The second watch is opened here: on a node where all is well there never is one. */
  follow(onChange: () => void): FollowedPods {
    const { pods, ...options } = this.#options;
    let running: RunningPods | undefined;
    let isClosed = false;
    const open = async () => {
      const { watchRunningPods } = await import("./running-pods.ts");
      running = await watchRunningPods({ ...options, onChange });
      if (isClosed) running.close();
    };
    open().catch((error: unknown) =>
      options.log.error("pods that run are not watched", { error: errorText(error) }),
    );
    pods.followers.add(onChange);
    const followed: FollowedPods = {
      running: () => running?.values() ?? [],
      close: () => {
        isClosed = true;
        pods.followers.delete(onChange);
        this.#followed.delete(followed);
        running?.close();
      },
    };
    this.#followed.add(followed);
    return followed;
  }

  async evict(pod: PodReference): Promise<EvictionAnswer> {
    const { evictPod } = await import("./eviction.ts");
    return evictPod(this.#options.api, pod);
  }

  /** Ends all watches of it. */
  close(): void {
    for (const followed of this.#followed) followed.close();
  }
}
