/** The results of a benchmark, in the form of `--json`; table and HTML report show the same. All times are milliseconds. */

import type { RequestTiming } from "../../socket/status.ts";
import {
  median,
  type PairedDifference,
  pairedDifference,
  type Summary,
  summarize,
} from "../text/statistics.ts";
import type { Machine } from "./machine.ts";
import type { MachineLoad } from "./machine-load.ts";
import type { PodSample, Series, SubjectKind } from "./measurement.ts";
import { meanWaits, ownShare, pluginMilliseconds, type TimedCall, type Wait } from "./waits.ts";

/** Version of the form of this object: a change that readers notice raises it. */
export const reportForm = 1;

/** `complete`, or why it ended before that. */
export type BenchState = "complete" | "interrupted" | "out-of-time" | "failed";

/** The measurement, and the machine and programs of it. */
export interface BenchSetting {
  /** `plugin`: our plugin alone, on scratch pods. `runtime`: the node's container runtime. */
  readonly through: "plugin" | "runtime";
  /** Name and version of the runtime; "" with `plugin`. */
  readonly runtime: string;
  /** Releases by program: `multusctl`, `multusd`, peers. "" where one does not say it. */
  readonly versions: Readonly<Record<string, string>>;
  /** The annotation of the pods, or a part of it. */
  readonly selection: string;
  /** Networks of a pod, the cluster network among them. */
  readonly networks: number;
  /** Numbers of pods that are started at once. */
  readonly levels: readonly number[];
  /** Rounds before the measured ones. */
  readonly warmUps: number;
  /** Measured rounds that were asked for. */
  readonly roundsAsked: number;
}

/** One command of one subject with one number of pods. */
export interface TimesReport {
  /** Of a pod. */
  readonly pod: Summary;
  /** From the first call to the last answer of all pods. */
  readonly all: Summary;
}

/** A network of the pods, as our daemon attaches it. */
export interface NetworkReport {
  /** `namespace/nad`, or the configuration's name. */
  readonly network: string;
  readonly ifName: string;
  /** Types of its plugins, in order. */
  readonly plugins: readonly string[];
  /** Of all processes of its plugins, in ADD. */
  readonly pluginTime: Summary;
  /** The daemon's and the wire's time around them; 0 where they ran while the daemon still worked on the network before. */
  readonly ownTime: Summary;
}

export interface SubjectReport {
  readonly subject: string;
  readonly kind: SubjectKind;
  readonly add: TimesReport;
  /** undefined: none of its pods was stopped by the benchmark. */
  readonly del: TimesReport | undefined;
  /** Our ADD less this one's, by round, medians of the pods; undefined for ours. */
  readonly oursLessThis: PairedDifference | undefined;
  /** Of ADD. undefined: its daemon does not say where the time goes. */
  readonly shares:
    | {
        /** Pods whose times the daemon still had. */
        readonly pods: number;
        readonly ours: Summary;
        readonly plugins: Summary;
        /** Means. */
        readonly waits: readonly Wait[];
        /** The same of DEL; empty where the daemon has told of none. */
        readonly stopWaits: readonly Wait[];
        readonly networks: readonly NetworkReport[];
      }
    | undefined;
}

export interface LevelReport {
  /** Started at once. */
  readonly pods: number;
  readonly subjects: readonly SubjectReport[];
}

export interface BenchReport {
  readonly form: typeof reportForm;
  /** When it began: ISO 8601, UTC. */
  readonly at: string;
  readonly seconds: number;
  readonly state: BenchState;
  /** Why it is not complete; "" where it is. */
  readonly reason: string;
  readonly machine: Machine;
  /** The share of it that other programs took between rounds. */
  readonly load: MachineLoad;
  readonly setting: BenchSetting;
  /** Measured as a whole. */
  readonly rounds: number;
  readonly levels: readonly LevelReport[];
  /** Remains that the benchmark could not remove. */
  readonly left: readonly string[];
  /** All measurements: by number of pods and subject the rounds, of each the ADD and the DEL of its pods. */
  readonly samples: readonly {
    readonly pods: number;
    readonly subject: string;
    readonly rounds: readonly { readonly add: readonly number[]; readonly del: readonly number[] }[];
  }[];
}

/** Series as a report. @param through whether a pod's whole time is that of a plugin */
export function levelReports(
  series: readonly Series[],
  through: BenchSetting["through"],
): readonly LevelReport[] {
  const measured = series.filter(({ batches }) => batches.length > 0);
  return [...new Set(measured.map(({ pods }) => pods))].map((pods) => {
    const ofLevel = measured.filter((each) => each.pods === pods);
    const ours = ofLevel.find(({ subject }) => subject.kind === "multus");
    return { pods, subjects: ofLevel.map((each) => subjectReport(each, ours, through)) };
  });
}

function subjectReport(
  series: Series,
  ours: Series | undefined,
  through: BenchSetting["through"],
): SubjectReport {
  const { subject, batches } = series;
  const pods = batches.flatMap((batch) => batch.pods);
  const dels = pods.flatMap(({ del }) => del ?? []);
  const delsOfAll = batches.flatMap((batch) =>
    batch.pods.every(({ del }) => del !== undefined) ? [batch.delAll] : [],
  );
  return {
    subject: subject.name,
    kind: subject.kind,
    add: {
      pod: summarize(pods.map(({ add }) => add)),
      all: summarize(batches.map(({ addAll }) => addAll)),
    },
    del: delsOfAll.length === 0 ? undefined : { pod: summarize(dels), all: summarize(delsOfAll) },
    oursLessThis:
      ours === undefined || ours === series
        ? undefined
        : pairedDifference(roundMedians(ours), roundMedians(series)),
    shares: sharesOf(pods, through),
  };
}

/** By round: the median of the pods' ADDs. */
function roundMedians({ batches }: Series): number[] {
  return batches.map(({ pods }) => median(pods.map(({ add }) => add)));
}

function sharesOf(pods: readonly PodSample[], through: BenchSetting["through"]): SubjectReport["shares"] {
  const adds = callsOf(pods.map(({ add, addTiming }) => [add, addTiming]));
  if (adds.length === 0) return undefined;
  return {
    pods: adds.length,
    ours: summarize(
      adds.map(({ milliseconds, timing }) => ownShare(milliseconds, timing, through === "plugin")),
    ),
    plugins: summarize(adds.map(({ timing }) => pluginMilliseconds(timing))),
    waits: meanWaits(adds),
    stopWaits: meanWaits(callsOf(pods.map(({ del, delTiming }) => [del, delTiming]))),
    networks: networkReports(adds),
  };
}

/** Those of which both is known. */
function callsOf(calls: readonly (readonly [number | undefined, RequestTiming | undefined])[]): TimedCall[] {
  return calls.flatMap(([milliseconds, timing]) =>
    milliseconds === undefined || timing === undefined ? [] : [{ milliseconds, timing }],
  );
}

/** Times of one network of many pods. */
interface NetworkTimes {
  readonly plugins: string[];
  readonly pluginTimes: number[];
  readonly ownTimes: number[];
}

function networkReports(calls: readonly TimedCall[]): NetworkReport[] {
  const byNetwork = new Map<string, NetworkTimes & { readonly network: string; readonly ifName: string }>();
  for (const { timing } of calls) {
    for (const { network, ifName, milliseconds } of timing.networks) {
      const key = JSON.stringify([network, ifName]);
      const runs = (timing.plugins ?? []).filter((run) => run.command === "ADD" && run.ifName === ifName);
      const own = byNetwork.get(key) ?? { network, ifName, plugins: [], pluginTimes: [], ownTimes: [] };
      byNetwork.set(key, own);
      if (own.plugins.length === 0) own.plugins.push(...runs.map(({ plugin }) => plugin));
      const ofPlugins = runs.reduce((sum, run) => sum + run.milliseconds, 0);
      own.pluginTimes.push(ofPlugins);
      own.ownTimes.push(Math.max(0, milliseconds - ofPlugins));
    }
  }
  return Array.from(byNetwork.values(), ({ network, ifName, plugins, pluginTimes, ownTimes }) => {
    return { network, ifName, plugins, pluginTime: summarize(pluginTimes), ownTime: summarize(ownTimes) };
  });
}

/** All measurements, in hundredths of a millisecond. */
export function samplesOf(series: readonly Series[]): BenchReport["samples"] {
  return series
    .filter(({ batches }) => batches.length > 0)
    .map(({ subject, pods, batches }) => ({
      pods,
      subject: subject.name,
      rounds: batches.map((batch) => ({
        add: batch.pods.map(({ add }) => hundredths(add)),
        del: batch.pods.flatMap(({ del }) => (del === undefined ? [] : [hundredths(del)])),
      })),
    }));
}

function hundredths(milliseconds: number): number {
  return Math.round(milliseconds * 100) / 100;
}
