/** Takes a pod's start apart: what it waits for, and which part of that is ours. */

import type { RequestTiming } from "../../socket/status.ts";

/** `outside`: the runtime, or the plugin's process around the daemon. `ours`: the daemon. `plugins`: the delegates' processes. */
export type WaitKind = "outside" | "ours" | "plugins";

/** A part of a pod's time; all parts of a pod add up to it. */
export interface Wait {
  /** Stable, for scripts: `outside`, `queue`, a phase of the daemon, `around-plugins`, `plugins`, `other`. */
  readonly part: string;
  readonly kind: WaitKind;
  readonly milliseconds: number;
}

/** The phase in which plugins run, of ADD and of DEL. */
const pluginPhase = "delegates";

/** Milliseconds of the plugins' processes that a request waited for. The question which versions a plugin knows is Multus's own, and asked once for each state of its file. */
export function pluginMilliseconds({ command, plugins = [] }: RequestTiming): number {
  return plugins
    .filter((run) => run.command === command)
    .reduce((sum, { milliseconds }) => sum + milliseconds, 0);
}

/** The part of that for which the request waited: plugins that ran at once are waited for at once. */
function pluginWait(timing: RequestTiming): number {
  return Math.min(pluginMilliseconds(timing), timing.phases?.[pluginPhase] ?? Infinity);
}

/**
 * The parts of a pod's ADD or DEL.
 * @param milliseconds of the whole
 */
export function waitsOf(milliseconds: number, timing: RequestTiming): Wait[] {
  const { milliseconds: total, queueMilliseconds = 0, phases = {} } = timing;
  const plugins = pluginWait(timing);
  const entries = Object.entries(phases);
  const inPhases = entries.reduce((sum, [, time]) => sum + time, 0);
  // A daemon of another release may have its plugins in a phase with another name.
  const around = (phases[pluginPhase] ?? 0) - plugins;
  return [
    { part: "outside", kind: "outside", milliseconds: milliseconds - total },
    { part: "queue", kind: "ours", milliseconds: queueMilliseconds },
    ...entries
      .filter(([phase]) => phase !== pluginPhase)
      .map(([phase, time]): Wait => ({ part: phase, kind: "ours", milliseconds: time })),
    { part: "plugins", kind: "plugins", milliseconds: plugins },
    { part: "around-plugins", kind: "ours", milliseconds: around },
    { part: "other", kind: "ours", milliseconds: total - queueMilliseconds - inPhases },
  ];
}

/**
 * Our share of a pod's time.
 * @param isPluginAlone the whole is the plugin's process, which is ours too; with a runtime only the daemon's time counts
 */
export function ownShare(milliseconds: number, timing: RequestTiming, isPluginAlone: boolean): number {
  return (isPluginAlone ? milliseconds : timing.milliseconds) - pluginWait(timing);
}

/** An ADD or a DEL, with the daemon's account of it. */
export interface TimedCall {
  /** Of the whole. */
  readonly milliseconds: number;
  readonly timing: RequestTiming;
}

/** Means of the parts over many pods, in the order in which they first occur: means add up, medians do not. */
export function meanWaits(calls: readonly TimedCall[]): readonly Wait[] {
  const sums = new Map<string, Wait>();
  for (const wait of calls.flatMap(({ milliseconds, timing }) => waitsOf(milliseconds, timing))) {
    const before = sums.get(wait.part)?.milliseconds ?? 0;
    sums.set(wait.part, { ...wait, milliseconds: before + wait.milliseconds });
  }
  return Array.from(sums.values(), (sum) => ({ ...sum, milliseconds: sum.milliseconds / calls.length }));
}
