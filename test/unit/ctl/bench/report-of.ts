/** Reports of benchmarks, for tests. */

import type {
  Batch,
  PodSample,
  Series,
  Subject,
  SubjectKind,
} from "../../../../src/ctl/bench/measurement.ts";
import { type BenchReport, levelReports, reportForm, samplesOf } from "../../../../src/ctl/bench/report.ts";
import type { RequestTiming } from "../../../../src/socket/status.ts";

/** A daemon's account of an ADD of 10 ms: 6 ms of it in plugins. */
export function timing(
  containerId: string,
  networks: readonly string[] = ["cluster", "default/vf"],
): RequestTiming {
  const ifNames = networks.map((_, index) => (index === 0 ? "eth0" : `net${index}`));
  const each = 6 / networks.length;
  return {
    at: "2026-08-01T00:00:00.000Z",
    command: "ADD",
    pod: "default/web",
    containerId,
    milliseconds: 10,
    queueMilliseconds: 1,
    phases: { netconf: 0.5, plan: 0.5, "plan-file": 0.25, delegates: 7.25, status: 0.25 },
    networks: networks.map((network, index) => {
      return { network, ifName: ifNames[index] ?? "", milliseconds: each + 0.5 };
    }),
    plugins: [
      { plugin: "bridge", command: "VERSION", ifName: "", milliseconds: 99 },
      ...ifNames.map((ifName) => ({ plugin: "sriov", command: "ADD", ifName, milliseconds: each })),
    ],
  };
}

export const subject = (name: string, kind: SubjectKind): Subject => ({
  name,
  kind,
  run: () => Promise.reject(new Error("it is measured already")),
});

/** A daemon's account of a DEL of 4 ms: 3 ms of it in plugins. */
const delTiming: RequestTiming = {
  ...timing("c"),
  command: "DEL",
  milliseconds: 4,
  queueMilliseconds: 0.25,
  phases: { plan: 0.25, delegates: 3.25, "plan-file": 0.25 },
  plugins: [{ plugin: "sriov", command: "DEL", ifName: "net1", milliseconds: 3 }],
};

/** A pod that took so many milliseconds, and half of that to stop. */
export function pod(add: number, addTiming?: RequestTiming): PodSample {
  return { add, del: add / 2, addTiming, delTiming: addTiming === undefined ? undefined : delTiming };
}

export const batch = (...pods: readonly PodSample[]): Batch => ({ pods, addAll: 50, delAll: 25 });

/** A report of these series. */
export function reportOf(series: readonly Series[], further: Partial<BenchReport> = {}): BenchReport {
  return {
    form: reportForm,
    at: "2026-08-01T12:00:00.000Z",
    seconds: 12.3,
    state: "complete",
    reason: "",
    machine: {
      ...{ kernel: "6.18.0", processor: "A Processor", processors: 2, memoryMegabytes: 8_000 },
      ...{ architecture: "x64", node: "v24.0.0" },
    },
    load: { others: 0.01, looks: 6 },
    setting: {
      through: "plugin",
      runtime: "",
      versions: { multusctl: "0.1.0", multusd: "0.1.0" },
      selection: "vf",
      networks: 2,
      levels: [1, 4],
      warmUps: 3,
      roundsAsked: 8,
    },
    rounds: series[0]?.batches.length ?? 0,
    levels: levelReports(series, "plugin"),
    left: [],
    samples: samplesOf(series),
    ...further,
  };
}

/** Eight rounds of ours and of a peer, with 1 and 4 pods at once. @param networks of the pods @param peer its name */
export function usualSeries(
  networks: readonly string[] = ["cluster", "default/vf"],
  peer = "other",
): Series[] {
  return [1, 4].flatMap((pods) =>
    (
      [
        ["multus-wasm", "multus", 12],
        [peer, "peer", 20],
      ] as const
    ).map(([name, kind, base]): Series => {
      const batches = Array.from({ length: 8 }, (_, round) =>
        batch(
          ...Array.from({ length: pods }, (_, index) =>
            pod(base + round * 0.25 + index, kind === "multus" ? timing("c", networks) : undefined),
          ),
        ),
      );
      return { subject: subject(name, kind), pods, batches };
    }),
  );
}
