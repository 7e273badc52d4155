/**
 * The results of all delegates of a pod, aggregated into network-status: a list with an entry for each interface that a pod
 * got (k8s.v1.cni.cncf.io/network-status of the NPWG multi-network specification, as Go multus writes it), and one for each
 * delegate whose result lists none of the pod: with the interface asked for (5.1.1 there).
 */

import { Character } from "../json/characters";
import { enterArray, finish, isElement, nextElement, skipBlanks, skipValue } from "../json/scan";
import { writeByte, writeBytes, writeDecimal, writeString, writeText } from "../json/write";
import { allocate, fail, failure, MAX_OUTPUT, openEnd, succeed, terminate } from "../memory";
import {
  Address,
  ADDRESS_SIZE,
  addresses,
  addressesEnd,
  ELSEWHERE,
  forgetCollections,
  gateways,
  gatewaysEnd,
  NO_PLACE,
  writeAddressOf,
  writeGatewayOf,
} from "../result/addresses";
import { checkResult, dnsAt, interfaceCount, interfaceKind, interfacesAt, shape } from "../result/check";
import { goOn, makeRoom, out, startOutput } from "../result/output";
import { writeDns } from "../result/print";
import { endOf, Field, isNull, Kind, startOf } from "../result/fields";
import { readObject, refuseInput } from "../result/readers";
import { NEWEST_VERSION, NO_VERSION } from "../result/versions";
import { Status } from "../status";
import { layOut } from "./layout";

/** One input as the host writes it: the nine words of StatusInput. */
@unmanaged
class Input {
  name: usize;
  nameLength: usize;
  /** The interface asked for; its length is 0 if that is not known. */
  ifName: usize;
  ifNameLength: usize;
  result: usize;
  resultLength: usize;
  /** Its length is 0 if there is none. */
  deviceInfo: usize;
  deviceInfoLength: usize;
  /** 1 for the cluster network. */
  isDefault: u32;
}

/** Where the parts of an input's result are, and its device info: addresses, 0 where there is none. */
@unmanaged
class Parts {
  shape: i32;
  interfaces: usize;
  interfaceCount: u32;
  /** Lists of Address: those of the interfaces, and the gateways of default routes. */
  addresses: usize;
  addressesEnd: usize;
  gateways: usize;
  gatewaysEnd: usize;
  dns: usize;
  deviceInfo: usize;
  deviceInfoEnd: usize;
}

/** One interface of a result that has several. */
@unmanaged
class Place {
  /** Its addresses, in the order of the result. */
  firstAddress: usize;
  lastAddress: usize;
  /** The pod's, not the host's. */
  isListed: u32;
}

/** Place of the interface that is the pod's default one; 0 if it is none of these. */
let defaultPlace: usize = 0;

/** The separator before the next entry. */
let separator: u32 = Character.OPEN_BRACKET;

/** The printed end of all entries of one input (DNS, device info, gateways). */
let tail: usize = 0;
let tailEnd: usize = 0;

/** See Kernels.networkStatus in src/kernels/index.ts. */
export function networkStatus(inputs: usize, count: u32, longest: u32): Status {
  const allParts = allocate(count * offsetof<Parts>());
  if (!allParts) return failure();
  let mostInterfaces: u32 = 1;
  for (let index: u32 = 0; index < count; index++) {
    const parts = changetype<Parts>(allParts + index * offsetof<Parts>());
    if (!takeApart(changetype<Input>(inputs + index * offsetof<Input>()), parts)) return failure();
    mostInterfaces = max(mostInterfaces, parts.interfaceCount);
  }
  // With one interface there is nothing to be put in order.
  const places = mostInterfaces > 1 ? allocate(<usize>mostInterfaces * offsetof<Place>()) : 1;
  if (!places) return failure();

  startOutput();
  const list = out;
  separator = Character.OPEN_BRACKET;
  for (let index: u32 = 0; index < count; index++) {
    const input = changetype<Input>(inputs + index * offsetof<Input>());
    const parts = changetype<Parts>(allParts + index * offsetof<Parts>());
    tail = 0;
    if (parts.interfaceCount == 1) {
      if (!writeOnly(input, parts)) return failure();
    } else if (parts.interfaceCount == 0 || !placeAddresses(input, parts, places)) {
      if (!writeUnlisted(input, parts)) return failure();
    } else if (!writeEach(input, parts, list, places)) {
      return failure();
    }
    if (!hasRoom(list)) return failure();
  }
  if (!makeRoom(0)) return failure();
  if (separator == Character.OPEN_BRACKET) goOn(writeByte(out, separator));
  goOn(writeByte(out, Character.CLOSE_BRACKET));
  // Asked for in one line.
  if (longest == 0) return succeed(list, out - list);
  if (!allocate(out - list)) return failure();
  const layout = openEnd();
  const layoutEnd = layOut(list, out, longest);
  return layoutEnd ? succeed(layout, layoutEnd - layout) : succeed(list, out - list);
}

/** Checks an input and notes where its parts are. */
function takeApart(input: Input, parts: Parts): bool {
  parts.deviceInfo = 0;
  if (input.deviceInfoLength != 0 && !takeDeviceInfo(input, parts)) return false;
  terminate(input.result, input.resultLength);
  const end = input.result + input.resultLength;
  const start = skipBlanks(input.result);
  forgetCollections();
  parts.interfaceCount = 0;
  parts.addresses = 0;
  parts.addressesEnd = 0;
  parts.gateways = 0;
  parts.gatewaysEnd = 0;
  parts.dns = 0;
  if (start >= end) return true;
  if (isNull(start)) return finish(start + 4, end);
  if (load<u8>(start) != Character.OPEN_BRACE) return refuseInput(start, end);
  // A result of the newest version has all that any has.
  const objectEnd = checkResult(start, NEWEST_VERSION, NO_VERSION, true);
  if (!objectEnd || !finish(objectEnd, end)) return false;
  parts.shape = shape;
  parts.interfaces = interfacesAt;
  parts.interfaceCount = interfaceCount;
  parts.addresses = addresses;
  parts.addressesEnd = addressesEnd;
  parts.gateways = gateways;
  parts.gatewaysEnd = gatewaysEnd;
  parts.dns = dnsAt && !isNull(dnsAt) ? dnsAt : 0;
  return true;
}

function takeDeviceInfo(input: Input, parts: Parts): bool {
  terminate(input.deviceInfo, input.deviceInfoLength);
  const end = input.deviceInfo + input.deviceInfoLength;
  const start = skipBlanks(input.deviceInfo);
  if (load<u8>(start) != Character.OPEN_BRACE) return refuseInput(start, end);
  const objectEnd = skipValue(start, 0);
  if (!objectEnd || !finish(objectEnd, end)) return false;
  parts.deviceInfo = start;
  parts.deviceInfoEnd = objectEnd;
  return true;
}

/** The output must not grow without limit: with several interfaces it may be far longer than the inputs. */
function hasRoom(list: usize): bool {
  if (out - list <= MAX_OUTPUT) return true;
  fail(Status.OUTPUT_TOO_LARGE, 0);
  return false;
}

/** Prints the entry of a result's only interface: all addresses are its own. */
function writeOnly(input: Input, parts: Parts): bool {
  readObject(enterArray(parts.interfaces), interfaceKind(parts.shape), 2);
  const isPod = startOf(Field.SANDBOX) != 0;
  if (!startEntry(input, isPod)) return false;
  return writeAll(parts) && endEntry(input, parts, isPod, input.isDefault != 0);
}

/** Prints the entry of a result that lists no interface of the pod: all addresses are those of the interface asked for. */
function writeUnlisted(input: Input, parts: Parts): bool {
  if (!startEntry(input, false)) return false;
  if (input.ifNameLength != 0) {
    if (!makeRoom(6 * input.ifNameLength)) return false;
    const to = writeText(out, ',"interface":');
    goOn(writeString(to, input.ifName, input.ifName + input.ifNameLength));
  }
  return writeAll(parts) && endEntry(input, parts, false, input.isDefault != 0);
}

/** Prints all addresses of a result as `ips`. */
function writeAll(parts: Parts): bool {
  let isFirst = true;
  for (let address = parts.addresses; address < parts.addressesEnd; address += ADDRESS_SIZE) {
    if (!writeAddress(changetype<Address>(address), isFirst)) return false;
    isFirst = false;
  }
  if (!isFirst) goOn(writeByte(out, Character.CLOSE_BRACKET));
  return true;
}

/** Prints an entry for each of the pod's interfaces of a result that has several, after placeAddresses. */
function writeEach(input: Input, parts: Parts, list: usize, places: usize): bool {
  const kind = interfaceKind(parts.shape);
  let place = places;
  let p = enterArray(parts.interfaces);
  while (isElement(p)) {
    const end = readObject(p, kind, 2);
    if (changetype<Place>(place).isListed) {
      if (!startEntry(input, true)) return false;
      let isFirst = true;
      let address = changetype<Place>(place).firstAddress;
      while (address) {
        if (!writeAddress(changetype<Address>(address), isFirst)) return false;
        isFirst = false;
        address = changetype<Address>(address).next;
      }
      if (!isFirst) goOn(writeByte(out, Character.CLOSE_BRACKET));
      if (!endEntry(input, parts, true, place == defaultPlace) || !hasRoom(list)) return false;
    }
    place += offsetof<Place>();
    p = nextElement(end);
  }
  return true;
}

/**
 * Finds out which addresses each interface has, and the place of the one that is the pod's default: `defaultPlace`. An address that does not say its interface
 * is the last one's; one that names a place that is not there is none's.
 * @returns false: none of the interfaces is the pod's
 */
function placeAddresses(input: Input, parts: Parts, places: usize): bool {
  defaultPlace = 0;
  let first: usize = 0;
  let last: usize = 0;
  let place = places;
  let p = enterArray(parts.interfaces);
  const kind = interfaceKind(parts.shape);
  while (isElement(p)) {
    p = nextElement(readObject(p, kind, 2));
    const isListed = startOf(Field.SANDBOX) != 0;
    changetype<Place>(place).firstAddress = 0;
    changetype<Place>(place).isListed = isListed;
    if (isListed) {
      if (!first) first = place;
      last = place;
    }
    place += offsetof<Place>();
  }
  if (!first) return false;

  let withGateway: usize = 0;
  for (let at = parts.addresses; at < parts.addressesEnd; at += ADDRESS_SIZE) {
    const address = changetype<Address>(at);
    if (address.place == ELSEWHERE || address.place >= <i32>parts.interfaceCount) continue;
    const ownAt = address.place == NO_PLACE ? last : places + <usize>address.place * offsetof<Place>();
    const own = changetype<Place>(ownAt);
    if (!own.isListed) continue;
    address.next = 0;
    if (own.firstAddress) changetype<Address>(own.lastAddress).next = at;
    else own.firstAddress = at;
    own.lastAddress = at;
    if (address.place >= 0 && address.hasGateway && !withGateway) withGateway = ownAt;
  }
  if (input.isDefault) defaultPlace = withGateway ? withGateway : first;
  return true;
}

/** Prints an entry up to its addresses. The interface has just been read. */
function startEntry(input: Input, isPod: bool): bool {
  if (!makeRoom(6 * input.nameLength + (endOf(Field.NAME) - startOf(Field.NAME)))) return false;
  let to = writeText(writeByte(out, separator), '{"name":');
  separator = Character.COMMA;
  to = writeString(to, input.name, input.name + input.nameLength);
  if (isPod && startOf(Field.NAME)) {
    to = writeBytes(writeText(to, ',"interface":'), startOf(Field.NAME), endOf(Field.NAME));
  }
  goOn(to);
  return true;
}

/** Prints an address as an element of `ips`. */
function writeAddress(address: Address, isFirst: bool): bool {
  if (!makeRoom(0)) return false;
  goOn(writeAddressOf(address, isFirst ? writeText(out, ',"ips":[') : writeByte(out, Character.COMMA)));
  return true;
}

/** Prints the rest of an entry. The interface is still the one read last. */
function endEntry(input: Input, parts: Parts, isPod: bool, isDefault: bool): bool {
  if (!makeRoom(endOf(Field.MAC) - startOf(Field.MAC))) return false;
  let to = out;
  if (isPod) {
    if (startOf(Field.MAC)) to = writeBytes(writeText(to, ',"mac":'), startOf(Field.MAC), endOf(Field.MAC));
    if (startOf(Field.MTU)) to = writeBytes(writeText(to, ',"mtu":'), startOf(Field.MTU), endOf(Field.MTU));
  }
  if (isDefault) to = writeText(to, ',"default":true');
  goOn(to);
  if (tail) {
    if (!makeRoom(tailEnd - tail)) return false;
    goOn(writeBytes(out, tail, tailEnd));
  } else {
    tail = out;
    if (!writeTail(parts)) return false;
    tailEnd = out;
  }
  goOn(writeByte(out, Character.CLOSE_BRACE));
  return true;
}

/** Prints what all entries of an input have in common. */
function writeTail(parts: Parts): bool {
  if (parts.dns) {
    const end = readObject(parts.dns, Kind.DNS, 1);
    if (!makeRoom(end - parts.dns)) return false;
    goOn(writeDns(writeText(out, ',"dns":')));
  } else {
    goOn(writeText(out, ',"dns":{}'));
  }
  const deviceInfo = parts.deviceInfo;
  if (deviceInfo) {
    if (!makeRoom(parts.deviceInfoEnd - deviceInfo)) return false;
    goOn(writeBytes(writeText(out, ',"device-info":'), deviceInfo, parts.deviceInfoEnd));
  }
  if (parts.gateways == parts.gatewaysEnd) return true;
  let isFirst = true;
  for (let gateway = parts.gateways; gateway < parts.gatewaysEnd; gateway += ADDRESS_SIZE) {
    if (!makeRoom(0)) return false;
    const to = isFirst ? writeText(out, ',"gateway":[') : writeByte(out, Character.COMMA);
    goOn(writeGatewayOf(changetype<Address>(gateway), to));
    isFirst = false;
  }
  goOn(writeByte(out, Character.CLOSE_BRACKET));
  return true;
}
