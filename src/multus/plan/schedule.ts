/** The order in which a pod's networks are attached and detached: steps of networks that one order makes, or whose plugins run at once (docs/configuration.md, "Networks at once"). */

import { availableParallelism } from "node:os";
import { mostNativeLinks } from "../../agent/executor.ts";
import type { NetworkConfigList, RuntimeConf } from "../../cni/types.ts";
import { quoted } from "../../log/quoted.ts";
import type { AttachmentRequest } from "../input/selection.ts";
import { isClusterNetwork } from "./delegate.ts";
import { type Footprint, footprintOf, isTooLong } from "./footprint.ts";

/** How many networks' plugins run at once, at most; `auto`: as many as their configurations and the processors allow. */
export type AttachConcurrency = number | "auto";

/** Largest value of `attachConcurrency`. Each plugin may print 8 MiB, which are held until the networks before it are attached. */
export const mostAtOnce = 16;

export interface ScheduledAttachment {
  readonly ifName: string;
  readonly network: NetworkConfigList;
  readonly request: AttachmentRequest;
  /** Its place among the pod's networks; undefined: it is not known, and its plugins run alone. */
  readonly place?: number | undefined;
}

/** Attachments that are worked on together, in the order of the plan. */
export interface Step<Attachment> {
  readonly attachments: readonly Attachment[];
  /** Those of them that one order makes or removes. In an ADD all of them, or none; in a DEL plugins of others may run beside it. */
  readonly natives: readonly Attachment[];
}

export interface ScheduleOptions<Attachment> {
  readonly attachConcurrency: AttachConcurrency;
  /** An ADD changes default routes between two networks where selections ask for it; a DEL does not. */
  readonly command: "ADD" | "DEL";
  /** True where an order can make it. */
  readonly isNative: (attachment: Attachment) => boolean;
  /** libcni's parameters of an attachment; undefined: they cannot be made, and its plugins run alone. */
  readonly runtimeOf: (attachment: Attachment) => RuntimeConf | undefined;
}

/** An attachment, and what decides which step it is in. */
interface Entry<Attachment> {
  readonly attachment: Attachment;
  readonly isNative: boolean;
  /** undefined: nothing runs beside its plugins, or its order. */
  readonly footprint: Footprint | undefined;
}

/**
 * The steps of a pod's ADD, in order. Those of its DEL are taken from the last to the first; they are the same, but that an order there may remove links while plugins of other networks run. Only
 * neighbours in the plan are put together, so that the order of the steps is the plan's.
 * @param planned all attachments of a pod in the order of the plan, or neighbours among them
 */
export function schedule<Attachment extends ScheduledAttachment>(
  planned: readonly Attachment[],
  options: ScheduleOptions<Attachment>,
): readonly Step<Attachment>[] {
  // Each network's default routes are edited when it is attached, before the next one begins.
  const editsRoutes = options.command === "ADD" && planned.some(({ request }) => request.defaultRoute);
  const known = planned.map((attachment) => ({ attachment, isNative: options.isNative(attachment) }));
  const mayMix =
    options.command === "DEL" &&
    known.some(({ isNative }) => isNative) &&
    known.some(({ isNative }) => !isNative);
  const steps: Entry<Attachment>[][] = [];
  for (const { attachment, isNative } of known) {
    const footprint = isNative && !mayMix ? undefined : sharedFootprint(attachment, options);
    const entry = { attachment, isNative, footprint };
    const last = editsRoutes ? undefined : steps.at(-1);
    if (last !== undefined && joins(entry, last, mayMix)) last.push(entry);
    else steps.push([entry]);
  }
  return steps.map((step) => ({
    attachments: step.map(({ attachment }) => attachment),
    natives: step.filter(({ isNative }) => isNative).map(({ attachment }) => attachment),
  }));
}

/**
 * How many attachments of a step are worked on at once. Plugins wait for the kernel for half of an ADD and most of a DEL: with two processors an ADD of more than four gains nothing, a DEL
 * gains up to eight.
 * @param processors that the daemon may use
 */
export function mostOf(
  attachConcurrency: AttachConcurrency,
  command: "ADD" | "DEL",
  processors: number = availableParallelism(),
): number {
  const most = attachConcurrency === "auto" ? (command === "ADD" ? 2 : 4) * processors : attachConcurrency;
  return Math.min(mostAtOnce, most);
}

/** undefined: its plugins run alone. */
function sharedFootprint<Attachment extends ScheduledAttachment>(
  attachment: Attachment,
  { attachConcurrency, runtimeOf }: ScheduleOptions<Attachment>,
): Footprint | undefined {
  if (attachConcurrency === 1) return undefined;
  if (attachment.place === undefined || isClusterNetwork(attachment.place)) return undefined;
  // Before its parameters, for which a DEL reads the whole cache entry.
  if (isTooLong(attachment.network)) return undefined;
  const runtime = runtimeOf(attachment);
  if (runtime === undefined) return undefined;
  const footprint = footprintOf(attachment.network, runtime);
  return whyAlone(footprint, attachConcurrency) === undefined ? footprint : undefined;
}

/** An order takes its links one after the other: they depend on each other as in order, and only on what runs beside it. */
function joins(
  entry: Entry<ScheduledAttachment>,
  step: readonly Entry<ScheduledAttachment>[],
  mayMix: boolean,
): boolean {
  const natives = step.filter(({ isNative }) => isNative);
  const executed = step.filter(({ isNative }) => !isNative);
  if (!mayMix && (entry.isNative ? executed : natives).length > 0) return false;
  if (entry.isNative) {
    const { ifName } = entry.attachment;
    const hasRoom = natives.length < mostNativeLinks;
    if (!hasRoom || natives.some(({ attachment }) => attachment.ifName === ifName)) return false;
    return executed.every((other) => areIndependent(entry, other));
  }
  return executed.length < mostAtOnce && step.every((other) => areIndependent(entry, other));
}

function areIndependent(first: Entry<unknown>, second: Entry<unknown>): boolean {
  if (first.footprint === undefined || second.footprint === undefined) return false;
  return whyInOrder(first.footprint, second.footprint) === undefined;
}

/** Why nothing may run beside a network's plugins; undefined: something may. An operator who sets a number vouches for plugins that are not known. */
export function whyAlone(
  { alone, unknown }: Footprint,
  attachConcurrency: AttachConcurrency,
): string | undefined {
  return alone ?? (attachConcurrency === "auto" ? unknown : undefined);
}

/** Why one of two networks may depend on the other; undefined: neither does. */
export function whyInOrder(first: Footprint, second: Footprint): string | undefined {
  // Addresses are reserved, and rules of the firewall named, by the network's name.
  if (first.name === second.name) return "both are of one network";
  const link = common(first.links, second.links);
  if (link !== undefined) return `both need link ${quoted(link)}`;
  const master = common(first.links, second.masters) ?? common(second.links, first.masters);
  if (master !== undefined) return `${quoted(master)}, the master of one, is a link of the other`;
  if ((first.isPassthru || second.isPassthru) && mayShareMaster(first, second)) {
    return "one of them takes their master for itself (passthru)";
  }
  if (holds(first, second) || holds(second, first)) return "their addresses or routes overlap";
  if (common(first.macs, second.macs) !== undefined) return "both ask for one hardware address";
  if (common(first.devices, second.devices) !== undefined) return "both get one device";
  return undefined;
}

function common(first: ReadonlySet<string>, second: ReadonlySet<string>): string | undefined {
  for (const each of first) if (second.has(each)) return each;
  return undefined;
}

/** A plugin that is told no master looks for one itself. */
function mayShareMaster({ masters: first }: Footprint, { masters: second }: Footprint): boolean {
  const isUnknown = (first.has("") && second.size > 0) || (second.has("") && first.size > 0);
  return isUnknown || common(first, second) !== undefined;
}

/** Two blocks overlap only where one of them holds the other's own address. */
function holds({ blockList }: Footprint, { blocks }: Footprint): boolean {
  return blocks.some(({ address, family }) => blockList.check(address, family));
}
