/**
 * The outline of a configuration, made in one pass that checks all of it: which of the fields that matter are where, at the top
 * and in each plugin of a list. Readers look them up there and do not scan again.
 */

import { allocate, fail } from "../memory";
import { Status } from "../status";
import { Character } from "../json/characters";
import {
  enterArray,
  enterObject,
  finish,
  isElement,
  isMember,
  isNull,
  leave,
  nextElement,
  nextMember,
  readKey,
  skipBlanks,
  skipValue,
} from "../json/scan";
import { keyIsExact, keyIsInAnyCase } from "../json/text";
import { Field, fieldOfKey } from "./fields";
import { expectString } from "./shape";

/** Most plugins in a list. */
const MAX_PLUGINS: i32 = 1024;

/** One appearance of a field in an object. */
@unmanaged
export class Member {
  field: Field;
  /** Its key is written in the field's own case. */
  isExact: bool;
  /** The key's opening quote. */
  start: usize;
  /** First byte of the value, and the byte after its last. */
  valueStart: usize;
  valueEnd: usize;
  /** The byte after the member before it, 0 if it is the object's first. */
  previousEnd: usize;
  /** The next one, in the order of the text. */
  next: Member | null;
  /** Of a `plugins` that is an array: its plugins. */
  plugins: Outline | null;
  /** Of an `ipam` that is an object: the value of its `type` (the last one that is not null; one in another case where there is none), 0 if there is none. */
  ipamType: usize;
}

/** An object: the configuration itself or one of its plugins. */
@unmanaged
export class Outline {
  /** First byte (of a plugin that is not an object: no brace), and the byte after the last. */
  start: usize;
  end: usize;
  /** First byte of its first member, 0 if it has none. */
  firstMember: usize;
  members: Member | null;
  /** The next plugin of the list. */
  next: Outline | null;

  /**
   * The appearance of a field that counts: the last one that is not null. One in the field's own case goes before those in another. Null where
   * there is none.
   */
  find(field: Field): Member | null {
    let found: Member | null = null;
    let member = this.members;
    while (member !== null) {
      if (member.field == field && !isNull(member.valueStart)) {
        if (found === null || member.isExact || !found.isExact) found = member;
      }
      member = member.next;
    }
    return found;
  }
}

/**
 * Makes the outline of a whole input.
 * @returns null, after fail(), if it is not a JSON object
 */
export function outlineOf(config: usize, length: usize): Outline | null {
  const start = skipBlanks(config);
  const outline = outlineValue(start, 0);
  if (outline === null || !finish(outline.end, config + length)) return null;
  if (load<u8>(start) != Character.OPEN_BRACE) {
    fail(Status.NOT_AN_OBJECT, start);
    return null;
  }
  return outline;
}

/** Is it a list? One without `type`, or with an empty one. False, after fail(), also where `type` is not a string. */
export function isList(outline: Outline): bool {
  const type = outline.find(Field.TYPE);
  if (type === null) return true;
  return expectString(type.valueStart, "type") && type.valueEnd - type.valueStart == 2;
}

/** Is a plugin of a list an object? False after fail(). */
export function isPlugin(plugin: Outline): bool {
  return load<u8>(plugin.start) == Character.OPEN_BRACE || fail(Status.NOT_AN_OBJECT, plugin.start, "plugins[]") != 0;
}

function outlineValue(start: usize, depth: i32): Outline | null {
  const address = allocate(offsetof<Outline>());
  if (!address) return null;
  const outline = changetype<Outline>(address);
  outline.start = start;
  outline.firstMember = 0;
  outline.members = null;
  outline.next = null;
  if (load<u8>(start) != Character.OPEN_BRACE) {
    outline.end = skipValue(start, depth);
    return outline.end ? outline : null;
  }
  let p = enterObject(start);
  if (isMember(p)) outline.firstMember = p;
  let previousEnd: usize = 0;
  let last: Member | null = null;
  while (isMember(p)) {
    const value = readKey(p);
    const field = fieldOfKey();
    let end: usize;
    if (field == Field.OTHER) {
      end = skipValue(value, depth + 1);
    } else {
      const member = addMember(field);
      if (member === null) return null;
      if (last === null) outline.members = member;
      else last.next = member;
      last = member;
      const first = load<u8>(value);
      if (field == Field.PLUGINS && depth == 0 && first == Character.OPEN_BRACKET) {
        end = outlinePlugins(member, value);
      } else if (field == Field.IPAM && first == Character.OPEN_BRACE) {
        end = outlineIpam(member, value, depth + 1);
      } else {
        end = skipValue(value, depth + 1);
      }
      member.start = p;
      member.valueStart = value;
      member.valueEnd = end;
      member.previousEnd = previousEnd;
    }
    previousEnd = end;
    p = nextMember(end);
  }
  outline.end = leave(p);
  return p ? outline : null;
}

function addMember(field: Field): Member | null {
  const address = allocate(offsetof<Member>());
  if (!address) return null;
  const member = changetype<Member>(address);
  member.field = field;
  // The attachments of a GC are compared in no other way.
  member.isExact = field == Field.ATTACHMENTS || keyIsExact;
  member.next = null;
  member.plugins = null;
  member.ipamType = 0;
  return member;
}

function outlineIpam(member: Member, ipam: usize, depth: i32): usize {
  const end = findMember(ipam, "type", depth);
  member.ipamType = foundValue;
  return end;
}

/** The value that findMember found last; 0 if there is none. */
export let foundValue: usize = 0;

/**
 * Looks for the value of a key in any case, as Outline.find has it: the last one that is not null, one in the key's own case first. Sets `foundValue`.
 * @param object its opening brace
 * @param depth how many containers are open around it
 * @returns the address after the object
 */
export function findMember(object: usize, key: string, depth: i32): usize {
  let exact: usize = 0;
  let other: usize = 0;
  let p = enterObject(object);
  while (isMember(p)) {
    const value = readKey(p);
    if (keyIsInAnyCase(key) && !isNull(value)) {
      if (keyIsExact) exact = value;
      else other = value;
    }
    p = nextMember(skipValue(value, depth + 1));
  }
  foundValue = exact ? exact : other;
  return leave(p);
}

function outlinePlugins(member: Member, array: usize): usize {
  let count = 0;
  let last: Outline | null = null;
  let p = enterArray(array);
  while (isElement(p)) {
    if (++count > MAX_PLUGINS) return fail(Status.TOO_MANY_PLUGINS, p);
    const plugin = outlineValue(p, 2);
    if (plugin === null) return 0;
    if (last === null) member.plugins = plugin;
    else last.next = plugin;
    last = plugin;
    p = nextElement(plugin.end);
  }
  return leave(p);
}
