/**
 * The results of all delegates of a pod, aggregated into network-status: a list with an entry for each interface that a pod
 * got (k8s.v1.cni.cncf.io/network-status of the NPWG multi-network specification, as Go multus writes it), and one for each
 * delegate whose result lists none of the pod: with the interface asked for (5.1.1 there).
 */

import { Character } from "../json/characters";
import { enterArray, finish, isElement, isNull, nextElement, skipBlanks, skipValue } from "../json/scan";
import { writeByte, writeBytes, writeString, writeText } from "../json/write";
import { allocate, fail, failure, MAX_OUTPUT, succeed, terminate } from "../memory";
import {
  Address,
  ADDRESS_SIZE,
  addresses,
  addressesEnd,
  ELSEWHERE,
  gateways,
  gatewaysEnd,
  NO_PLACE,
  writeAddressOf,
  writeGatewayOf,
} from "../result/addresses";
import { collectResult, dnsAt, interfaceCount, interfaceKind, interfacesAt, shape } from "../result/check";
import { goOn, makeRoom, out, startOutput } from "../result/output";
import { writeDns } from "../result/print";
import { endOf, Field, Kind, startOf } from "../result/fields";
import { readObject, refuseInput } from "../result/readers";
import { Status } from "../status";
import { chooseLines, MEMBERS, startLine, writeKey, writeValue } from "./layout";

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
  /** The DNS settings as they are printed, in one line. */
  dns: usize;
  dnsEnd: usize;
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

/** The first byte of the list, and the address that it may have reached after an entry. */
let list: usize = 0;
let limit: usize = 0;

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

  const done =
    (longest != 0 && print(inputs, count, allParts, places, longest)) ||
    print(inputs, count, allParts, places, 0);
  return done ? succeed(list, out - list) : failure();
}

/**
 * Prints the list.
 * @param longest bytes that it may have with lines; 0: in one line
 * @returns false, also without fail(): it would be longer
 */
function print(inputs: usize, count: u32, allParts: usize, places: usize, longest: u32): bool {
  startOutput();
  list = out;
  limit = list + (longest ? <usize>longest : MAX_OUTPUT);
  separator = Character.OPEN_BRACKET;
  chooseLines(longest != 0);
  for (let index: u32 = 0; index < count; index++) {
    const input = changetype<Input>(inputs + index * offsetof<Input>());
    const parts = changetype<Parts>(allParts + index * offsetof<Parts>());
    tail = 0;
    if (parts.interfaceCount == 1) {
      if (!writeOnly(input, parts)) return false;
    } else if (parts.interfaceCount == 0 || !placeAddresses(input, parts, places)) {
      if (!writeUnlisted(input, parts)) return false;
    } else if (!writeEach(input, parts, places)) {
      return false;
    }
    if (out > limit) {
      if (longest == 0) fail(Status.OUTPUT_TOO_LARGE, 0);
      return false;
    }
  }
  if (!makeRoom(0)) return false;
  if (separator == Character.OPEN_BRACKET) goOn(writeByte(out, separator));
  goOn(writeByte(out, Character.CLOSE_BRACKET));
  return longest == 0 || out <= limit;
}

/** Checks an input and notes where its parts are. */
function takeApart(input: Input, parts: Parts): bool {
  parts.deviceInfo = 0;
  if (input.deviceInfoLength != 0 && !takeDeviceInfo(input, parts)) return false;
  if (!collectResult(input.result, input.resultLength)) return false;
  parts.shape = shape;
  parts.interfaces = interfacesAt;
  parts.interfaceCount = interfaceCount;
  parts.addresses = addresses;
  parts.addressesEnd = addressesEnd;
  parts.gateways = gateways;
  parts.gatewaysEnd = gatewaysEnd;
  parts.dns = 0;
  if (!dnsAt || isNull(dnsAt)) return true;
  parts.dns = allocate(readObject(dnsAt, Kind.DNS, 1) - dnsAt);
  if (!parts.dns) return false;
  parts.dnsEnd = writeDns(parts.dns);
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
    goOn(writeString(startMember('"interface":'), input.ifName, input.ifName + input.ifNameLength));
  }
  return writeAll(parts) && endEntry(input, parts, false, input.isDefault != 0);
}

/** Prints all addresses of a result as `ips`. */
function writeAll(parts: Parts): bool {
  for (let address = parts.addresses; address < parts.addressesEnd; address += ADDRESS_SIZE) {
    if (!startElement('"ips":', address == parts.addresses)) return false;
    goOn(writeAddressOf(changetype<Address>(address), out));
  }
  endList(parts.addresses == parts.addressesEnd);
  return true;
}

/** Starts a member of an entry that is not its first. */
@inline
function startMember(key: string): usize {
  return writeKey(writeByte(out, Character.COMMA), key);
}

/** Starts an element of a list that is a member of an entry, and the list with its first. */
function startElement(key: string, isFirst: bool): bool {
  if (!makeRoom(0)) return false;
  const to = isFirst ? writeByte(startMember(key), Character.OPEN_BRACKET) : writeByte(out, Character.COMMA);
  goOn(startLine(to, MEMBERS + 1));
  return true;
}

@inline
function endList(isEmpty: bool): void {
  if (!isEmpty) goOn(writeByte(startLine(out, MEMBERS), Character.CLOSE_BRACKET));
}

/** Prints an entry for each of the pod's interfaces of a result that has several, after placeAddresses. */
function writeEach(input: Input, parts: Parts, places: usize): bool {
  const kind = interfaceKind(parts.shape);
  let place = places;
  let p = enterArray(parts.interfaces);
  while (isElement(p)) {
    const end = readObject(p, kind, 2);
    if (changetype<Place>(place).isListed) {
      if (!startEntry(input, true)) return false;
      const first = changetype<Place>(place).firstAddress;
      for (let address = first; address; address = changetype<Address>(address).next) {
        if (!startElement('"ips":', address == first)) return false;
        goOn(writeAddressOf(changetype<Address>(address), out));
      }
      endList(!first);
      if (!endEntry(input, parts, true, place == defaultPlace)) return false;
      // With several interfaces the output may be far longer than the inputs.
      if (out > limit) return true;
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
  const to = writeByte(writeByte(out, separator), Character.OPEN_BRACE);
  separator = Character.COMMA;
  goOn(writeString(writeKey(to, '"name":'), input.name, input.name + input.nameLength));
  if (isPod) writeField('"interface":', Field.NAME);
  return true;
}

/** Prints a field of the interface read last as a member, if it has it. */
@inline
function writeField(key: string, field: Field): void {
  if (startOf(field)) goOn(writeBytes(startMember(key), startOf(field), endOf(field)));
}

/** Prints the rest of an entry. The interface is still the one read last. */
function endEntry(input: Input, parts: Parts, isPod: bool, isDefault: bool): bool {
  if (!makeRoom(endOf(Field.MAC) - startOf(Field.MAC))) return false;
  if (isPod) {
    writeField('"mac":', Field.MAC);
    writeField('"mtu":', Field.MTU);
  }
  if (isDefault) goOn(writeText(startMember('"default":'), "true"));
  if (tail) {
    if (!makeRoom(tailEnd - tail)) return false;
    goOn(writeBytes(out, tail, tailEnd));
  } else {
    tail = out;
    if (!writeTail(parts)) return false;
    tailEnd = out;
  }
  goOn(writeByte(startLine(out, 0), Character.CLOSE_BRACE));
  return true;
}

/** Prints what all entries of an input have in common. */
function writeTail(parts: Parts): bool {
  if (parts.dns) {
    goOn(startMember('"dns":'));
    if (!writeValue(parts.dns, parts.dnsEnd, limit)) return false;
  } else {
    goOn(writeText(startMember('"dns":'), "{}"));
  }
  if (!makeRoom(0)) return false;
  if (parts.deviceInfo) {
    goOn(startMember('"device-info":'));
    if (!writeValue(parts.deviceInfo, parts.deviceInfoEnd, limit) || !makeRoom(0)) return false;
  }
  for (let gateway = parts.gateways; gateway < parts.gatewaysEnd; gateway += ADDRESS_SIZE) {
    if (!startElement('"gateway":', gateway == parts.gateways)) return false;
    goOn(writeGatewayOf(changetype<Address>(gateway), out));
  }
  endList(parts.gateways == parts.gatewaysEnd);
  return true;
}
