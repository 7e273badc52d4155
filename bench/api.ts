/** ADD and DEL of a pod of a real cluster: networks from the API, network-status and events into it. Compared with the delegates alone and with peers, as in attach.ts. */

import { type Summary, summarize } from "../src/ctl/text/statistics.ts";
import { type AttachCase, type AttachReport, freeCase, measureCases, reportOf } from "./attach.ts";
import { BenchNode } from "./bench-node.ts";
import { BenchCluster, clusterStarts } from "./cluster.ts";
import { benchRequests } from "./counts.ts";
import { type Delays, subjectsInCluster } from "./in-cluster.ts";
import type { Progress } from "./progress.ts";
import { relay } from "./relay.ts";
import { type AttachRow, commands, overInUnits } from "./rounds.ts";
import { aloneName, multusWasm, ownName, type Peer, type Site, type Subject } from "./subjects.ts";

/** From the answer of an ADD until all of it is in the API, as the API's own watches see it. Milliseconds. */
export interface DeliveryRow {
  readonly delegates: AttachRow["delegates"];
  readonly networks: number;
  readonly subject: string;
  readonly status: Summary;
  /** The last event. */
  readonly events: Summary;
}

export interface ApiReport extends AttachReport {
  readonly deliveries: readonly DeliveryRow[];
  /** Requests to the API of an ADD and its DEL. */
  readonly requests: readonly string[];
}

/**
 * The networks' delegates cost nothing; real ones are in part native.
 * @param rounds measured runs of each subject
 */
export async function benchApi(
  rounds: number,
  peers: readonly Peer[],
  progress: Progress,
): Promise<ApiReport> {
  await progress(clusterStarts, 0);
  await using cluster = await BenchCluster.start();
  await using bench = await BenchNode.start(await cluster.nodeOptions());
  await using resources = new AsyncDisposableStack();
  if (peers.length > 0) resources.use(await relay(bench.node.network, cluster.api.port));
  await bench.node.untilReady();
  const delays = new Map<string, Delays>();

  const subjectsOf = (one: AttachCase, siteOfPod: Site): Promise<Subject[]> =>
    subjectsInCluster(cluster, one, siteOfPod, peers, (site) =>
      (["cluster", "request"] as const).map((annotationsFrom) => {
        const name = `${ownName}, annotations of the ${annotationsFrom}`;
        const ofSubject: Delays = { status: [], events: [] };
        delays.set(name, ofSubject);
        return { subject: multusWasm(site, name, one.networks, { annotationsFrom }), delays: ofSubject };
      }),
    );

  const one = freeCase(bench.node, 4);
  const measured = await measureCases(bench, [one], () => rounds, subjectsOf, progress);
  await progress("counting requests", 1);
  const { requests, judged } = await benchRequests(cluster);
  const overheads = measured.flatMap(({ series }) =>
    [...delays.keys()].flatMap((subject) =>
      commands.map((command) => ({
        bound: "overheadOfFourInCluster" as const,
        what: `${command}${subject.slice(ownName.length)}`,
        measured: overInUnits(series, command, subject, aloneName),
      })),
    ),
  );
  return {
    ...reportOf(measured, [...overheads, ...judged]),
    deliveries: Array.from(delays, ([subject, { status, events }]) => ({
      delegates: one.delegates,
      networks: one.networks.length,
      subject,
      // Without those of the rounds that are not measured.
      status: summarize(status.slice(-rounds)),
      events: summarize(events.slice(-rounds)),
    })),
    requests,
  };
}
