/**
 * Events that wait to be sent: bounded in number and in rate. Repeated events are counted, not sent again: a kubelet retries a pod that cannot be
 * attached every few seconds, for ever.
 */

import { errorText } from "../log/error-text.ts";
import type { Logger } from "../log/logger.ts";
import { OnceLog } from "../log/once-log.ts";
import { ownText } from "../log/quoted.ts";
import type { PodReference } from "../multus/input/pod.ts";
import { type Api, ApiError } from "./api.ts";
import { type Lane, Parcel } from "./delivery.ts";
import {
  type EventSeries,
  eventBody,
  eventKey,
  eventName,
  eventNote,
  lastingEventName,
  type Moment,
  microTime,
  type ReportedEvent,
} from "./events.ts";
import { lacksRight, MissingRight, usualForbiddenMs } from "./forbidden.ts";

export interface EventBounds {
  /** Events that wait; Warnings that are remembered. */
  readonly most: number;
  /** How long one waits at most, in milliseconds. */
  readonly keptMs: number;
  readonly perSecond: number;
  /** So many can be sent at once after a quiet time. */
  readonly burst: number;
  /** Before an event is sent first, in milliseconds. */
  readonly delayMs: number;
  /** Between two counts of one event, in milliseconds. */
  readonly countMs: number;
  /** A Warning that was not seen for so many milliseconds is a new one. */
  readonly repeatMs: number;
  /** For how long a missing right does not count, in milliseconds. */
  readonly forbiddenMs: number;
}

/**
 * A node that starts 110 pods with four networks each has 440 events: a hundred at once, the rest within 14 s, while the same server has the pods
 * themselves to care for. A thousand are two such nodes' worth in about half a megabyte. The server removes events after an
 * hour, so older ones are not sent. The delay lets the ADD answer first. The times of repeating are those of other clients.
 */
export const usualEventBounds: EventBounds = {
  most: 1_000,
  keptMs: 60 * 60_000,
  perSecond: 25,
  burst: 100,
  delayMs: 100,
  countMs: 30_000,
  repeatMs: 6 * 60_000,
  forbiddenMs: usualForbiddenMs,
};

/** For how long nothing is sent after events turned out to be forbidden, in milliseconds: a role may be changed at any time. */
const mutedMs = 10 * 60_000;
/** Between two log lines about dropped events, in milliseconds. */
const dropLogMs = 60_000;

class PendingEvent extends Parcel {
  readonly key: string;
  readonly pod: PodReference;
  readonly event: ReportedEvent;
  readonly name: string;
  /** First and last seen, as the API wants it. */
  readonly eventTime: string;
  lastTime = "";
  /** When last seen, on the clock of `performance.now()`. */
  seenAt = 0;
  /** How often it was seen, and how much of that the server knows. 0: not even the event. */
  count = 0;
  reported = 0;
  isUnderWay = false;
  givenUpAt = 0;

  constructor(key: string, pod: PodReference, event: ReportedEvent, first: Moment) {
    super();
    this.key = key;
    this.pod = pod;
    this.event = event;
    this.name = lastingEventName(pod, event) ?? eventName(pod.name, first);
    this.eventTime = microTime(first);
  }

  seen(moment: Moment): void {
    this.count++;
    this.seenAt = performance.now();
    this.lastTime = microTime(moment);
  }
}

function eventsPath(pod: PodReference): string {
  return `/apis/events.k8s.io/v1/namespaces/${pod.namespace}/events`;
}

export class PendingEvents implements Lane {
  /** Half of all requests: a status finds a free place however slow the server is with events. */
  readonly atOnce = 2;
  readonly #api: Api;
  readonly #instance: string;
  readonly #log: Logger;
  readonly #bounds: EventBounds;
  readonly #right: MissingRight;
  readonly #waiting = new Set<PendingEvent>();
  /** Those that wait or are under way, and Warnings that the server has; the one last seen last. By pod and what they say. */
  readonly #known = new Map<string, PendingEvent>();
  #lastMoment: Moment = { milliseconds: 0, sequence: 0 };
  /** How many may be sent, as of `#filledAt`. */
  #tokens: number;
  #filledAt = performance.now();
  #mutedUntil = 0;
  readonly #refusals: OnceLog;
  #dropped = 0;
  givenUp = 0;
  #dropLog: NodeJS.Timeout | undefined;

  /** @param instance what reports: the node's name, not empty */
  constructor(api: Api, instance: string, log: Logger, bounds: EventBounds) {
    this.#api = api;
    this.#instance = instance;
    this.#log = log;
    this.#refusals = new OnceLog(log);
    this.#bounds = bounds;
    this.#right = new MissingRight(bounds.forbiddenMs);
    this.#tokens = bounds.burst;
  }

  get waiting(): number {
    return this.#waiting.size;
  }

  /** @param pod its names are fit for a path of the API */
  add(pod: PodReference, reported: ReportedEvent): void {
    const now = performance.now();
    if (now < this.#mutedUntil) return;
    // A pending event keeps no annotation or answer alive that its message quotes.
    const event = { ...reported, message: ownText(eventNote(reported.message)) };
    this.#forgetOld(now);
    const moment = this.#nextMoment();
    const key = eventKey(pod, event);
    const known = this.#known.get(key);
    const seen = known ?? new PendingEvent(key, pod, event, moment);
    seen.seen(moment);
    this.#known.delete(key);
    this.#known.set(key, seen);
    if (known === undefined) this.#queue(seen, now + this.#bounds.delayMs, now);
    // One that waits or is under way has its count looked at when its turn comes.
    else if (!known.isUnderWay && !this.#waiting.has(known)) this.#queue(known, known.notBefore, now);
  }

  /** Sends now what only waits for its time: the daemon ends. */
  hurry(): void {
    for (const event of this.#waiting) if (event.tries === 0) event.notBefore = 0;
  }

  take(now: number): PendingEvent | undefined {
    this.#fill(now);
    if (this.#tokens < 1) return undefined;
    for (const event of this.#waiting) {
      if (event.givenUpAt <= now) {
        this.#drop(event);
      } else if (event.notBefore <= now) {
        this.#waiting.delete(event);
        this.#tokens--;
        event.isUnderWay = true;
        return event;
      }
    }
    return undefined;
  }

  readyAt(now: number): number {
    this.#fill(now);
    const tokenAt = this.#tokens >= 1 ? now : now + ((1 - this.#tokens) * 1_000) / this.#bounds.perSecond;
    let at = Number.POSITIVE_INFINITY;
    for (const event of this.#waiting) at = Math.min(at, event.notBefore);
    return Math.max(at, tokenAt);
  }

  async send(event: PendingEvent, signal: AbortSignal): Promise<void> {
    const { count, reported, lastTime } = event;
    const series = count > 1 ? { count, lastObservedTime: lastTime } : undefined;
    if (reported === 0 || series === undefined || !(await this.#countUp(event, series, signal))) {
      await this.#create(event, series, signal);
    }
    event.reported = count;
  }

  async #create(event: PendingEvent, series: EventSeries | undefined, signal: AbortSignal): Promise<void> {
    const body = eventBody(event, series, this.#instance);
    try {
      await this.#api.request({ method: "POST", path: eventsPath(event.pod), body, signal });
    } catch (error) {
      // A try whose answer was lost has arrived.
      if (!(error instanceof ApiError) || error.status !== 409) throw error;
    }
  }

  /** @returns false: the server has the event no more */
  async #countUp({ pod, name }: PendingEvent, series: EventSeries, signal: AbortSignal): Promise<boolean> {
    try {
      await this.#api.request({
        method: "PATCH",
        path: `${eventsPath(pod)}/${name}`,
        contentType: "application/merge-patch+json",
        body: { series },
        signal,
      });
      return true;
    } catch (error) {
      if (error instanceof ApiError && error.status === 404) return false;
      throw error;
    }
  }

  delivered(event: PendingEvent): void {
    const now = performance.now();
    this.#right.present();
    this.#refusals.over();
    event.isUnderWay = false;
    event.tries = 0;
    event.backOff.reset();
    event.notBefore = now + this.#bounds.countMs;
    if (event.count > event.reported) this.#queue(event, event.notBefore, now);
    // An event that is sent once is not counted up.
    else if (event.event.type === "Normal") this.#known.delete(event.key);
  }

  putBack(event: PendingEvent, error: unknown): void {
    event.isUnderWay = false;
    if (lacksRight(error) && this.#right.missing()) this.#mute(errorText(error));
    // Otherwise all were dropped meanwhile, after a refusal of another one.
    else if (this.#known.get(event.key) === event) this.#waiting.add(event);
  }

  refused(event: PendingEvent, error: unknown): void {
    this.givenUp++;
    event.isUnderWay = false;
    this.#known.delete(event.key);
    const status = error instanceof ApiError ? error.status : undefined;
    const fields = {
      pod: `${event.pod.namespace}/${event.pod.name}`,
      reason: event.event.reason,
      error: errorText(error),
    };
    // The namespace is gone, being deleted, or full.
    if (status === 404 || status === 403) this.#log.verbose("event not sent", fields);
    else this.#log.error("event not sent", fields);
  }

  /** Logs how many were not sent. */
  close(): void {
    this.givenUp += this.#waiting.size;
    this.#dropped += this.#waiting.size;
    this.#waiting.clear();
    this.#known.clear();
    clearTimeout(this.#dropLog);
    if (this.#dropped > 0) this.#logDropped();
  }

  #queue(event: PendingEvent, notBefore: number, now: number): void {
    const [oldest] = this.#waiting;
    if (oldest !== undefined && this.#waiting.size >= this.#bounds.most) this.#drop(oldest);
    event.notBefore = notBefore;
    event.givenUpAt = Math.max(notBefore, now) + this.#bounds.keptMs;
    this.#waiting.add(event);
  }

  #drop(event: PendingEvent): void {
    this.#waiting.delete(event);
    this.#known.delete(event.key);
    this.givenUp++;
    this.#dropped++;
    this.#dropLog ??= setTimeout(() => this.#logDropped(), dropLogMs).unref();
  }

  #logDropped(): void {
    this.#log.error("events dropped: too many, or the API was away for too long", { count: this.#dropped });
    this.#dropped = 0;
    this.#dropLog = undefined;
  }

  #mute(error: string): void {
    this.#mutedUntil = performance.now() + mutedMs;
    this.givenUp += this.#waiting.size;
    this.#waiting.clear();
    this.#known.clear();
    this.#refusals.error("no events are sent", { error });
  }

  /** Warnings that were not seen for long, and as many more as there are too many. */
  #forgetOld(now: number): void {
    for (const event of this.#known.values()) {
      if (now - event.seenAt < this.#bounds.repeatMs && this.#known.size <= this.#bounds.most) return;
      if (!event.isUnderWay && !this.#waiting.has(event)) this.#known.delete(event.key);
    }
  }

  #fill(now: number): void {
    const { burst, perSecond } = this.#bounds;
    this.#tokens = Math.min(burst, this.#tokens + ((now - this.#filledAt) * perSecond) / 1_000);
    this.#filledAt = now;
  }

  #nextMoment(): Moment {
    const milliseconds = Date.now();
    const { milliseconds: last, sequence } = this.#lastMoment;
    this.#lastMoment = {
      milliseconds,
      sequence: milliseconds === last ? Math.min(sequence + 1, 999) : 0,
    };
    return this.#lastMoment;
  }
}
