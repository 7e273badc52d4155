/** Takes a configuration apart: what it says of itself, and where its plugins are. */

import { allocate, fail, failure, succeed, terminate } from "../memory";
import { Status } from "../status";
import { Character } from "../json/characters";
import { KeyEntry } from "../json/key-table";
import { decodeText, textIs } from "../json/text";
import { writeBytes } from "../json/write";
import { readCapabilities } from "./capabilities";
import { Field } from "./fields";
import { isList, isPlugin, Outline, outlineOf } from "./outline";
import { expectArray, expectObject, expectString } from "./shape";
import { highestVersion } from "./versions";

/**
 * The layout that the host reads (src/kernels/config.ts), 32 bits a field. The texts of all fields stand one after the other; lengths are in bytes of UTF-8.
 */
@unmanaged
class Parts {
  list: u32;
  disableCheck: u32;
  disableGc: u32;
  loadOnlyInlinedPlugins: u32;
  /** Address of the texts. */
  texts: usize;
  nameLength: u32;
  versionLength: u32;
  /** The first plugin, or 0. */
  plugins: PluginParts | null;
}

/** Of each plugin; its texts come in this order after those of the one before. */
@unmanaged
class PluginParts {
  next: PluginParts | null;
  start: usize;
  length: usize;
  typeLength: u32;
  ipamTypeLength: u32;
  /** How many capabilities there are; the length of each follows. */
  capabilities: u32;
}

/** The byte after the last text. */
let textsEnd: usize = 0;

/** See ConfigParts in src/kernels/index.ts. The result is Parts. */
export function splitConfig(config: usize, configLength: usize): Status {
  terminate(config, configLength);
  const outline = outlineOf(config, configLength);
  if (outline === null) return failure();
  const list = isList(outline);
  if (failure()) return failure();

  const address = allocate(offsetof<Parts>());
  // Each text is a part of the configuration, and no longer than it is there.
  const texts = allocate(configLength);
  if (!texts) return failure();
  textsEnd = texts;
  const parts = changetype<Parts>(address);
  parts.texts = texts;
  parts.list = list;
  parts.disableCheck = 0;
  parts.disableGc = 0;
  parts.loadOnlyInlinedPlugins = 0;
  parts.plugins = null;
  parts.nameLength = readText(outline, Field.NAME, "name");
  const version = list ? highestVersion(outline) : 0;
  if (failure()) return failure();
  parts.versionLength = version ? takeText(version) : readText(outline, Field.CNI_VERSION, "cniVersion");

  if (!list) {
    parts.plugins = splitPlugin(outline);
  } else {
    parts.disableCheck = readBoolean(outline, Field.DISABLE_CHECK, "disableCheck");
    parts.disableGc = readBoolean(outline, Field.DISABLE_GC, "disableGC");
    parts.loadOnlyInlinedPlugins = readBoolean(
      outline,
      Field.LOAD_ONLY_INLINED_PLUGINS,
      "loadOnlyInlinedPlugins",
    );
    if (failure()) return failure();
    splitPlugins(outline, parts);
  }
  if (failure()) return failure();
  return succeed(address, offsetof<Parts>());
}

function splitPlugins(list: Outline, parts: Parts): void {
  const member = list.find(Field.PLUGINS);
  if (member === null || !expectArray(member.valueStart, "plugins")) return;
  let last: PluginParts | null = null;
  let plugin = member.plugins;
  while (plugin !== null) {
    const split = splitPlugin(plugin);
    if (split === null) return;
    if (last === null) parts.plugins = split;
    else last.next = split;
    last = split;
    plugin = plugin.next;
  }
}

/** Null after fail(). */
function splitPlugin(plugin: Outline): PluginParts | null {
  if (!isPlugin(plugin)) return null;
  const capabilities = plugin.find(Field.CAPABILITIES);
  let names: KeyEntry | null = null;
  let count: u32 = 0;
  if (capabilities !== null) {
    if (!expectObject(capabilities.valueStart, "capabilities")) return null;
    const table = readCapabilities(capabilities.valueStart, capabilities.valueEnd);
    if (table === null) return null;
    names = table.first;
    let name = names;
    while (name !== null) {
      count += u32(name.marked);
      name = name.next;
    }
  }

  const address = allocate(offsetof<PluginParts>() + 4 * count);
  if (!address) return null;
  const parts = changetype<PluginParts>(address);
  parts.next = null;
  parts.start = plugin.start;
  parts.length = plugin.end - plugin.start;
  parts.typeLength = readText(plugin, Field.TYPE, "type");
  parts.ipamTypeLength = readIpamType(plugin);
  if (failure()) return null;
  parts.capabilities = count;
  let at = address + offsetof<PluginParts>();
  let name = names;
  while (name !== null) {
    if (name.marked) {
      const start = textsEnd;
      textsEnd = writeBytes(start, name.keyStart, name.keyEnd);
      store<u32>(at, <u32>(textsEnd - start));
      at += 4;
    }
    name = name.next;
  }
  return parts;
}

/** Adds a field's text to the texts. Returns its length: 0 where it is missing, or after fail(). */
function readText(outline: Outline, field: Field, name: string): u32 {
  const member = outline.find(field);
  if (member === null || !expectString(member.valueStart, name)) return 0;
  return takeText(member.valueStart);
}

/** The same for the string whose opening quote is at `p`. */
function takeText(p: usize): u32 {
  const start = textsEnd;
  textsEnd = decodeText(start, p + 1);
  return <u32>(textsEnd - start);
}

function readIpamType(plugin: Outline): u32 {
  const ipam = plugin.find(Field.IPAM);
  if (ipam === null || !expectObject(ipam.valueStart, "ipam")) return 0;
  const type = ipam.ipamType;
  if (!type || !expectString(type, "ipam.type")) return 0;
  return takeText(type);
}

/** Reads a field that is true or false or, in any case, "true" or "false", as libcni has it; false where it is missing. */
function readBoolean(outline: Outline, field: Field, name: string): u32 {
  const member = outline.find(field);
  if (member === null) return 0;
  const p = member.valueStart;
  const first = load<u8>(p);
  if (first == Character.LOWER_T) return 1;
  if (first == Character.LOWER_F) return 0;
  if (first == Character.QUOTE) {
    // The text is only looked at: the next one takes its place.
    const end = decodeText(textsEnd, p + 1);
    // Every letter of both words has bit 5 set in lower case.
    for (let at = textsEnd; at < end; at++) store<u8>(at, load<u8>(at) | 0x20);
    if (textIs(textsEnd, end, "true")) return 1;
    if (textIs(textsEnd, end, "false")) return 0;
  }
  fail(Status.NOT_A_BOOLEAN, p, name);
  return 0;
}
