/**
 * File names of a results directory, found by container and kept in some 30 bytes each: a name is `<network>-<containerId>-<ifName>`, there are
 * few networks and interfaces, and the caller that looks for a container brings its id.
 */

import { randomInt } from "node:crypto";
import { maximalIfNameLength } from "./names.ts";

/** Texts before and after container ids that are kept: networks and interfaces. There are few of them, unless the files are foreign. */
const maxTexts = 16_384;
const maxTextLength = 256;
/** Names that are kept of one container. */
const maxNamesOfOne = 256;

/** A slot is four numbers: a hash (two of them), the text before the id's last part, the text after it. */
const slotSize = 4;
/** Marks in place of the text after: the slot was never used; its name was removed; the container has names that are not kept. */
const unused = 0;
const removed = 0xffffffff;
const notKept = 0xfffffffe;
const firstSlots = 64;
/** Parts of the table in use above which a larger one is made. */
const maxLoad = 0.7;

/** The names that the table has of a container. */
interface ContainerNames {
  /** In no order. */
  readonly names: readonly string[];
  /** False: the container may have further names, and only the directory can tell them. */
  readonly isWhole: boolean;
}

/**
 * Networks, container ids and interfaces may all have dashes, so that a name alone does not say whose it is. The table goes by the last part of an
 * id: the text between the last dash in or before it and the dash before the interface. Where the interface has dashes too, a name is
 * kept once for each part that could be it.
 */
export class ResultNameTable {
  #slots = new Uint32Array(firstSlots * slotSize);
  /** Slots that are not unused. */
  #taken = 0;
  readonly #textIds = new Map<string, number>();
  readonly #texts: string[] = [""];
  /** Random, so that names that collide cannot be chosen. */
  readonly #seeds = [randomInt(2 ** 32), randomInt(2 ** 32)] as const;

  /** Slots that are taken, by names and by removed ones. */
  get size(): number {
    return this.#taken;
  }

  /** A name that is in the table already is no error. */
  add(name: string): void {
    for (const split of splits(name)) {
      const before = this.#textId(split.before);
      const after = this.#textId(split.after);
      const isKept = before !== undefined && after !== undefined;
      this.#insert(split.part, isKept ? before : 0, isKept ? after : notKept);
    }
  }

  /** A name that is not in the table is no error. */
  remove(name: string): void {
    for (const { part, before, after } of splits(name)) {
      const beforeId = this.#textIds.get(before);
      const afterId = this.#textIds.get(after);
      if (beforeId === undefined || afterId === undefined) continue;
      const slots = this.#slots;
      for (const slot of this.#slotsOf(part)) {
        if (slots[slot + 2] === beforeId && slots[slot + 3] === afterId) slots[slot + 3] = removed;
      }
    }
  }

  of(containerId: string): ContainerNames {
    const middle = `-${containerId}-`;
    const part = containerId.slice(containerId.lastIndexOf("-") + 1);
    const names = new Set<string>();
    let isWhole = true;
    for (const slot of this.#slotsOf(part)) {
      const after = this.#slots[slot + 3];
      if (after === notKept) {
        isWhole = false;
      } else {
        const name = `${this.#text(slot + 2)}${part}${this.#text(slot + 3)}`;
        if (name.includes(middle)) names.add(name);
      }
    }
    return { names: [...names], isWhole };
  }

  #insert(part: string, before: number, after: number): void {
    const [first, second] = this.#hash(part);
    let count = 0;
    for (const slot of this.#slotsOf(part)) {
      const known = this.#slots[slot + 3];
      if (known === notKept || (known === after && this.#slots[slot + 2] === before)) return;
      count += 1;
    }
    if ((this.#taken + 1) * slotSize > this.#slots.length * maxLoad) this.#grow();
    place(this.#slots, first, second, before, count < maxNamesOfOne ? after : notKept);
    this.#taken += 1;
  }

  /** Slots of names whose id may end in the part. */
  *#slotsOf(part: string): Generator<number> {
    const [first, second] = this.#hash(part);
    const slots = this.#slots;
    for (let slot = slotOf(first, slots); slots[slot + 3] !== unused; slot = nextSlot(slot, slots)) {
      if (slots[slot] === first && slots[slot + 1] === second && slots[slot + 3] !== removed) yield slot;
    }
  }

  /** Makes room for twice the names that are there; removed ones go. */
  #grow(): void {
    const old = this.#slots;
    let live = 0;
    for (let slot = 0; slot < old.length; slot += slotSize) if (isLive(old[slot + 3])) live += 1;
    let size = firstSlots;
    while (size * maxLoad < (live + 1) * 1.5) size *= 2;
    const slots = new Uint32Array(size * slotSize);
    for (let slot = 0; slot < old.length; slot += slotSize) {
      // No array for each slot: all of this is one turn of the event loop.
      const after = old[slot + 3] ?? unused;
      if (isLive(after)) place(slots, old[slot] ?? 0, old[slot + 1] ?? 0, old[slot + 2] ?? 0, after);
    }
    this.#slots = slots;
    this.#taken = live;
  }

  #textId(text: string): number | undefined {
    const known = this.#textIds.get(text);
    if (known !== undefined) return known;
    if (text.length > maxTextLength || this.#texts.length > maxTexts) return undefined;
    // A copy: a slice would keep the whole name.
    const kept = Buffer.from(text).toString();
    this.#textIds.set(kept, this.#texts.length);
    this.#texts.push(kept);
    return this.#texts.length - 1;
  }

  #text(place: number): string {
    return this.#texts[this.#slots[place] ?? 0] ?? "";
  }

  #hash(text: string): readonly [number, number] {
    let [first, second]: [number, number] = [...this.#seeds];
    for (let index = 0; index < text.length; index++) {
      const code = text.charCodeAt(index);
      first = Math.imul(first ^ code, 0x01000193);
      second = Math.imul(second ^ code, 0x85ebca6b);
      first ^= second >>> 15;
      second ^= first >>> 13;
    }
    return [scattered(first), scattered(second)];
  }
}

/** One way to read a name: `<before><part><after>`, with `part` the last part of a container id. */
interface Split {
  readonly before: string;
  readonly part: string;
  readonly after: string;
}

function* splits(name: string): Generator<Split> {
  for (
    let end = name.lastIndexOf("-");
    end > 0 && name.length - end - 1 <= maximalIfNameLength;
    end = name.lastIndexOf("-", end - 1)
  ) {
    const start = name.lastIndexOf("-", end - 1) + 1;
    // A network stands before the id.
    if (start > 1)
      yield { before: name.slice(0, start), part: name.slice(start, end), after: name.slice(end) };
  }
}

/** So that each bit of the hash says something of the whole text (the end of MurmurHash3). */
function scattered(hash: number): number {
  let bits = hash ^ (hash >>> 16);
  bits = Math.imul(bits, 0x85ebca6b);
  bits ^= bits >>> 13;
  bits = Math.imul(bits, 0xc2b2ae35);
  return (bits ^ (bits >>> 16)) >>> 0;
}

function isLive(after: number | undefined): boolean {
  return after !== undefined && after !== unused && after !== removed;
}

function slotOf(hash: number, slots: Uint32Array): number {
  return (hash * slotSize) % slots.length;
}

function nextSlot(slot: number, slots: Uint32Array): number {
  return (slot + slotSize) % slots.length;
}

/** Writes into the first slot that was never used. */
function place(slots: Uint32Array, first: number, second: number, before: number, after: number): void {
  let slot = slotOf(first, slots);
  while (slots[slot + 3] !== unused) slot = nextSlot(slot, slots);
  slots[slot] = first;
  slots[slot + 1] = second;
  slots[slot + 2] = before;
  slots[slot + 3] = after;
}
