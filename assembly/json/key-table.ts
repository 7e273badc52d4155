/**
 * A hash table of an object's keys, in the arena: which keys there are, each once, in the order of their first appearance, with
 * the place of their last value (of duplicate keys the last one wins).
 */

import { allocate, hashSeed, openEnd } from "../memory";
import { keyEnd, keyStart } from "./scan";

/** One key. Its text is decoded. */
@unmanaged
export class KeyEntry {
  /** First byte of the key, and the byte after its last. */
  keyStart: usize;
  keyEnd: usize;
  /** First byte of the value, and the byte after its last; 0 until the owner of the table sets them. */
  valueStart: usize;
  valueEnd: usize;
  /** For the owner of the table; false at first. */
  marked: bool;
  /** In the order of first appearance. */
  next: KeyEntry | null;
  hash: u32;
  nextInBucket: KeyEntry | null;
}

@unmanaged
export class KeyTable {
  first: KeyEntry | null;
  last: KeyEntry | null;
  buckets: usize;
  bucketMask: u32;
}

/**
 * Makes an empty table.
 * @param bytes length of the object whose keys it is for: the table has a bucket for every 16 of them
 * @returns null, after fail(), if there is no memory left
 */
export function createKeyTable(bytes: usize): KeyTable | null {
  let count: usize = 8;
  while (count < bytes >>> 4 && count < 65536) count <<= 1;
  const address = allocate(offsetof<KeyTable>() + (count << 2));
  if (!address) return null;
  const table = changetype<KeyTable>(address);
  table.first = null;
  table.last = null;
  table.buckets = address + offsetof<KeyTable>();
  table.bucketMask = <u32>count - 1;
  // A table is small as a rule: memory.fill would take longer to begin than this takes.
  for (let bucket = table.buckets; bucket < table.buckets + (count << 2); bucket += 16)
    v128.store(bucket, i64x2.splat(0));
  return table;
}

function hashOf(start: usize, end: usize): u32 {
  let hash: u64 = hashSeed();
  let p = start;
  for (; p + 8 <= end; p += 8) hash = mix(hash ^ load<u64>(p));
  const rest = end - p;
  if (rest) hash = mix(hash ^ (load<u64>(p) & (((<u64>1) << (rest << 3)) - 1)));
  return <u32>mix(hash ^ (end - start));
}

@inline
function mix(value: u64): u64 {
  const product = value * 0x9e3779b97f4a7c15;
  return product ^ (product >> 32);
}

function search(table: KeyTable, hash: u32): KeyEntry | null {
  const length = keyEnd - keyStart;
  let entry = load<KeyEntry | null>(table.buckets + ((hash & table.bucketMask) << 2));
  while (entry !== null) {
    if (
      entry.hash == hash &&
      entry.keyEnd - entry.keyStart == length &&
      memory.compare(entry.keyStart, keyStart, length) == 0
    ) {
      return entry;
    }
    entry = entry.nextInBucket;
  }
  return null;
}

/** The entry of the key that readKey read last, or null. */
export function findKey(table: KeyTable): KeyEntry | null {
  return search(table, hashOf(keyStart, keyEnd));
}

/** The same, and makes one if there is none. Null, after fail(), if there is no memory left. */
export function addKey(table: KeyTable): KeyEntry | null {
  const hash = hashOf(keyStart, keyEnd);
  const found = search(table, hash);
  if (found !== null) return found;
  const start = keyStart;
  const end = keyEnd;
  // A decoded key lies at the arena's open end: it stays there for as long as the table.
  if (start == openEnd() && !allocate(end - start)) return null;
  const address = allocate(offsetof<KeyEntry>());
  if (!address) return null;
  const entry = changetype<KeyEntry>(address);
  entry.keyStart = start;
  entry.keyEnd = end;
  entry.valueStart = 0;
  entry.valueEnd = 0;
  entry.marked = false;
  entry.next = null;
  entry.hash = hash;
  const bucket = table.buckets + ((hash & table.bucketMask) << 2);
  entry.nextInBucket = load<KeyEntry | null>(bucket);
  store<KeyEntry | null>(bucket, entry);
  const last = table.last;
  if (last === null) table.first = entry;
  else last.next = entry;
  table.last = entry;
  return entry;
}
