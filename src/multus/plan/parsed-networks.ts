/** Parsed network configurations, kept while they are used and while there is room: a text of some bytes can become a hundred times as much in memory. */

import type { ExpectedError } from "../../base/input-error.ts";
import type { NetworkConfigList } from "../../cni/types.ts";

/** Bytes of memory that are kept, about: some thousand networks of the usual size. */
const usualRoom = 16 * 1024 * 1024;
/** One that takes more than this part of the room is not kept: it would push out all others. The largest definition, of 1 MiB, takes less. */
const largestPart = 1 / 2;

export type ParsedNetwork = NetworkConfigList | ExpectedError;

interface Kept<Value> {
  readonly value: Value;
  readonly size: number;
}

/** A memory of bounded size, by the texts themselves or by keys; what was not used for longest goes first. */
export class ParsedNetworks<Key, Value> {
  readonly #kept = new Map<Key, Kept<Value>>();
  readonly #room: number;
  #used = 0;

  /** @param room bytes of memory, about */
  constructor(room: number = usualRoom) {
    this.#room = room;
  }

  /** Bytes that are in use, about. */
  get used(): number {
    return this.#used;
  }

  get(key: Key): Value | undefined {
    const kept = this.#kept.get(key);
    if (kept === undefined) return undefined;
    this.#kept.delete(key);
    this.#kept.set(key, kept);
    return kept.value;
  }

  /** @param size bytes of memory that key and value take, about */
  set(key: Key, value: Value, size: number): void {
    this.#drop(key);
    if (size > this.#room * largestPart) return;
    this.#kept.set(key, { value, size });
    this.#used += size;
    for (const oldest of this.#kept.keys()) {
      if (this.#used <= this.#room) return;
      this.#drop(oldest);
    }
  }

  #drop(key: Key): void {
    this.#used -= this.#kept.get(key)?.size ?? 0;
    this.#kept.delete(key);
  }
}

/** Bytes of a plugin's parts and of a capability's name as the engine keeps them, about; and of everything else of a network. */
const perPlugin = 400;
const perCapability = 64;
const perNetwork = 1024;

/**
 * How much memory a parsed network takes, about: its text, what it becomes in a plan (base64, and what Go's types keep of it), and an object for each of its parts.
 * @param text length of what it was parsed from
 */
export function memoryOf(parsed: ParsedNetwork, text: number): number {
  if (parsed instanceof Error) return perNetwork + text;
  // Of one without a version there is a second, with the version that was found for it.
  const copies = parsed.saysVersion ? 1 : 2;
  const capabilities = parsed.plugins.reduce((sum, plugin) => sum + plugin.capabilities.length, 0);
  return (
    perNetwork +
    text +
    copies * (4 * parsed.bytes.length + perPlugin * parsed.plugins.length + perCapability * capabilities)
  );
}
