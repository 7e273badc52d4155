/** Rounds of ADD and DEL with every subject, in changing order, so that other load of the machine affects all. */

import { median, type Summary, summarize } from "../src/ctl/text/statistics.ts";
import { type Ratio, ratioOf, type Sample } from "./ratio.ts";
import { aloneName, type Cost, newContainerId, type Subject, unitName } from "./subjects.ts";

export type Command = "ADD" | "DEL";
export const commands: readonly Command[] = ["ADD", "DEL"];

/** One subject's times for one command and number of networks, milliseconds. */
export interface AttachRow {
  readonly delegates: "bridge and macvlan" | "free";
  readonly networks: number;
  readonly command: Command;
  readonly subject: string;
  readonly wall: Summary;
  /** CPU of the subject with everything it started, and of its daemon where we know it. Median. */
  readonly cpu: number;
  /** Processes and threads that it took, by the round that had fewest; undefined where they are not counted. */
  readonly processes: number | undefined;
  /** The time over the delegates alone, in units (starts of one free delegate); undefined for these, and where there is no unit. */
  readonly units: Ratio | undefined;
  /** As share of the delegates alone; undefined for these. */
  readonly share: Ratio | undefined;
  /** Wall times, round by round. */
  readonly rounds: readonly number[];
}

/** The costs of one subject, round by round. */
export interface Series {
  readonly subject: Pick<Subject, "name">;
  readonly add: readonly Cost[];
  readonly del: readonly Cost[];
}

/** Rounds before the measured ones of each case. */
export const warmUps = 3;
/** Pods that a daemon has served before anything is measured: as one that runs, not as one that has just been started. */
export const podsBefore = 40;

/**
 * Runs every subject once per round; the order turns by one each round, so that none is always behind the same.
 * @param ended called after each round, also after one that is not measured: nothing runs until it has ended
 * @param before rounds that are not measured
 */
export async function interleave(
  subjects: readonly Subject[],
  rounds: number,
  ended: () => Promise<void>,
  before = warmUps,
): Promise<Series[]> {
  const series = subjects.map((subject) => ({ subject, add: [] as Cost[], del: [] as Cost[] }));
  for (let round = -before; round < rounds; round++) {
    for (let turn = 0; turn < series.length; turn++) {
      const one = series[(turn + round + before) % series.length];
      if (one === undefined) continue;
      const containerId = newContainerId();
      const add = await one.subject.add(containerId);
      const del = await one.subject.del(containerId);
      if (round < 0) continue;
      one.add.push(add);
      one.del.push(del);
    }
    await ended();
  }
  return series;
}

/** @throws {Error} where there is no such subject */
export function seriesOf(series: readonly Series[], subject: string): Series {
  const found = series.find(({ subject: { name } }) => name === subject);
  if (found === undefined) throw new Error(`${subject} was not measured`);
  return found;
}

const costsOf = ({ add, del }: Series, command: Command): readonly Cost[] => (command === "ADD" ? add : del);

/** Wall times, round by round. */
export function wallsOf(series: Series, command: Command): number[] {
  return costsOf(series, command).map(({ wall }) => wall);
}

/** CPU times, round by round. */
export function cpusOf(series: Series, command: Command): number[] {
  return costsOf(series, command).map(({ cpu }) => cpu);
}

/** The processes of the round that had fewest: in the others the machine started some of its own. Undefined where they are not counted. */
export function processesOf(series: Series, command: Command): number | undefined {
  const counted = costsOf(series, command).flatMap(({ processes }) => processes ?? []);
  return counted.length === 0 ? undefined : Math.min(...counted);
}

/** The unit of each round, milliseconds: the mean of its two starts of the free delegate. */
export function unitsOf(series: readonly Series[]): number[] {
  const { add, del } = seriesOf(series, unitName);
  return add.map(({ wall }, round) => (wall + (del[round]?.wall ?? wall)) / 2);
}

/** One unit of a run, milliseconds. */
export function unitOf(series: readonly Series[]): number {
  return median(unitsOf(series));
}

/** The time of a subject over that of another, in units. */
export function overInUnits(
  series: readonly Series[],
  command: Command,
  subject: string,
  less: string,
): Sample {
  return {
    of: wallsOf(seriesOf(series, subject), command),
    less: wallsOf(seriesOf(series, less), command),
    base: unitsOf(series),
  };
}

/** The time of a subject as share of that of another. */
export function shareOf(series: readonly Series[], command: Command, subject: string, base: string): Sample {
  return {
    of: wallsOf(seriesOf(series, subject), command),
    base: wallsOf(seriesOf(series, base), command),
  };
}

/** @param base the subject that the others are compared with */
export function rows(
  delegates: AttachRow["delegates"],
  networks: number,
  series: readonly Series[],
  base = aloneName,
): AttachRow[] {
  const has = (subject: string) => series.some(({ subject: { name } }) => name === subject);
  return commands.flatMap((command) =>
    series.map((one): AttachRow => {
      const { name } = one.subject;
      const walls = wallsOf(one, command);
      const isCompared = name !== base && name !== unitName && has(base);
      return {
        delegates,
        networks,
        command,
        subject: name,
        wall: summarize(walls),
        cpu: median(cpusOf(one, command)),
        processes: processesOf(one, command),
        units: isCompared && has(unitName) ? ratioOf(overInUnits(series, command, name, base)) : undefined,
        share: isCompared ? ratioOf(shareOf(series, command, name, base)) : undefined,
        rounds: walls,
      };
    }),
  );
}
