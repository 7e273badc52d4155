/** The differences between the outcomes of one case on two nodes. */

import { isDeepStrictEqual } from "node:util";
import { type Change, type NetworksCase, tuningDirectory } from "../../generated/arbitraries/networks.ts";
import type { NodeState } from "./node-state.ts";
import type { CaseOutcome, Step } from "./side.ts";

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null;

/** Adds a line for each place where two values differ. */
function collect(place: string, one: unknown, other: unknown, lines: string[]): void {
  if (isDeepStrictEqual(one, other)) return;
  if (Array.isArray(one) && Array.isArray(other) && one.length !== other.length) {
    const without = (from: readonly unknown[], others: readonly unknown[]) =>
      from.filter((entry) => !others.some((candidate) => isDeepStrictEqual(candidate, entry)));
    lines.push(
      `${place}: only here ${JSON.stringify(without(one, other))}, only there ${JSON.stringify(without(other, one))}`,
    );
    return;
  }
  if (isObject(one) && isObject(other)) {
    for (const key of new Set([...Object.keys(one), ...Object.keys(other)])) {
      collect(`${place}.${key}`, one[key], other[key], lines);
    }
    return;
  }
  lines.push(`${place}: ${JSON.stringify(one)} / ${JSON.stringify(other)}`);
}

const has = (one: NetworksCase, isIt: (change: Change) => boolean) => one.changes.some(isIt);
const isDel = ({ call }: Step) => call.endsWith("DEL");

/** Is it a directory of address files with nothing in it but the lock, or that lock? */
function isEmptyDirectory(path: string, files: NodeState["files"]): boolean {
  const directory = /^ipam\/[^/]+(?=\/lock$|$)/.exec(path)?.[0];
  if (directory === undefined) return false;
  return !files.some((file) => file.path.startsWith(`${directory}/`) && !file.path.endsWith("/lock"));
}

const nothing: NodeState["node"] = { links: [], routes: [], forwarding: [], sysctls: [] };

/** Where native networks are different on purpose. */
interface AllowedDifference {
  readonly reason: string;
  readonly applies: (one: NetworksCase, step: Step) => boolean;
  /** The part of the state that is left to be compared. */
  readonly compared: (state: NodeState) => NodeState;
}

export const allowedDifferences: readonly AllowedDifference[] = [
  {
    reason:
      "A native DEL finds a link that the pod has renamed by its hardware address; the plugin leaves it, and gives its address to the next pod.",
    applies: (one, step) =>
      one.nativeDel &&
      isDel(step) &&
      has(one, (change) => change.kind === "ip" && change.line.endsWith(" name moved0")),
    compared: (state) => ({ ...state, pod: undefined, node: nothing }),
  },
  {
    reason:
      "Where a link is gone before its DEL, the plugin tuning leaves its backup file for ever; a native DEL removes it.",
    applies: (one, step) => one.nativeDel && isDel(step) && one.changes.length > 0,
    compared: ({ files, ...state }) => ({
      ...state,
      files: files.filter(({ path }) => !path.startsWith(`ipam/${tuningDirectory}/`)),
    }),
  },
  {
    reason:
      "host-local's DEL makes the directory of address files where there is none; a native DEL makes nothing.",
    applies: (one, step) => one.nativeDel && isDel(step),
    compared: ({ files, ...state }) => ({
      ...state,
      files: files.filter(({ path }) => !isEmptyDirectory(path, files)),
    }),
  },
];

function compared(one: NetworksCase, step: Step): unknown {
  let { state } = step;
  for (const { applies, compared: left } of allowedDifferences) {
    if (state !== undefined && applies(one, step)) state = left(state);
  }
  return { ...step, state };
}

/** @returns a line for each difference, with the call after which it was seen; none where the outcomes are the same */
export function differences(one: NetworksCase, executed: CaseOutcome, native: CaseOutcome): string[] {
  const lines: string[] = [];
  for (const [index, step] of executed.steps.entries()) {
    const other = native.steps[index];
    if (other === undefined) lines.push(`${step.call}: only on one side`);
    else collect(step.call, compared(one, step), compared(one, other), lines);
  }
  return lines;
}
