/** Which traces are recorded: OpenTelemetry's samplers, by the names that OTEL_TRACES_SAMPLER has for them. */

import type { TraceContext } from "./trace-context.ts";

/** @param parent the runtime's; undefined: the trace begins here */
export type Sampler = (traceId: string, parent: TraceContext | undefined) => boolean;

const always: Sampler = () => true;
const never: Sampler = () => false;

/** So many of all traces, and the same ones wherever it is asked. @param ratio 0 to 1 */
function ofAll(ratio: number): Sampler {
  const bound = Math.round(ratio * 2 ** 32);
  return (traceId) => {
    // As OpenTelemetry's own does it: the four words of the id together.
    let sum = 0;
    for (let at = 0; at < traceId.length; at += 8) sum ^= Number.parseInt(traceId.slice(at, at + 8), 16);
    return sum >>> 0 < bound;
  };
}

/** The parent's decision, or that of `root` without a parent. */
function asParent(root: Sampler): Sampler {
  return (traceId, parent) => parent?.sampled ?? root(traceId, parent);
}

/** By name, as made for a ratio (0 to 1). */
const samplers: Readonly<Record<string, (ratio: number) => Sampler>> = {
  always_on: () => always,
  always_off: () => never,
  traceidratio: ofAll,
  parentbased_always_on: () => asParent(always),
  parentbased_always_off: () => asParent(never),
  parentbased_traceidratio: usualSampler,
};

export const samplerNames: readonly string[] = Object.keys(samplers);

/** The runtime decides where it sends a TRACEPARENT; of the traces that begin here so many are recorded. @param ratio 0 to 1 */
export function usualSampler(ratio: number): Sampler {
  return asParent(ofAll(ratio));
}

/** @param ratio 0 to 1, for those that have one @returns undefined: there is none of that name */
export function samplerOf(name: string, ratio: number): Sampler | undefined {
  return samplers[name]?.(ratio);
}
