/** Rounds of ADD and DEL with every subject, in changing order, so that other load of the machine affects all. */

import { medianInterval, type Summary, summarize } from "../src/ctl/text/statistics.ts";
import { type Cost, newContainerId, type Subject } from "./subjects.ts";

/** Milliseconds over the delegates alone. */
export interface Overhead {
  /** Median minus the delegates' median. */
  readonly median: number;
  /** 95 % interval of the median difference of two runs of the same round. */
  readonly interval: readonly [number, number];
}

/** One subject's times for one command and number of networks, milliseconds. */
export interface AttachRow {
  readonly delegates: "bridge and macvlan" | "free";
  readonly networks: number;
  readonly command: "ADD" | "DEL";
  readonly subject: string;
  readonly wall: Summary;
  /** CPU of the subject with everything it started, and of its daemon where we know it. Mean. */
  readonly cpu: number;
  /** The overhead over the delegates alone; undefined for these. */
  readonly overhead: Overhead | undefined;
}

export interface Series {
  readonly subject: Subject;
  readonly add: Cost[];
  readonly del: Cost[];
}

/** Rounds before the measured ones of each case. */
export const warmUps = 3;
/** Pods that a daemon has served before anything is measured: as one that runs, not as one that has just been started. */
export const podsBefore = 40;

/** Runs every subject once per round; the order turns by one each round, so that none is always behind the same. */
export async function interleave(
  subjects: readonly Subject[],
  rounds: number,
  progress: () => void,
): Promise<Series[]> {
  const series: Series[] = subjects.map((subject) => ({ subject, add: [], del: [] }));
  for (let round = -warmUps; round < rounds; round++) {
    for (let turn = 0; turn < series.length; turn++) {
      const one = series[(turn + round + warmUps) % series.length];
      if (one === undefined) continue;
      const containerId = newContainerId();
      const add = await one.subject.add(containerId);
      const del = await one.subject.del(containerId);
      if (round < 0) continue;
      one.add.push(add);
      one.del.push(del);
    }
    progress();
  }
  return series;
}

export function rows(
  delegates: AttachRow["delegates"],
  networks: number,
  series: readonly Series[],
): AttachRow[] {
  return (["ADD", "DEL"] as const).flatMap((command) => {
    const costsOf = ({ add, del }: Series) => (command === "ADD" ? add : del);
    const [base] = series;
    return series.map((one) => {
      const costs = costsOf(one);
      return {
        delegates,
        networks,
        command,
        subject: one.subject.name,
        wall: summarize(costs.map(({ wall }) => wall)),
        cpu: costs.reduce((sum, { cpu }) => sum + cpu, 0) / costs.length,
        overhead: base === undefined || one === base ? undefined : overhead(costs, costsOf(base)),
      };
    });
  });
}

/** @param costs and @param base round by round */
function overhead(costs: readonly Cost[], base: readonly Cost[]): Overhead {
  const walls = costs.map(({ wall }) => wall);
  const baseWalls = base.map(({ wall }) => wall);
  return {
    median: summarize(walls).median - summarize(baseWalls).median,
    interval: medianInterval(walls.map((wall, round) => wall - (baseWalls[round] ?? Number.NaN))),
  };
}
