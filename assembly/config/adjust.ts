/** Sets in a configuration what an attachment asks for, before it goes into the plan. */

import { allocate, extend, fail, failure, MAX_OUTPUT, openEnd, succeed, terminate } from "../memory";
import { Status } from "../status";
import { Character } from "../json/characters";
import { addKey, createKeyTable, findKey, KeyEntry, KeyTable } from "../json/key-table";
import { enterObject, finish, isMember, leave, nextMember, readKey, skipValue } from "../json/scan";
import { keyIsInAnyCase } from "../json/text";
import { writeByte, writeBytes, writeString, writeText } from "../json/write";
import { Field } from "./fields";
import { findMember, foundValue, isList, isPlugin, Member, Outline, outlineOf } from "./outline";
import { enterInput, expectArray, expectObject, expectString } from "./shape";

/*
 * The output is the input with some members left out, in any case of their keys, and others put in, always right after an object's opening brace. The bytes
 * between are copied unchanged: `from` is the first byte of the input that is not in the output yet.
 */
let outputStart: usize = 0;
let out: usize = 0;
let from: usize = 0;

/** Texts of the members to set, each from one address up to another. */
let nameStart: usize = 0;
let nameEnd: usize = 0;
let deviceStart: usize = 0;
let deviceEnd: usize = 0;
/** Of args, up to the last member of cniArgs: `"args":{"cni":{…`. */
let argsStart: usize = 0;
let argsEnd: usize = 0;
/** The keys of cniArgs; null if args is not to be changed. */
let argsKeys: KeyTable | null = null;

/** See AdjustInput in src/kernels/index.ts. An optional input that is not given has address 0, an optional text length 0. */
export function adjustConfig(
  config: usize,
  configLength: usize,
  defaultName: usize,
  defaultNameLength: usize,
  cniArgs: usize,
  cniArgsLength: usize,
  deviceId: usize,
  deviceIdLength: usize,
): Status {
  terminate(config, configLength);
  const outline = outlineOf(config, configLength);
  if (outline === null) return failure();
  const list = isList(outline);
  if (failure()) return failure();
  const name = outline.find(Field.NAME);
  if (name !== null && !expectString(name.valueStart, "name")) return failure();

  nameStart = 0;
  deviceStart = 0;
  argsKeys = null;
  if (defaultNameLength && (name === null || name.valueEnd - name.valueStart == 2)) {
    nameStart = allocate(6 * defaultNameLength + 32);
    if (!nameStart) return failure();
    nameEnd = writeString(writeText(nameStart, '"name":'), defaultName, defaultName + defaultNameLength);
  }
  if (deviceIdLength && !prepareDevice(deviceId, deviceId + deviceIdLength)) return failure();
  if (cniArgs && !prepareArgs(cniArgs, cniArgsLength)) return failure();
  const changesPlugins = deviceStart != 0 || argsKeys !== null;
  if (!nameStart && !changesPlugins) return succeed(config, configLength);

  let plugins: Member | null = null;
  if (list && changesPlugins) {
    plugins = outline.find(Field.PLUGINS);
    if (plugins === null) {
      fail(Status.MISSING, outline.start, "plugins");
      return failure();
    }
    if (!expectArray(plugins.valueStart, "plugins")) return failure();
  }

  outputStart = openEnd();
  out = outputStart;
  from = config;
  const done = list ? adjustList(outline, plugins) : adjustPlugin(outline, nameStart);
  if (!done || !copyUpTo(config + configLength)) return failure();
  return succeed(outputStart, out - outputStart);
}

function prepareDevice(start: usize, end: usize): bool {
  deviceStart = allocate(12 * (end - start) + 64);
  if (!deviceStart) return false;
  deviceEnd = writeString(writeText(deviceStart, '"deviceID":'), start, end);
  deviceEnd = writeString(writeText(deviceEnd, ',"pciBusID":'), start, end);
  return true;
}

function prepareArgs(cniArgs: usize, length: usize): bool {
  let p = enterInput(cniArgs, length);
  const keys = createKeyTable(length);
  if (keys === null) return false;
  while (isMember(p)) {
    const value = readKey(p);
    const entry = addKey(keys);
    if (entry === null) return false;
    const end = skipValue(value, 1);
    // The whole member: its key is written as it was.
    entry.valueStart = p;
    entry.valueEnd = end;
    p = nextMember(end);
  }
  if (!finish(leave(p), cniArgs + length)) return false;
  argsKeys = keys;
  argsStart = allocate(length + 64);
  if (!argsStart) return false;
  argsEnd = writeText(argsStart, '"args":{"cni":{');
  let entry = keys.first;
  while (entry !== null) {
    if (entry !== keys.first) argsEnd = writeByte(argsEnd, Character.COMMA);
    argsEnd = writeBytes(argsEnd, entry.valueStart, entry.valueEnd);
    entry = entry.next;
  }
  return true;
}

/** Makes room in the output. */
function room(bytes: usize): bool {
  if (out + bytes - outputStart > MAX_OUTPUT) {
    fail(Status.OUTPUT_TOO_LARGE, from);
    return false;
  }
  return extend(out + bytes);
}

/** Writes bytes and, if something stands before them in their object, a comma. */
function put(start: usize, end: usize, comma: bool): bool {
  if (!room(end - start + 1)) return false;
  if (comma) out = writeByte(out, Character.COMMA);
  out = writeBytes(out, start, end);
  return true;
}

function putByte(byte: u8): bool {
  if (!room(1)) return false;
  out = writeByte(out, byte);
  return true;
}

function copyUpTo(end: usize): bool {
  if (!put(from, end, false)) return false;
  from = end;
  return true;
}

/** `plugins`: the member whose plugins are to be changed, if any. */
function adjustList(list: Outline, plugins: Member | null): bool {
  if (nameStart) {
    if (!copyUpTo(list.start + 1) || !put(nameStart, nameEnd, false) || !openRest(list, 1 << Field.NAME))
      return false;
  }
  let member = list.members;
  while (member !== null) {
    if (nameStart && member.field == Field.NAME) {
      if (!leaveOut(member)) return false;
    } else if (member === plugins) {
      let plugin = member.plugins;
      while (plugin !== null) {
        if (!isPlugin(plugin) || !adjustPlugin(plugin, 0)) return false;
        plugin = plugin.next;
      }
    }
    member = member.next;
  }
  return true;
}

/**
 * Changes a plugin.
 * @param name nameStart for a single configuration, which takes the name as well; else 0
 */
function adjustPlugin(plugin: Outline, name: usize): bool {
  if (!copyUpTo(plugin.start + 1)) return false;
  let set = 0;
  if (name) {
    if (!put(nameStart, nameEnd, false)) return false;
    set |= 1 << Field.NAME;
  }
  if (deviceStart) {
    if (!put(deviceStart, deviceEnd, set != 0)) return false;
    set |= (1 << Field.DEVICE_ID) | (1 << Field.PCI_BUS_ID);
  }
  if (argsKeys !== null) {
    if (!writeArgs(plugin, set != 0)) return false;
    set |= 1 << Field.ARGS;
  }
  if (!openRest(plugin, set)) return false;
  let member = plugin.members;
  while (member !== null) {
    if ((set >> member.field) & 1 && !leaveOut(member)) return false;
    member = member.next;
  }
  return true;
}

/**
 * Goes on with an object's own members after members were put in at its start.
 * @param set bit mask of the fields put in
 */
function openRest(object: Outline, set: i32): bool {
  const first = object.members;
  if (!object.firstMember) return true;
  if (first !== null && first.start == object.firstMember && (set >> first.field) & 1) {
    from = first.valueEnd;
    return true;
  }
  from = object.firstMember;
  return put(from, from, true);
}

/** Leaves a member out, and the comma before it. The first of an object has been left out by openRest. */
function leaveOut(member: Member): bool {
  if (!member.previousEnd) return true;
  if (!copyUpTo(member.previousEnd)) return false;
  from = member.valueEnd;
  return true;
}

/** Writes `"args":{…}`: cniArgs over the plugin's own args.cni, and the rest of its own args. */
function writeArgs(plugin: Outline, comma: bool): bool {
  const keys = argsKeys;
  if (keys === null || !put(argsStart, argsEnd, comma)) return false;
  const member = plugin.find(Field.ARGS);
  if (member === null) return putByte(Character.CLOSE_BRACE) && putByte(Character.CLOSE_BRACE);
  if (!expectObject(member.valueStart, "args")) return false;

  findMember(member.valueStart, "cni", 0);
  const cni = foundValue;
  if (cni) {
    if (!expectObject(cni, "args.cni")) return false;
    let any = keys.first !== null;
    let p = enterObject(cni);
    while (isMember(p)) {
      const value = readKey(p);
      const overridden = findKey(keys) !== null;
      const end = skipValue(value, 0);
      if (!overridden) {
        if (!put(p, end, any)) return false;
        any = true;
      }
      p = nextMember(end);
    }
  }
  if (!putByte(Character.CLOSE_BRACE)) return false;
  let p = enterObject(member.valueStart);
  while (isMember(p)) {
    const value = readKey(p);
    const isCni = keyIsInAnyCase("cni");
    const end = skipValue(value, 0);
    if (!isCni && !put(p, end, true)) return false;
    p = nextMember(end);
  }
  return putByte(Character.CLOSE_BRACE);
}
