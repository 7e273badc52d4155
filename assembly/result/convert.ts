/**
 * A CNI result checked, and printed in another version.
 *
 * Versions whose results have the same shape differ in `cniVersion` only: what is written stays byte for byte, known or not.
 * Between shapes a result is printed anew from what the specification knows, as libcni does.
 */

import { Character } from "../json/characters";
import { enterArray, finish, isElement, isNull, nextElement, skipBlanks } from "../json/scan";
import { writeByte, writeBytes, writeText } from "../json/write";
import { fail, failure, MAX_OUTPUT, openEnd, succeed, terminate } from "../memory";
import { Status } from "../status";
import {
  checkResult,
  closingBrace,
  dnsAt,
  ip4At,
  ip6At,
  ipKind,
  memberCount,
  Purpose,
  purpose,
  Routes,
  routes,
  routes4,
  routes6,
  shape,
  version,
  versionAt,
  versionEnd,
  versionIsSaid,
} from "./check";
import { addedCount, areThereEdits, isRemoved, takeEdits, writeAdded } from "./edits";
import { endResult, endRoutes, printDns, printElement, startResult } from "./lists";
import { goOn, makeRoom, out, startOutput } from "./output";
import { writeFamilyStart, writeRoute } from "./print";
import { Field, Kind } from "./fields";
import { addressFamily, readObject, refuseInput } from "./readers";
import { NO_VERSION, SHAPE_CURRENT, SHAPE_FAMILIES, shapeOf, UNKNOWN_VERSION, writeVersion } from "./versions";

/** The input up to here is in the output, or is not to get there. */
let copied: usize = 0;

/**
 * See ConvertInput in src/kernels/index.ts. Versions are numbers, and the target NO_VERSION where the result's own stays; gateways are a JSON array, or
 * nothing.
 */
export function convertResult(
  result: usize,
  resultLength: usize,
  configVersion: i32,
  targetVersion: i32,
  editFlags: i32,
  gateways: usize,
  gatewaysLength: usize,
): Status {
  terminate(result, resultLength);
  if (gatewaysLength != 0) terminate(gateways, gatewaysLength);
  if (!takeEdits(editFlags, gateways, gatewaysLength)) return failure();

  const end = result + resultLength;
  const start = skipBlanks(result);
  if (start >= end || isNull(start)) {
    if (start < end && !finish(start + 4, end)) return failure();
    if (targetVersion == NO_VERSION) targetVersion = configVersion;
    if (targetVersion == UNKNOWN_VERSION) {
      fail(Status.UNSUPPORTED_CONFIG_VERSION, start);
      return failure();
    }
    if (!startResult(targetVersion) || !endResult()) return failure();
  } else if (load<u8>(start) != Character.OPEN_BRACE) {
    refuseInput(start, end);
    return failure();
  } else {
    const objectEnd = checkResult(start, configVersion, targetVersion, false);
    if (!objectEnd || !finish(objectEnd, end)) return failure();
    if (targetVersion == NO_VERSION) targetVersion = version;
    const target = shapeOf(targetVersion);
    if (shape == target) {
      startOutput();
      copied = start;
      if (!edit(targetVersion)) return failure();
      // Nothing to change: the result is the input.
      if (copied == start) return succeed(start, objectEnd - start);
      if (!copyTo(objectEnd)) return failure();
    } else if (target == SHAPE_FAMILIES) {
      if (!printFamilies(targetVersion, start)) return failure();
    } else {
      if (purpose != Purpose.PRINT && !printFromFamilies(targetVersion)) return failure();
      if (!endResult()) return failure();
    }
  }
  const length = out - openEnd();
  if (length > MAX_OUTPUT) {
    fail(Status.OUTPUT_TOO_LARGE, 0);
    return failure();
  }
  return succeed(openEnd(), length);
}

/** Copies the input up to an address. */
function copyTo(p: usize): bool {
  if (!makeRoom(p - copied)) return false;
  goOn(writeBytes(out, copied, p));
  copied = p;
  return true;
}

/** Same shape: the changes to what is written, in the order in which they are there. */
function edit(targetVersion: i32): bool {
  const isVersionWritten = versionAt != 0;
  const needsVersion = !versionIsSaid || version != targetVersion;
  const needsDns = shape != SHAPE_CURRENT && (dnsAt == 0 || isNull(dnsAt));
  const editsRoutes = areThereEdits();
  if (!needsVersion && !needsDns && !editsRoutes) return true;

  // Addresses of values still to be edited; the greatest stands for none.
  const none = usize.MAX_VALUE;
  let versionPlace = needsVersion && isVersionWritten ? versionAt : none;
  let dnsPlace = needsDns && dnsAt != 0 ? dnsAt : none;
  let routesPlace = editsRoutes && shape != SHAPE_FAMILIES && routes.value != 0 ? routes.value : none;
  let ip4Place = editsRoutes && shape == SHAPE_FAMILIES && ip4At != 0 ? ip4At : none;
  let ip6Place = editsRoutes && shape == SHAPE_FAMILIES && ip6At != 0 ? ip6At : none;
  let members = memberCount;
  while (true) {
    const place = min(min(min(versionPlace, dnsPlace), routesPlace), min(ip4Place, ip6Place));
    if (place == none) break;
    if (place == versionPlace) {
      versionPlace = none;
      if (!copyTo(versionAt)) return false;
      goOn(writeQuotedVersion(targetVersion, out));
      copied = versionEnd;
    } else if (place == dnsPlace) {
      dnsPlace = none;
      if (!copyTo(dnsAt)) return false;
      goOn(writeText(out, "{}"));
      copied = dnsAt + 4;
    } else if (place == routesPlace) {
      routesPlace = none;
      if (!editRoutes(routes, 0)) return false;
      if (isDropped) members--;
    } else if (place == ip4Place) {
      ip4Place = none;
      if (!editFamily(ip4At, routes4, 4)) return false;
    } else {
      ip6Place = none;
      if (!editFamily(ip6At, routes6, 6)) return false;
    }
  }

  const needsRoutes = editsRoutes && shape != SHAPE_FAMILIES && routes.value == 0 && addedCount(0) > 0;
  const lacksDns = needsDns && dnsAt == 0;
  if (!needsRoutes && isVersionWritten && !lacksDns) return true;
  if (!copyTo(closingBrace)) return false;
  if (!isVersionWritten) {
    const key = writeText(out, members > 0 ? ',"cniVersion":' : '"cniVersion":');
    goOn(writeQuotedVersion(targetVersion, key));
  }
  if (lacksDns) goOn(writeText(out, ',"dns":{}'));
  return !needsRoutes || writeAddedMember(0);
}

function writeQuotedVersion(targetVersion: i32, to: usize): usize {
  to = writeVersion(targetVersion, writeByte(to, Character.QUOTE));
  return writeByte(to, Character.QUOTE);
}

/** Prints the added routes as a further member. */
function writeAddedMember(ofFamily: i32): bool {
  const to = writeAdded(writeText(out, ',"routes":['), ofFamily, true);
  if (!to) return false;
  goOn(writeByte(to, Character.CLOSE_BRACKET));
  return true;
}

/** Has editRoutes left out the member? */
let isDropped: bool = false;

/**
 * Edits the default routes in a `routes` member. A list that is left empty goes, key and all.
 * @param ofFamily family whose routes are added, 0 for both
 */
function editRoutes(member: Routes, ofFamily: i32): bool {
  isDropped = false;
  const added = addedCount(ofFamily);
  const value = member.value;
  if (isNull(value)) {
    if (added == 0) return true;
  } else {
    // Of several members of that name the last counts, and must stay for that.
    if (member.kept + added == 0 && member.seen == 1) {
      isDropped = true;
      return dropMember(member);
    }
    if (member.removed + added == 0) return true;
  }

  if (!copyTo(value)) return false;
  goOn(writeByte(out, Character.OPEN_BRACKET));
  if (member.kept != 0 && !copyKept(member)) return false;
  const to = writeAdded(out, ofFamily, member.kept == 0);
  if (!to) return false;
  goOn(writeByte(to, Character.CLOSE_BRACKET));
  copied = member.end;
  return true;
}

/** Copies the routes that are not removed, byte for byte. */
function copyKept(member: Routes): bool {
  let p = enterArray(member.value);
  if (member.removed == 0) {
    copied = p;
    return copyTo(member.end - 1);
  }
  let isFirst = true;
  while (isElement(p)) {
    const end = readObject(p, Kind.ROUTE, 2);
    if (!isRemoved()) {
      if (!isFirst) goOn(writeByte(out, Character.COMMA));
      isFirst = false;
      copied = p;
      if (!copyTo(end)) return false;
    }
    p = nextElement(end);
  }
  return true;
}

/** Leaves out a member, from its key up to the end of its value, and one comma. */
function dropMember(member: Routes): bool {
  let before = member.key - 1;
  while (<u32>load<u8>(before) <= Character.SPACE) before--;
  const isFirst = load<u8>(before) != Character.COMMA;
  if (!copyTo(isFirst ? member.key : before)) return false;
  const after = skipBlanks(member.end);
  copied = isFirst && load<u8>(after) == Character.COMMA ? after + 1 : member.end;
  return true;
}

/** Edits the default routes of ip4 or ip6. */
function editFamily(p: usize, member: Routes, ofFamily: i32): bool {
  if (member.value) return editRoutes(member, ofFamily);
  if (addedCount(ofFamily) == 0) return true;
  const end = readObject(p, Kind.FAMILY, 1);
  return copyTo(end - 1) && writeAddedMember(ofFamily);
}

/** Prints a result that has lists in the old shape: the first address of each family, with the routes of that family. */
function printFamilies(targetVersion: i32, start: usize): bool {
  // As libcni has it: the old shape says an address at the least.
  if (!ip4At && !ip6At) {
    fail(Status.NO_ADDRESS, start);
    return false;
  }
  if (!startResult(targetVersion)) return false;
  if (ip4At && !printFamily(ip4At, 4)) return false;
  if (ip6At && !printFamily(ip6At, 6)) return false;
  return printOwnDns() && endResult();
}

/** Prints the DNS settings, if there are any. */
function printOwnDns(): bool {
  return !dnsAt || isNull(dnsAt) || printDns(readObject(dnsAt, Kind.DNS, 1) - dnsAt);
}

function printFamily(ip: usize, ofFamily: i32): bool {
  const end = readObject(ip, ipKind(shape), 2);
  if (!makeRoom(end - ip)) return false;
  goOn(writeFamilyStart(writeText(out, ofFamily == 4 ? ',"ip4":' : ',"ip6":')));
  if (!printRoutesOf(routes, ofFamily)) return false;
  goOn(writeByte(out, Character.CLOSE_BRACE));
  return true;
}

/** Prints the routes to one family, and those added to it, as `routes`. */
function printRoutesOf(member: Routes, ofFamily: i32): bool {
  let isFirst = true;
  if (member.value && !isNull(member.value)) {
    let p = enterArray(member.value);
    while (isElement(p)) {
      const end = readObject(p, Kind.ROUTE, 2);
      if (!isRemoved() && addressFamily == ofFamily) {
        if (!makeRoom(end - p)) return false;
        goOn(writeRoute(isFirst ? writeText(out, ',"routes":[') : writeByte(out, Character.COMMA), true));
        isFirst = false;
      }
      p = nextElement(end);
    }
  }
  if (isFirst) return addedCount(ofFamily) == 0 || writeAddedMember(ofFamily);
  const to = writeAdded(out, ofFamily, false);
  if (!to) return false;
  goOn(writeByte(to, Character.CLOSE_BRACKET));
  return true;
}

/** Prints a result of the old shape as one that has lists, but for its end. */
function printFromFamilies(targetVersion: i32): bool {
  if (!startResult(targetVersion)) return false;
  if (ip4At && !printIpAt(ip4At, true)) return false;
  if (ip6At && !printIpAt(ip6At, ip4At == 0)) return false;
  if (ip4At || ip6At) goOn(writeByte(out, Character.CLOSE_BRACKET));
  const kept = (ip4At ? routes4.kept : 0) + (ip6At ? routes6.kept : 0);
  if (ip4At && !printRoutesAt(routes4, true)) return false;
  if (ip6At && !printRoutesAt(routes6, !ip4At || routes4.kept == 0)) return false;
  if (kept != 0 && !endRoutes(false)) return false;
  return printOwnDns();
}

function printIpAt(p: usize, isFirst: bool): bool {
  return printElement(Field.IPS, readObject(p, Kind.FAMILY, 1) - p, isFirst);
}

/** Prints the routes of ip4 or ip6, if there are any, as the first or as further ones. */
function printRoutesAt(member: Routes, isFirst: bool): bool {
  if (!member.value || isNull(member.value)) return true;
  let p = enterArray(member.value);
  while (isElement(p)) {
    const end = readObject(p, Kind.ROUTE, 2);
    if (!isRemoved()) {
      if (!printElement(Field.ROUTES, end - p, isFirst)) return false;
      isFirst = false;
    }
    p = nextElement(end);
  }
  return true;
}
