/** Subjects whose pod is in a cluster: each ADD finds it without a status and the cluster quiet, and each DEL finds everything delivered. */

import { setTimeout as sleep } from "node:timers/promises";
import type { ApiPod, BenchCluster } from "./cluster.ts";
import type { Subject } from "./subjects.ts";

/** Milliseconds that everything is left alone before an ADD. */
const pause = 10;
/**
 * Milliseconds from an ADD's answer to the DEL, more only where something still has to arrive. The same for every subject: the kernel takes longer to remove
 * links that have been there for a while, and a machine that did nothing for a while is slower to begin.
 */
const lifetime = 130;

/** From the answer of an ADD until something of it is in the API, milliseconds, by ADD. */
export interface Delays {
  readonly status: number[];
  /** The last one of them. */
  readonly events: number[];
}

/**
 * @param expected what an ADD of the subject brings into the API
 * @param delays gets those of every ADD
 */
export function inCluster(
  subject: Subject,
  cluster: BenchCluster,
  pod: ApiPod,
  expected: { readonly status: boolean; readonly events: number },
  delays: Delays = { status: [], events: [] },
): Subject {
  const { arrivals } = cluster;
  const { name } = pod;
  return {
    name: subject.name,
    async add(containerId) {
      await cluster.clear(pod);
      await sleep(pause);
      const cost = await subject.add(containerId);
      const answered = performance.now();
      if (expected.status) {
        const at = await arrivals.until(
          `the network-status of ${name}`,
          () => arrivals.of(name).status !== undefined,
        );
        delays.status.push(at - answered);
      }
      if (expected.events > 0) {
        const at = await arrivals.until(
          `${expected.events} events about ${name}`,
          () => arrivals.of(name).events >= expected.events,
        );
        delays.events.push(at - answered);
      }
      await sleep(Math.max(0, answered + lifetime - performance.now()));
      return cost;
    },
    del: (containerId) => subject.del(containerId),
  };
}
