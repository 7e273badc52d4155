/** Subjects whose pod is in a cluster: each ADD finds it without a status and the cluster quiet, and each DEL finds everything delivered. */

import { setTimeout as sleep } from "node:timers/promises";
import type { AttachCase } from "./attach.ts";
import type { ApiPod, BenchCluster } from "./cluster.ts";
import { delegatesAlone, type Peer, peerSubject, type Site, type Subject, unit } from "./subjects.ts";

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

/** A pod of the cluster that is attached to these networks, the first of which is the cluster network. */
export async function podInCluster(
  cluster: BenchCluster,
  { networks }: Pick<AttachCase, "networks">,
  site: Site,
): Promise<{ readonly site: Site; readonly pod: ApiPod }> {
  for (const { name, config } of networks.slice(1)) await cluster.api.createNetwork(name, config);
  const pod = await cluster.createPod(site.pod.name, site.pod.annotations);
  return { site: { ...site, pod: { ...site.pod, uid: pod.uid } }, pod };
}

/**
 * All that is compared for a case in a cluster: the unit, the delegates alone, ours and the peers.
 * @param own makes our subjects for the pod's site, each with where its delays go
 */
export async function subjectsInCluster(
  cluster: BenchCluster,
  one: AttachCase,
  siteOfPod: Site,
  peers: readonly Peer[],
  own: (site: Site) => readonly { readonly subject: Subject; readonly delays?: Delays }[],
): Promise<Subject[]> {
  const { networks, directory } = one;
  const { site, pod } = await podInCluster(cluster, one, siteOfPod);
  const nothing = { status: false, events: 0 };
  const kubeconfig = cluster.api.adminKubeconfig;
  const delegates = networks.slice(0, 1).map(({ config }) => config);
  return [
    inCluster(unit(site), cluster, pod, nothing),
    inCluster(delegatesAlone(site, networks, directory), cluster, pod, nothing),
    ...own(site).map(({ subject, delays }) =>
      inCluster(subject, cluster, pod, { status: true, events: networks.length }, delays),
    ),
    ...peers
      .map((peer) => peerSubject(site, peer, { delegates, kubeconfig }))
      .map((subject) => inCluster(subject, cluster, pod, { status: true, events: 0 })),
  ];
}
