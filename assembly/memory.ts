/**
 * The memory of a call: a header at a fixed place, and an arena that each call starts from its beginning.
 *
 * The host calls `reserve(bytes)` first, writes its inputs from the returned address on and hands them to a kernel as
 * (pointer, length) pairs; at least `PADDING` bytes lie between one input and the next. A kernel takes further memory
 * with `allocate`. Nothing is ever freed, nothing outlives the call.
 */

import { Status } from "./status";

/** Bytes after an input or an allocation that may be overwritten: writers store 16 bytes at a time. */
const PADDING: usize = 16;

/** Bytes beyond all others that must be there to be read: the scanner looks that far ahead. */
const LOOKAHEAD: usize = 256;

/** Most bytes of one kernel's output. A frame to the shim cannot carry more either. */
export const MAX_OUTPUT: usize = 16 << 20;

// The header: six 32-bit words.
const RESULT_POINTER: usize = 0;
const RESULT_LENGTH: usize = 4;
const ERROR_STATUS: usize = 8;
const ERROR_POINTER: usize = 12;
const ERROR_FIELD: usize = 16;
const HASH_SEED: usize = 20;

/**
 * Address of the header. 0: address of the result; 4: its length in bytes; 8: status; 12: address of the first offending byte
 * (in one of the inputs: which one is for the host to tell, it knows where it put them); 16: name of the field concerned,
 * an AssemblyScript string, or 0; 20: seed of the hash tables, written by the host once.
 */
export const header: usize = memory.data(32, 16);

/** First free byte of the arena. */
let top: usize = 0;

/**
 * Starts a call: forgets the previous one and makes room.
 * @returns address for `bytes` bytes of inputs (their padding counted in), 0 if there is no memory left
 */
export function reserve(bytes: usize): usize {
  top = (__heap_base + 63) & ~63;
  store<u32>(header + ERROR_STATUS, Status.OK);
  store<u32>(header + ERROR_FIELD, 0);
  return allocate(bytes);
}

/**
 * Takes bytes from the arena (not cleared, aligned to 16), with PADDING bytes to spare after them.
 * @returns their address; 0, after fail(), if there is no memory left
 */
export function allocate(bytes: usize): usize {
  const address = top;
  top = (address + bytes + PADDING + 15) & ~15;
  return ensure(top) ? address : 0;
}

/**
 * Makes the memory reach up to `end`, without claiming anything.
 * @returns false, after fail(), if there is no memory left
 */
export function ensure(end: usize): bool {
  const missing = <isize>(end + LOOKAHEAD) - <isize>(memory.size() << 16);
  if (missing <= 0) return true;
  // A quarter more than asked for, so that an output that grows piece by piece grows memory a few times only.
  const pages = <i32>((missing + (memory.size() << 14) + 0xffff) >>> 16);
  if (memory.grow(pages) >= 0) return true;
  if (memory.grow(<i32>((missing + 0xffff) >>> 16)) >= 0) return true;
  fail(Status.OUT_OF_MEMORY, 0);
  return false;
}

/**
 * Claims the arena up to `end`, for an output that grows at the arena's open end while nothing else is allocated.
 * @returns false, after fail(), if there is no memory left
 */
export function extend(end: usize): bool {
  if (end + PADDING <= top) return true;
  // Not byte by byte.
  top = (end + PADDING + 4095) & ~15;
  return ensure(top);
}

/** Start of the arena's open end, where an output of unknown length may be written; see `ensure`. */
@inline
export function openEnd(): usize {
  return top;
}

/**
 * Ends an input with zero bytes, which are valid nowhere in JSON: with that no scanner needs to look for the end.
 * To be called for each input before it is scanned.
 */
@inline
export function terminate(pointer: usize, length: usize): void {
  v128.store(pointer + length, i64x2.splat(0));
}

/**
 * Notes what is wrong; later failures of the same call are not noted. Scanners return its 0 to their callers, who return it to
 * theirs: 0 is never a valid address, and the byte there is zero.
 * @param at address of the first offending byte within an input, or 0
 * @param field name of the field concerned, for shape errors
 */
export function fail(status: Status, at: usize, field: string | null = null): usize {
  if (failure()) return 0;
  store<u32>(header + ERROR_STATUS, status);
  store<u32>(header + ERROR_POINTER, at);
  store<u32>(header + ERROR_FIELD, changetype<usize>(field));
  return 0;
}

/** Status of the call: what an exported kernel returns when something returned 0. */
@inline
export function failure(): Status {
  return load<u32>(header + ERROR_STATUS);
}

/** Notes where the result is. Returns OK, for the kernel to return. */
@inline
export function succeed(pointer: usize, length: usize): Status {
  store<u32>(header + RESULT_POINTER, pointer);
  store<u32>(header + RESULT_LENGTH, length);
  return Status.OK;
}

/** Seed of hash tables: a random number of the host's, so that keys that collide cannot be prepared. */
@inline
export function hashSeed(): u32 {
  return load<u32>(header + HASH_SEED);
}
