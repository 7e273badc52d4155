/** Checks of what kind a value is. Everywhere, `null` counts as not being there, as it does for Go. */

import { fail, failure, terminate } from "../memory";
import { Status } from "../status";
import { Character } from "../json/characters";
import { enterObject, finish, isNull, skipBlanks, skipValue } from "../json/scan";

/**
 * Checks that a value is an object or null.
 * @param field name for the error
 * @returns false, after fail(), if it is not
 */
export function expectObject(p: usize, field: string | null): bool {
  return expectFirst(p, Character.OPEN_BRACE, Status.NOT_AN_OBJECT, field);
}

/** The same for a string. */
export function expectString(p: usize, field: string): bool {
  return expectFirst(p, Character.QUOTE, Status.NOT_A_STRING, field);
}

/** The same for an array. */
export function expectArray(p: usize, field: string): bool {
  return expectFirst(p, Character.OPEN_BRACKET, Status.NOT_AN_ARRAY, field);
}

function expectFirst(p: usize, first: u8, status: Status, field: string | null): bool {
  if (load<u8>(p) != first && !isNull(p)) fail(status, p, field);
  return !failure();
}

/**
 * Enters an input that is one object, to be read to its end like any other; `finish` comes after it.
 * @returns as enterObject
 */
export function enterInput(pointer: usize, length: usize): usize {
  terminate(pointer, length);
  const start = skipBlanks(pointer);
  if (load<u8>(start) == Character.OPEN_BRACE) return enterObject(start);
  // Not to be JSON at all is the worse of the two.
  const end = skipValue(start, 0);
  return end && finish(end, pointer + length) ? fail(Status.NOT_AN_OBJECT, start) : 0;
}

/** End of the value that openInput found last. */
export let inputEnd: usize = 0;

/**
 * Checks a whole input that is one object or one array; null will not do.
 * @param opening what it must start with
 * @returns address of its first byte (inputEnd: after its last), or 0
 */
export function openInput(pointer: usize, length: usize, opening: u8): usize {
  terminate(pointer, length);
  const start = skipBlanks(pointer);
  const end = skipValue(start, 0);
  if (!end || !finish(end, pointer + length)) return 0;
  if (load<u8>(start) != opening) {
    return fail(opening == Character.OPEN_BRACE ? Status.NOT_AN_OBJECT : Status.NOT_AN_ARRAY, start);
  }
  inputEnd = end;
  return start;
}
