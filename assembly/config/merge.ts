/** One plugin's stdin, from its configuration as written and what the attachment adds to it. */

import { allocate, failure, succeed } from "../memory";
import { Status } from "../status";
import { Character } from "../json/characters";
import { findKey, KeyTable } from "../json/key-table";
import { finish, isMember, isNull, leave, nextMember, readKey, skipValue } from "../json/scan";
import { writeByte, writeBytes, writeString, writeText } from "../json/write";
import { readCapabilities } from "./capabilities";
import { keyIsExact } from "../json/text";
import { Field, fieldOfKey } from "./fields";
import { enterInput, expectObject, inputEnd, openInput } from "./shape";

/**
 * See MergeInput in src/kernels/index.ts. An optional input that is not given has address 0.
 *
 * In one pass over the plugin's configuration: runs of members that stay are copied as they were written, those that are
 * set anew are left out. Name and version come first in the output, the rest of what is set last. Members whose key is that of such a one in another case stay, as Go
 * leaves them; plugins in Go take the last one, so that name and version come last where there is any.
 */
export function mergeConfig(
  plugin: usize,
  pluginLength: usize,
  name: usize,
  nameLength: usize,
  cniVersion: usize,
  cniVersionLength: usize,
  prevResult: usize,
  prevResultLength: usize,
  runtimeConfig: usize,
  runtimeConfigLength: usize,
  validAttachments: usize,
  validAttachmentsLength: usize,
): Status {
  // Every input appears once in the output, the attachments, name and version twice; 256 bytes are more than all the keys set.
  const output = allocate(
    pluginLength +
      12 * (nameLength + cniVersionLength) +
      prevResultLength +
      runtimeConfigLength +
      2 * validAttachmentsLength +
      256,
  );
  if (!output) return failure();
  let out = writeNetwork(writeByte(output, Character.OPEN_BRACE), name, nameLength, cniVersion, cniVersionLength);
  const networkEnd = out;

  /** First byte of the run of members that stay, 0 where there is none; and the byte after its last. */
  let run: usize = 0;
  let runEnd: usize = 0;
  /** As `capabilities`, and as a key in another case, which counts where the first is missing. Never null. */
  let capabilities: usize = 0;
  let capabilitiesEnd: usize = 0;
  let otherCapabilities: usize = 0;
  let otherCapabilitiesEnd: usize = 0;
  /** Whether a key that stays is that of name or version in another case. */
  let hasOtherNetwork = false;
  let ownRuntimeConfig: usize = 0;
  let ownRuntimeConfigEnd: usize = 0;

  let p = enterInput(plugin, pluginLength);
  while (isMember(p)) {
    const value = readKey(p);
    const field = fieldOfKey();
    const isExact = keyIsExact;
    const end = skipValue(value, 1);
    if (!end) return failure();
    let stays = true;
    if (field == Field.NAME || field == Field.CNI_VERSION) {
      stays = !isExact;
      if (stays) hasOtherNetwork = true;
    } else if (field == Field.CAPABILITIES) {
      if (isNull(value)) {
        // Leaves what was there before as it is.
      } else if (isExact) {
        capabilities = value;
        capabilitiesEnd = end;
      } else {
        otherCapabilities = value;
        otherCapabilitiesEnd = end;
      }
      stays = false;
    } else if (field == Field.PREV_RESULT) {
      stays = prevResult == 0 || !isExact;
    } else if (field == Field.ATTACHMENTS) {
      stays = validAttachments == 0;
    } else if (field == Field.RUNTIME_CONFIG && runtimeConfig != 0 && isExact) {
      ownRuntimeConfig = value;
      ownRuntimeConfigEnd = end;
      stays = false;
    }
    if (stays) {
      if (!run) run = p;
      runEnd = end;
    } else if (run) {
      out = writeBytes(writeByte(out, Character.COMMA), run, runEnd);
      run = 0;
    }
    p = nextMember(end);
  }
  if (!finish(leave(p), plugin + pluginLength)) return failure();
  if (run) out = writeBytes(writeByte(out, Character.COMMA), run, runEnd);
  let start = output;
  if (hasOtherNetwork) {
    // The comma before the first member that stays becomes the brace.
    start = networkEnd;
    store<u8>(start, Character.OPEN_BRACE);
    out = writeNetwork(writeByte(out, Character.COMMA), name, nameLength, cniVersion, cniVersionLength);
  }
  if (!capabilities) {
    capabilities = otherCapabilities;
    capabilitiesEnd = otherCapabilitiesEnd;
  }
  if (capabilities && !expectObject(capabilities, "capabilities")) return failure();

  if (prevResult) {
    const value = openInput(prevResult, prevResultLength, Character.OPEN_BRACE);
    if (!value) return failure();
    out = writeBytes(writeText(out, ',"prevResult":'), value, inputEnd);
  }
  if (runtimeConfig) {
    const before = out;
    if (capabilities) {
      const supported = readCapabilities(capabilities, capabilitiesEnd);
      if (supported === null || !findSupported(runtimeConfig, runtimeConfigLength, supported))
        return failure();
      out = writeSupported(out, supported);
    } else if (!openInput(runtimeConfig, runtimeConfigLength, Character.OPEN_BRACE)) {
      return failure();
    }
    if (out == before && ownRuntimeConfig) {
      out = writeBytes(writeText(out, ',"runtimeConfig":'), ownRuntimeConfig, ownRuntimeConfigEnd);
    }
  }
  if (validAttachments) {
    const value = openInput(validAttachments, validAttachmentsLength, Character.OPEN_BRACKET);
    if (!value) return failure();
    out = writeBytes(writeText(out, ',"cni.dev/valid-attachments":'), value, inputEnd);
    out = writeBytes(writeText(out, ',"cni.dev/attachments":'), value, inputEnd);
  }
  out = writeByte(out, Character.CLOSE_BRACE);
  return succeed(start, out - start);
}

/** Writes `"name":…,"cniVersion":…`. Returns the address after it. */
function writeNetwork(
  to: usize,
  name: usize,
  nameLength: usize,
  cniVersion: usize,
  cniVersionLength: usize,
): usize {
  to = writeString(writeText(to, '"name":'), name, name + nameLength);
  return writeString(writeText(to, ',"cniVersion":'), cniVersion, cniVersion + cniVersionLength);
}

/** Notes the members of the runtimeConfig input whose keys are marked. False after fail(). */
function findSupported(runtimeConfig: usize, length: usize, supported: KeyTable): bool {
  let p = enterInput(runtimeConfig, length);
  while (isMember(p)) {
    const value = readKey(p);
    const entry = findKey(supported);
    const end = skipValue(value, 1);
    if (entry !== null && entry.marked) {
      entry.valueStart = p;
      entry.valueEnd = end;
    }
    p = nextMember(end);
  }
  return finish(leave(p), runtimeConfig + length);
}

/** Writes `,"runtimeConfig":{…}` with the members found; nothing if there is none. Returns the address after it. */
function writeSupported(to: usize, supported: KeyTable): usize {
  let separator = ',"runtimeConfig":{';
  let entry = supported.first;
  while (entry !== null) {
    if (entry.valueStart) {
      to = writeBytes(writeText(to, separator), entry.valueStart, entry.valueEnd);
      separator = ",";
    }
    entry = entry.next;
  }
  return separator.length == 1 ? writeByte(to, Character.CLOSE_BRACE) : to;
}
