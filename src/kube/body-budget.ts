/**
 * How much memory the objects of a watch may take. An object has a name, which costs little, and a body: a configuration, annotations. Over the
 * budget bodies go first, then names, always those of the namespace that takes the most: one namespace cannot push out the others'.
 */

import { entryOf } from "../base/map-entry.ts";
import type { Logger } from "../log/logger.ts";
import type { WatchMemory } from "./cluster-state.ts";

/** An object as it is kept. */
export interface Budgeted {
  readonly namespace: string;
  /** Bytes of the body in memory; 0: it has none, or it is left out. */
  readonly bodyBytes: number;
  /** Leaves the body out. Afterwards `bodyBytes` is 0. */
  dropBody(): void;
}

export interface BodyBudgetOptions<Entry> {
  /** Bytes for all objects together, their names included. */
  readonly limit: number;
  /** The kind in plural, for the log: `pods`. */
  readonly kind: string;
  /** The name of the setting that has the limit, for the log; undefined: there is none. */
  readonly setting?: string;
  /** Even the name costs too much: the object is to be forgotten. It is released already. */
  readonly forget: (entry: Entry) => void;
  /** How many objects there are that were forgotten. */
  readonly forgotten: () => number;
  readonly log: Logger;
  /** Milliseconds; for tests. */
  readonly now?: () => number;
}

/** Bytes that an object costs without its body: the object itself, its name several times, and its places in maps. */
export const nameBytes = 512;
/** Bodies are sorted into classes by the power of two of their size. */
const classes = 32;
/** Between two log lines, in milliseconds: objects that are made and deleted all day must not fill the log. */
const logPauseMs = 60_000;

/** The share of a namespace. All sets are in the order of their last use. */
class Share<Entry> {
  readonly namespace: string;
  bytes = 0;
  /** With a body that was not used on this node, by size class. */
  readonly unused: Set<Entry>[] = Array.from({ length: classes }, () => new Set());
  /** With a body that was. */
  readonly used = new Set<Entry>();
  /** Without a body. */
  readonly names = new Set<Entry>();

  constructor(namespace: string) {
    this.namespace = namespace;
  }
}

interface Account {
  /** Of the body, when it was counted. */
  readonly bodyBytes: number;
  readonly set: Set<unknown>;
  readonly isUsed: boolean;
}

export class BodyBudget<Entry extends Budgeted> {
  readonly #options: BodyBudgetOptions<Entry>;
  readonly #shares = new Map<string, Share<Entry>>();
  readonly #accounts = new Map<Entry, Account>();
  #bytes = 0;
  /** Entries that are here without the body that they had. */
  readonly #bodiless = new Set<Entry>();
  #isOver = false;
  #saidAt = Number.NEGATIVE_INFINITY;

  constructor(options: BodyBudgetOptions<Entry>) {
    this.#options = options;
  }

  get state(): WatchMemory {
    const { limit, forgotten } = this.#options;
    return { bytes: this.#bytes, limit, leftOut: this.#bodiless.size + forgotten() };
  }

  /** Was its body used on this node? */
  isUsed(entry: Entry): boolean {
    return this.#accounts.get(entry)?.isUsed ?? false;
  }

  /**
   * Counts an object, or counts it again after its body has changed. Others may lose their bodies for it, and it its own.
   * @param isUsed the body was used on this node: it stays longer than those that were not
   */
  count(entry: Entry, isUsed: boolean): void {
    this.#release(entry);
    this.#enter(entry, isUsed);
    this.#shrink();
    this.report();
  }

  /** Another object, the same one, or none (undefined) is in the place of one, or of none. */
  replace(before: Entry | undefined, after: Entry | undefined): void {
    if (before !== after) {
      const isUsed = before !== undefined && this.isUsed(before);
      if (before !== undefined) this.release(before);
      if (after !== undefined) this.count(after, isUsed);
    }
    this.report();
  }

  /** An object is gone. */
  release(entry: Entry): void {
    this.#release(entry);
    this.#bodiless.delete(entry);
    this.report();
  }

  #enter(entry: Entry, isUsed: boolean): void {
    const { namespace, bodyBytes } = entry;
    const share = entryOf(this.#shares, namespace, () => new Share<Entry>(namespace));
    const set = bodyBytes === 0 ? share.names : isUsed ? share.used : classOf(share.unused, bodyBytes);
    set.add(entry);
    this.#accounts.set(entry, { bodyBytes, set, isUsed });
    if (bodyBytes > 0) this.#bodiless.delete(entry);
    share.bytes += nameBytes + bodyBytes;
    this.#bytes += nameBytes + bodyBytes;
  }

  #release(entry: Entry): void {
    const account = this.#accounts.get(entry);
    if (account === undefined) return;
    this.#accounts.delete(entry);
    account.set.delete(entry);
    const bytes = nameBytes + account.bodyBytes;
    this.#bytes -= bytes;
    const share = this.#shares.get(entry.namespace);
    if (share === undefined) return;
    share.bytes -= bytes;
    if (share.bytes === 0) this.#shares.delete(entry.namespace);
  }

  #shrink(): void {
    while (this.#bytes > this.#options.limit) {
      const share = this.#largest();
      if (share === undefined) return;
      const victim = bodyToDrop(share);
      if (victim !== undefined) {
        const isUsed = this.isUsed(victim);
        this.#release(victim);
        victim.dropBody();
        this.#bodiless.add(victim);
        this.#enter(victim, isUsed);
        continue;
      }
      const [name] = share.names;
      if (name === undefined) return;
      this.#release(name);
      this.#bodiless.delete(name);
      this.#options.forget(name);
    }
  }

  /** The share of the namespace that takes the most; undefined: there are none. */
  #largest(): Share<Entry> | undefined {
    let largest: Share<Entry> | undefined;
    for (const share of this.#shares.values()) if (share.bytes > (largest?.bytes ?? 0)) largest = share;
    return largest;
  }

  /** Logs whether all is kept, once for each change of that. */
  report(): void {
    const { kind, setting, log, now = () => performance.now() } = this.#options;
    const { bytes, limit, leftOut } = this.state;
    const isOver = leftOut > 0;
    if (isOver === this.#isOver || now() - this.#saidAt < logPauseMs) return;
    this.#isOver = isOver;
    this.#saidAt = now();
    if (!isOver) {
      log.verbose(`${kind}: all are kept in memory again`, { bytes, limit });
      return;
    }
    log.error(`${kind}: too large to be kept in memory, some are asked of the API when a pod needs them`, {
      limit,
      setting,
      largestNamespace: this.#largest()?.namespace,
    });
  }
}

function classOf<Entry>(sets: readonly Set<Entry>[], bytes: number): Set<Entry> {
  const set = sets[Math.min(classes - 1, Math.floor(Math.log2(bytes)))];
  if (set === undefined) throw new RangeError(`no class for ${bytes} bytes`);
  return set;
}

/** The largest that was not used, then the one whose use is longest ago. @returns undefined: there are only names */
function bodyToDrop<Entry>({ unused, used }: Share<Entry>): Entry | undefined {
  for (let index = unused.length - 1; index >= 0; index--) {
    const [entry] = unused[index] ?? [];
    if (entry !== undefined) return entry;
  }
  const [entry] = used;
  return entry;
}
