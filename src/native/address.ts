/** IP and hardware addresses as bytes in network order: reading, printing, and the arithmetic of the plugins. */

import { isIPv4, isIPv6 } from "node:net";

/** An address with the length of its prefix in bits. */
export interface Cidr {
  readonly address: Uint8Array;
  readonly prefix: number;
}

/** The plugins count an IPv6 address below this many zero bytes as IPv4, or lose them when they add 1. */
const leadingBytes = 10;
const groups = 8;

/**
 * An address in the usual form of its family: without a zone, without an IPv4 part. undefined: none, or one of IPv6 that begins with 80 zero bits (loopback, mapped and compatible addresses), which
 * the plugins handle in ways of their own.
 */
export function parseAddress(text: string): Uint8Array | undefined {
  const address = anyAddress(text);
  return address === undefined || isSpecial(address) ? undefined : address;
}

/** `address/prefix`; undefined: none. The address as for parseAddress, or that of a default route. */
export function parseCidr(text: string): Cidr | undefined {
  const slash = text.indexOf("/");
  const address = slash < 0 ? undefined : anyAddress(text.slice(0, slash));
  const digits = text.slice(slash + 1);
  if (address === undefined || !/^(?:0|[1-9]\d{0,2})$/.test(digits)) return undefined;
  const prefix = Number(digits);
  if (prefix > address.length * 8) return undefined;
  const isDefault = prefix === 0 && address.every((byte) => byte === 0);
  return isSpecial(address) && !isDefault ? undefined : { address, prefix };
}

function isSpecial(address: Uint8Array): boolean {
  return address.length === 16 && address.subarray(0, leadingBytes).every((byte) => byte === 0);
}

function anyAddress(text: string): Uint8Array | undefined {
  if (isIPv4(text)) return Uint8Array.from(text.split("."), Number);
  if (!isIPv6(text) || /[%.]/.test(text)) return undefined;
  const [head = "", tail] = text.split("::");
  const before = head === "" ? [] : head.split(":");
  const after = tail === undefined || tail === "" ? [] : tail.split(":");
  const words = [...before, ...new Array<string>(groups - before.length - after.length).fill("0"), ...after];
  return Uint8Array.from(
    words.flatMap((hex) => {
      const value = Number.parseInt(hex, 16);
      return [value >> 8, value & 0xff];
    }),
  );
}

/** The text of an address; of IPv6 as RFC 5952 has it, which is Go's form too. */
export function addressText(address: Uint8Array): string {
  if (address.length === 4) return address.join(".");
  const words = Array.from({ length: groups }, (_, index) => word(address, index));
  let start = 0;
  let length = 0;
  for (let at = 0; at < groups; at += 1) {
    let end = at;
    while (end < groups && words[end] === 0) end += 1;
    if (end - at > length) [start, length] = [at, end - at];
    at = Math.max(at, end);
  }
  const hex = words.map((value) => value.toString(16));
  if (length < 2) return hex.join(":");
  return `${hex.slice(0, start).join(":")}::${hex.slice(start + length).join(":")}`;
}

function word(address: Uint8Array, index: number): number {
  return ((address[index * 2] ?? 0) << 8) | (address[index * 2 + 1] ?? 0);
}

/** `address/prefix`. */
export function cidrText({ address, prefix }: Cidr): string {
  return `${addressText(address)}/${prefix}`;
}

/** The address of the network: all bits behind the prefix are 0. */
export function networkAddress({ address, prefix }: Cidr): Uint8Array {
  return address.map((byte, index) => byte & maskByte(prefix, index));
}

/** The last address of the network: all bits behind the prefix are 1. */
export function lastAddress({ address, prefix }: Cidr): Uint8Array {
  return address.map((byte, index) => byte | (maskByte(prefix, index) ^ 0xff));
}

function maskByte(prefix: number, index: number): number {
  const bits = Math.min(8, Math.max(0, prefix - index * 8));
  return (0xff << (8 - bits)) & 0xff;
}

/** The address behind this one; undefined: this is the last of its family. */
export function nextAddress(address: Uint8Array): Uint8Array | undefined {
  const next = Uint8Array.from(address);
  for (let index = next.length - 1; index >= 0; index -= 1) {
    const byte = next[index] ?? 0;
    next[index] = byte + 1;
    if (byte < 0xff) return next;
  }
  return undefined;
}

/** Negative if `left` is the lower one of two addresses of a family. */
export function compareAddresses(left: Uint8Array, right: Uint8Array): number {
  return Buffer.compare(left, right);
}

export function isSameAddress(left: Uint8Array, right: Uint8Array): boolean {
  return Buffer.compare(left, right) === 0;
}

/** Six bytes in hexadecimal with colons; undefined: anything else, also another form that Go reads. */
export function parseMac(text: string): Uint8Array | undefined {
  if (!/^[0-9a-f]{2}(?::[0-9a-f]{2}){5}$/i.test(text)) return undefined;
  return Uint8Array.from(text.split(":"), (byte) => Number.parseInt(byte, 16));
}

/** As Go prints a hardware address. */
export function macText(mac: Uint8Array): string {
  return Array.from(mac, (byte) => byte.toString(16).padStart(2, "0")).join(":");
}
