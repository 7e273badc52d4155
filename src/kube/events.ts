/** Events about pods (events.k8s.io/v1), as the API takes them. */

import { createHash, randomInt, randomUUID } from "node:crypto";
import { escapeUnprintable } from "../log/quoted.ts";
import type { PodEvent } from "../multus/cluster/pod-events.ts";
import type { PodReference } from "../multus/input/pod.ts";

/** The reasons of a pod's events, those of src/kube included. */
export interface ReportedEvent {
  readonly type: PodEvent["type"];
  readonly reason: PodEvent["reason"] | "NetworkStatusNotWritten";
  readonly message: string;
}

/** Bytes of a note, and characters of an instance, that the API accepts. */
const longestNote = 1024;
const longestInstance = 128;
/** As Go multus's events have it: `kubectl describe` shows it under "From". */
const reportingController = "multus";

/** The action of the event, which the API requires, by its reason. deploy/README.md says when each comes. */
export const actions: Readonly<Record<ReportedEvent["reason"], string>> = {
  AddedInterface: "Attach",
  NetworkNotAttached: "Attach",
  NoNetworkFound: "Attach",
  InvalidNetwork: "Attach",
  DeviceNotAssigned: "Attach",
  NetworkDeleteRecorded: "Detach",
  NetworkDeleteGivenUp: "Detach",
  NetworksMissing: "Attach",
  NetworkStatusNotWritten: "WriteNetworkStatus",
};

/** A moment of the wall clock, and which of the events of its millisecond it belongs to. */
export interface Moment {
  /** Of `Date.now()`. */
  readonly milliseconds: number;
  /** 0 to 999. */
  readonly sequence: number;
}

/** In the API's format, with exactly six digits after the seconds. They keep events of one millisecond in their order. */
export function microTime({ milliseconds, sequence }: Moment): string {
  return `${new Date(milliseconds).toISOString().slice(0, -1)}${String(sequence).padStart(3, "0")}Z`;
}

/** A name for an event: the pod's and the time in nanoseconds, as the events of other clients have it. Where that is too long, a UUID. */
export function eventName(podName: string, { milliseconds, sequence }: Moment): string {
  const nanoseconds = BigInt(milliseconds) * 1_000_000n + BigInt(sequence * 1_000 + randomInt(1_000));
  const name = `${podName}.${nanoseconds.toString(16)}`;
  return name.length > 253 ? randomUUID() : name;
}

/** Events that each daemon of the node would make again when it starts. */
const lastingReasons: readonly ReportedEvent["reason"][] = ["NetworksMissing"];

/**
 * A name that is the same in every daemon, for an event that is true for as long as the pod lives: the server refuses it while it has the event (409), which
 * is for an hour.
 * @returns undefined: events of that reason have a name for each time
 */
export function lastingEventName(pod: PodReference, { reason }: ReportedEvent): string | undefined {
  if (!lastingReasons.includes(reason)) return undefined;
  const hash = createHash("sha256").update(JSON.stringify([pod.namespace, pod.name, pod.uid, reason]));
  const digest = hash.digest("hex").slice(0, 16);
  const name = `${pod.name}.${digest}`;
  return name.length > 253 ? `${reason.toLowerCase()}.${digest}` : name;
}

/** A number that a plugin has made up or found in this try: an id in hexadecimal digits or a UUID, of a container, a namespace or a link; a process; a time. */
const numberOfTry = /[0-9a-f]{6,}(?:-[0-9a-f]{4,})*|[0-9]{5,}/giu;

/**
 * The key by which an event is known while it is counted. Plugins' messages may differ in a number with each try of the kubelet: those of one network are one event then, with the text of the
 * first.
 */
export function eventKey(
  { namespace, name, uid }: PodReference,
  { type, reason, message }: ReportedEvent,
): string {
  const text = reason === "NetworkNotAttached" ? message.replaceAll(numberOfTry, "#") : message;
  return JSON.stringify([namespace, name, uid, type, reason, text]);
}

/** At most 1024 bytes of UTF-8, cut between two characters, and without control characters: texts of plugins and of pods' authors are in it. */
export function eventNote(message: string): string {
  const note = escapeUnprintable(message.toWellFormed());
  const bytes = Buffer.from(note);
  if (bytes.length <= longestNote) return note;
  const ellipsis = "…";
  let end = longestNote - Buffer.byteLength(ellipsis);
  // Not before a byte that continues a character.
  while (((bytes[end] ?? 0) & 0xc0) === 0x80) end--;
  return bytes.toString("utf8", 0, end) + ellipsis;
}

/** How often something was seen, and when last. */
export interface EventSeries {
  readonly count: number;
  /** As `microTime` makes it. */
  readonly lastObservedTime: string;
}

/** An event by which its object is made. */
export interface EventToCreate {
  readonly name: string;
  /** As `microTime` makes it. */
  readonly eventTime: string;
  readonly pod: PodReference;
  readonly event: ReportedEvent;
}

/** The object to POST. @param series only where it was seen more than once @param instance the reporting instance: the node's name */
export function eventBody(
  { name, eventTime, pod, event }: EventToCreate,
  series: EventSeries | undefined,
  instance: string,
): object {
  return {
    apiVersion: "events.k8s.io/v1",
    kind: "Event",
    metadata: { name, namespace: pod.namespace },
    eventTime,
    reportingController,
    reportingInstance: instance.slice(0, longestInstance),
    action: actions[event.reason],
    reason: event.reason,
    // The uid as the runtime knows it: of a static pod's mirror `kubectl describe` shows the events of that one.
    regarding: {
      apiVersion: "v1",
      kind: "Pod",
      namespace: pod.namespace,
      name: pod.name,
      uid: pod.uid || undefined,
    },
    note: eventNote(event.message),
    type: event.type,
    series,
  };
}
