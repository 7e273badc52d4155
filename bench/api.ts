/** ADD and DEL of a pod of a real cluster: networks from the API, network-status and events into it. Compared with the delegates alone and with peers, as in attach.ts. */

import { type Summary, summarize } from "../src/ctl/text/statistics.ts";
import { type AttachCase, attachCases, measureCases, type Progress } from "./attach.ts";
import { BenchNode } from "./bench-node.ts";
import { BenchCluster } from "./cluster.ts";
import { type Delays, inCluster } from "./in-cluster.ts";
import { relay } from "./relay.ts";
import type { AttachRow } from "./rounds.ts";
import {
  delegatesAlone,
  multusWasm,
  ownName,
  type Peer,
  peerSubject,
  type Site,
  type Subject,
} from "./subjects.ts";

/** From the answer of an ADD until all of it is in the API, as the API's own watches see it. Milliseconds. */
export interface DeliveryRow {
  readonly delegates: AttachRow["delegates"];
  readonly networks: number;
  readonly subject: string;
  readonly status: Summary;
  /** The last event. */
  readonly events: Summary;
}

export interface ApiReport {
  readonly rows: readonly AttachRow[];
  readonly deliveries: readonly DeliveryRow[];
}

/** @param rounds measured runs of each subject per case */
export async function benchApi(
  rounds: number,
  peers: readonly Peer[],
  progress: Progress,
): Promise<ApiReport> {
  await using cluster = await BenchCluster.start();
  await using bench = await BenchNode.start(await cluster.nodeOptions());
  await using resources = new AsyncDisposableStack();
  if (peers.length > 0) resources.use(await relay(bench.node.network, cluster.api.port));
  await bench.node.untilReady();
  const measured: { readonly one: AttachCase; readonly subject: string; readonly delays: Delays }[] = [];

  const subjectsOf = async (one: AttachCase, site: Site): Promise<Subject[]> => {
    const { networks, directory } = one;
    const [clusterNetwork, ...selected] = networks;
    if (clusterNetwork === undefined) throw new Error("at least one network is needed");
    for (const { name, config } of selected) await cluster.api.createNetwork(name, config);
    const pod = await cluster.createPod(site.pod.name, site.pod.annotations);
    const siteInApi: Site = { ...site, pod: { ...site.pod, uid: pod.uid } };
    const own = (["cluster", "request"] as const).map((from) => {
      const subject = multusWasm(siteInApi, `${ownName}, annotations of the ${from}`, networks, from);
      const delays: Delays = { status: [], events: [] };
      measured.push({ one, subject: subject.name, delays });
      return inCluster(subject, cluster, pod, { status: true, events: networks.length }, delays);
    });
    const kubeconfig = cluster.api.adminKubeconfig;
    const others = peers.map((peer) =>
      peerSubject(siteInApi, peer, { delegates: [clusterNetwork.config], kubeconfig }),
    );
    return [
      inCluster(delegatesAlone(siteInApi, networks, directory), cluster, pod, { status: false, events: 0 }),
      ...own,
      ...others.map((subject) => inCluster(subject, cluster, pod, { status: true, events: 0 })),
    ];
  };

  const cases = attachCases(bench.node, [4], [1, 4]);
  const rows = await measureCases(bench, cases, rounds, subjectsOf, (what, done) =>
    progress(`in a cluster: ${what}`, done),
  );
  return {
    rows,
    deliveries: measured.map(({ one: { delegates, networks }, subject, delays }) => ({
      delegates,
      networks: networks.length,
      subject,
      // Without those of the rounds that are not measured.
      status: summarize(delays.status.slice(-rounds)),
      events: summarize(delays.events.slice(-rounds)),
    })),
  };
}
