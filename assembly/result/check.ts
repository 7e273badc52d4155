/**
 * Checks a whole CNI result in one pass and notes where its parts are. On the way, and only if asked to, it has the lists printed in
 * another shape (see lists.ts) or notes the addresses (see addresses.ts).
 */

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
  skipBlanks,
  skipValue,
} from "../json/scan";
import { fail, terminate } from "../memory";
import { Status } from "../status";
import { collectAddress, collectGateway, endCollection, forgetCollections, startCollection } from "./addresses";
import { isRemoved } from "./edits";
import { endList, endRoutes, printDns, printElement, startResult } from "./lists";
import { endOf, Field, field, fieldKey, Kind, readField, startOf } from "./fields";
import {
  addressFamily,
  familyRoutesSeen,
  readObject,
  readText,
  readVersion,
  refuseInput,
  wrongType,
} from "./readers";
import { NEWEST_VERSION, NO_VERSION, SHAPE_CURRENT, SHAPE_FAMILIES, shapeOf, UNKNOWN_VERSION } from "./versions";

/** The uses of a checked result. */
export const enum Purpose {
  /** Nothing. */
  CHECK,
  /** Lists are printed in another shape that has lists. */
  PRINT,
  /** Addresses and gateways are noted. */
  COLLECT,
}

/** A `routes` member: of the result, or of ip4 or ip6. */
@unmanaged
export class Routes {
  /** The opening quote of its key and the value, null or a list; 0 if there is none. */
  key: usize;
  value: usize;
  end: usize;
  /** How many routes of it are removed by the edits asked for, and how many are not. */
  removed: u32;
  kept: u32;
  /** How many members of that name there are: the last counts. */
  seen: u32;
}

/** Number and shape of the version the result is read as. */
export let version: i32 = 0;
export let shape: i32 = 0;
/** The value of `cniVersion`, 0 if there is none; whether it says a version. */
export let versionAt: usize = 0;
export let versionEnd: usize = 0;
export let versionIsSaid: bool = false;

/** The list of interfaces (0 where missing or null), and how many there are. */
export let interfacesAt: usize = 0;
export let interfaceCount: u32 = 0;
/** The value of `dns`: 0 where missing, null is there as such. */
export let dnsAt: usize = 0;
/** ip4 and ip6 objects, or else the first elements of `ips` of each family; 0 where there is none. */
export let ip4At: usize = 0;
export let ip6At: usize = 0;

/** Routes at the top (0.3.0 and later), of ip4 and of ip6. */
export const routes: Routes = changetype<Routes>(memory.data(offsetof<Routes>(), 4));
export const routes4: Routes = changetype<Routes>(memory.data(offsetof<Routes>(), 4));
export const routes6: Routes = changetype<Routes>(memory.data(offsetof<Routes>(), 4));

/** How many members the result has. */
export let memberCount: i32 = 0;
/** The closing brace. */
export let closingBrace: usize = 0;

/**
 * Checks a result.
 * @param p its opening brace
 * @param otherwise number of the version it is taken to be of where it does not say
 * @param targetVersion number of the version to print it in, should that have lists in another shape; NO_VERSION for none
 * @param collects whether addresses are noted
 * @returns the address after it
 */
export function checkResult(p: usize, otherwise: i32, targetVersion: i32, collects: bool): usize {
  resultStart = p;
  if (!findVersion(p, otherwise)) return 0;
  let once = true;
  while (true) {
    purpose = collects && shape != SHAPE_FAMILIES ? Purpose.COLLECT : Purpose.CHECK;
    if (targetVersion != NO_VERSION && shape != SHAPE_FAMILIES) {
      const target = shapeOf(targetVersion);
      if (target != shape && target != SHAPE_FAMILIES) {
        purpose = Purpose.PRINT;
        if (!startResult(targetVersion)) return 0;
      }
    }
    const end = checkMembers(p, once);
    if (end) return collects && shape == SHAPE_FAMILIES && !collectFamilies() ? 0 : end;
    if (!isVersionTwice) return 0;
    // A second cniVersion, which is the one that counts: find the last before anything is read by it.
    if (!findLastVersion(p, otherwise)) return 0;
    once = false;
  }
}

/**
 * Checks a whole input that is a result, null or nothing, and has its addresses noted.
 * @returns false, after fail(), if it is none of these
 */
export function collectResult(result: usize, length: usize): bool {
  terminate(result, length);
  const end = result + length;
  const start = skipBlanks(result);
  forgetCollections();
  interfaceCount = 0;
  dnsAt = 0;
  if (start >= end) return true;
  if (isNull(start)) return finish(start + 4, end);
  if (load<u8>(start) != Character.OPEN_BRACE) return refuseInput(start, end);
  // A result of the newest version has all that any has.
  return finish(checkResult(start, NEWEST_VERSION, NO_VERSION, true), end);
}

/** The use at the moment. */
export let purpose: Purpose = Purpose.CHECK;

/** The opening brace of the result. */
let resultStart: usize = 0;

/** A second cniVersion was met, which stopped checkMembers. */
let isVersionTwice: bool = false;

/** Where the members begin that are still to be checked: mostly after the version, which comes first. */
let afterVersion: usize = 0;

/** Finds the version the result is to be read as: mostly in its first member. */
function findVersion(p: usize, otherwise: i32): usize {
  afterVersion = 0;
  const first = enterObject(p);
  if (isMember(first)) {
    const value = readField(first, Kind.RESULT);
    if (field == Field.CNI_VERSION) {
      afterVersion = nextMember(takeVersion(value));
      return afterVersion ? useVersion(otherwise) : 0;
    }
  }
  return findLastVersion(p, otherwise);
}

/** Finds the version by looking at every member; the last of several counts. */
function findLastVersion(p: usize, otherwise: i32): usize {
  afterVersion = 0;
  versionAt = 0;
  version = NO_VERSION;
  p = enterObject(p);
  while (isMember(p)) {
    const value = readField(p, Kind.RESULT);
    p = nextMember(field == Field.CNI_VERSION ? takeVersion(value) : skipValue(value, 1));
  }
  return p ? useVersion(otherwise) : 0;
}

/** Takes the value of a cniVersion member. As libcni has it, one that is no string says nothing. */
function takeVersion(p: usize): usize {
  const isText = load<u8>(p) == Character.QUOTE;
  const end = isText ? readText(p, Field.CNI_VERSION, 1) : skipValue(p, 1);
  if (!end) return 0;
  version = isText ? readVersion(startOf(Field.CNI_VERSION), end) : NO_VERSION;
  versionAt = p;
  versionEnd = end;
  return end;
}

/** Settles what the result is read as. */
function useVersion(otherwise: i32): usize {
  versionIsSaid = version != NO_VERSION;
  if (!versionIsSaid) version = otherwise;
  if (version == UNKNOWN_VERSION) {
    return versionIsSaid
      ? fail(Status.UNSUPPORTED_VERSION, versionAt)
      : fail(Status.UNSUPPORTED_CONFIG_VERSION, resultStart);
  }
  shape = shapeOf(version);
  return 1;
}

/**
 * Checks the members of a result.
 * @param once stop at a second cniVersion
 */
function checkMembers(p: usize, once: bool): usize {
  interfacesAt = 0;
  interfaceCount = 0;
  dnsAt = 0;
  ip4At = 0;
  ip6At = 0;
  noRoutes(routes);
  noRoutes(routes4);
  noRoutes(routes6);
  memberCount = 0;
  isVersionTwice = false;

  const hasLists = shape != SHAPE_FAMILIES;
  if (afterVersion) {
    p = afterVersion;
    memberCount = 1;
  } else {
    p = enterObject(p);
  }
  while (isMember(p)) {
    const value = readField(p, Kind.RESULT);
    const isOfOtherShape = hasLists ? field > Field.DNS : field > Field.CNI_VERSION && field < Field.DNS;
    let end: usize = 0;
    switch (isOfOtherShape ? Field.UNKNOWN : field) {
      case Field.CNI_VERSION:
        if (once && value != versionAt) {
          isVersionTwice = true;
          return 0;
        }
        // Its value is known.
        end = skipValue(value, 1);
        break;
      case Field.DNS:
        dnsAt = value;
        end = isNull(value) ? value + 4 : readObject(value, Kind.DNS, 1);
        if (purpose == Purpose.PRINT && end && !isNull(value) && !printDns(end - value)) return 0;
        break;
      case Field.INTERFACES:
        interfacesAt = isList(value) ? value : 0;
        end = checkList(value, Field.INTERFACES, interfaceKind(shape), 1);
        interfaceCount = elements;
        break;
      case Field.IPS:
        ip4At = 0;
        ip6At = 0;
        end = checkList(value, Field.IPS, ipKind(shape), 1);
        break;
      case Field.ROUTES:
        routes.key = fieldKey;
        routes.seen++;
        end = checkRoutes(value, routes, 1);
        break;
      case Field.IP4:
        end = checkFamily(value, 4);
        break;
      case Field.IP6:
        end = checkFamily(value, 6);
        break;
      default:
        end = skipValue(value, 1);
    }
    memberCount++;
    p = nextMember(end);
  }
  closingBrace = p;
  return leave(p);
}

@inline
function isList(p: usize): bool {
  return load<u8>(p) == Character.OPEN_BRACKET;
}

/** The elements of the list in hand that have been read; of routes, those that are not removed. */
let elements: u32 = 0;
/** Routes that are removed. */
let removed: u32 = 0;

/** Checks a list of objects, or null. */
function checkList(list: usize, ofField: Field, kind: Kind, depth: i32): usize {
  elements = 0;
  removed = 0;
  const collects = purpose == Purpose.COLLECT && ofField != Field.INTERFACES;
  if (collects) startCollection(ofField);
  let end: usize = 0;
  if (isList(list)) {
    let p = enterArray(list);
    while (isElement(p)) {
      end = readObject(p, kind, depth + 1);
      if (!end || !takeElement(ofField, p, end)) return 0;
      p = nextElement(end);
    }
    end = leave(p);
  } else {
    end = isNull(list) ? list + 4 : wrongType(Status.NOT_AN_ARRAY, list, depth);
  }
  if (!end || (collects && !endCollection())) return 0;
  if (purpose == Purpose.PRINT) {
    if (ofField != Field.ROUTES) endList(ofField, elements == 0);
    else if (!endRoutes(elements == 0)) return 0;
  }
  return end;
}

/** Takes the element read last for what the result is checked for. */
@inline
function takeElement(ofField: Field, p: usize, end: usize): bool {
  if (ofField == Field.IPS) {
    if (addressFamily == 6) ip6At = ip6At ? ip6At : p;
    else ip4At = ip4At ? ip4At : p;
    if (purpose == Purpose.COLLECT && !collectAddress()) return false;
  } else if (ofField == Field.ROUTES) {
    if (purpose == Purpose.COLLECT) return collectGateway();
    if (isRemoved()) {
      removed++;
      return true;
    }
  }
  if (purpose == Purpose.PRINT && !printElement(ofField, end - p, elements == 0)) return false;
  elements++;
  return true;
}

function noRoutes(member: Routes): void {
  member.key = 0;
  member.value = 0;
  member.kept = 0;
  member.seen = 0;
}

function checkRoutes(list: usize, member: Routes, depth: i32): usize {
  member.value = list;
  member.end = checkList(list, Field.ROUTES, Kind.ROUTE, depth);
  member.kept = elements;
  member.removed = removed;
  return member.end;
}

/** Checks ip4 or ip6. As libcni has it, an address of the other family is one too. */
function checkFamily(p: usize, family: i32): usize {
  const isNothing = isNull(p);
  const member = family == 4 ? routes4 : routes6;
  if (family == 4) ip4At = isNothing ? 0 : p;
  else ip6At = isNothing ? 0 : p;
  noRoutes(member);
  if (isNothing) return p + 4;
  const end = readObject(p, Kind.FAMILY, 1);
  const list = startOf(Field.FAMILY_ROUTES);
  if (!end || !list) return end;
  member.key = endOf(Field.FAMILY_ROUTES);
  member.seen = familyRoutesSeen;
  return checkRoutes(list, member, 2) ? end : 0;
}

/** Notes the addresses of ip4 and ip6, and the gateways of their default routes: of ip4 first, however they are written. */
function collectFamilies(): bool {
  startCollection(Field.IPS);
  if (ip4At && !collectFamily(ip4At)) return false;
  if (ip6At && !collectFamily(ip6At)) return false;
  if (!endCollection()) return false;
  startCollection(Field.ROUTES);
  if (ip4At && !collectRoutes(routes4)) return false;
  if (ip6At && !collectRoutes(routes6)) return false;
  return endCollection();
}

function collectFamily(p: usize): bool {
  readObject(p, Kind.FAMILY, 1);
  return collectAddress();
}

function collectRoutes(member: Routes): bool {
  if (!member.value || !isList(member.value)) return true;
  let p = enterArray(member.value);
  while (isElement(p)) {
    p = nextElement(readObject(p, Kind.ROUTE, 2));
    if (!collectGateway()) return false;
  }
  return true;
}

/** The kind of an element of `interfaces` in a shape. */
export function interfaceKind(shape: i32): Kind {
  return shape == SHAPE_CURRENT ? Kind.INTERFACE : Kind.OLD_INTERFACE;
}

/** The kind of an element of `ips` in a shape. */
export function ipKind(shape: i32): Kind {
  return shape == SHAPE_CURRENT ? Kind.IP : Kind.OLD_IP;
}
