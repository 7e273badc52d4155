/** Addresses in ordinary TypeScript: the twin of assembly/net. */
import { isIPv4, isIPv6 } from "node:net";

/** An address taken apart. IPv4 written as IPv6 (::ffff:a.b.c.d) counts as IPv4, as in Go's net package. */
export interface Address {
  readonly family: 4 | 6;
  /** How Go prints it. */
  readonly text: string;
}

/** An address with a prefix length in bits of its family. */
export interface Cidr extends Address {
  readonly prefixLength: number;
}

/** Reads an IPv4 or IPv6 address; undefined if it is none. */
export function parseAddress(text: string): Address | undefined {
  if (isIPv4(text)) return { family: 4, text };
  if (!isIPv6(text) || text.includes("%")) return undefined;
  return canonicalIPv6(text);
}

/** Reads an address with a prefix length; undefined if it is none. */
export function parseCidr(text: string): Cidr | undefined {
  const slash = text.indexOf("/");
  if (slash < 0) return undefined;
  const length = text.slice(slash + 1);
  if (!/^(?:0|[1-9]\d{0,2})$/.test(length)) return undefined;
  const addressText = text.slice(0, slash);
  const address = parseAddress(addressText);
  if (address === undefined) return undefined;
  const writtenAsIPv6 = addressText.includes(":");
  const bits = Number(length);
  if (bits > (writtenAsIPv6 ? 128 : 32)) return undefined;
  const prefixLength = writtenAsIPv6 && address.family === 4 ? Math.max(0, bits - 96) : bits;
  return { ...address, prefixLength };
}

/** Prints a CIDR as Go does. */
export function printCidr(cidr: Cidr): string {
  return `${cidr.text}/${cidr.prefixLength}`;
}

/** RFC 5952 text of a valid IPv6 address; IPv4 for a mapped one. */
function canonicalIPv6(text: string): Address {
  const groups = groupsOf(text);
  if (groups.slice(0, 5).every((group) => group === 0) && groups[5] === 0xffff) {
    const [high = 0, low = 0] = groups.slice(6);
    return { family: 4, text: `${high >> 8}.${high & 255}.${low >> 8}.${low & 255}` };
  }
  let gapStart = -1;
  let gapLength = 1;
  for (let index = 0; index < 8; index++) {
    let end = index;
    while (groups[end] === 0) end++;
    if (end - index > gapLength) {
      gapStart = index;
      gapLength = end - index;
    }
    index = Math.max(index, end);
  }
  const hex = groups.map((group) => group.toString(16));
  if (gapStart < 0) return { family: 6, text: hex.join(":") };
  const before = hex.slice(0, gapStart).join(":");
  const after = hex.slice(gapStart + gapLength).join(":");
  return { family: 6, text: `${before}::${after}` };
}

/** The eight groups of a valid IPv6 address. */
function groupsOf(text: string): number[] {
  const [before = "", after] = text.split("::");
  const head = numbersOf(before);
  if (after === undefined) return head;
  const tail = numbersOf(after);
  return [...head, ...new Array<number>(8 - head.length - tail.length).fill(0), ...tail];
}

function numbersOf(text: string): number[] {
  if (text === "") return [];
  return text.split(":").flatMap((group) => {
    if (!group.includes(".")) return [Number.parseInt(group, 16)];
    const [a = 0, b = 0, c = 0, d = 0] = group.split(".").map(Number);
    return [(a << 8) | b, (c << 8) | d];
  });
}
