/** The headers of an ELF file (64 bit, little-endian) that say how it is loaded (elf(5)). */

import { readFileSync } from "node:fs";

const loadable = 1;
const dynamic = 2;
const interpreter = 3;
const stack = 0x6474e551;
const readOnlyAfterRelocation = 0x6474e552;
const executable = 1;
const writable = 2;

const dynamicNull = 0;
const dynamicTextRelocations = 22;
const dynamicFlags = 30;
const dynamicFlags1 = 0x6ffffffb;
const bindNow = 8;
const now = 1;

export interface ElfFacts {
  /** ET_EXEC is always at the same address, ET_DYN anywhere. */
  readonly type: "ET_EXEC" | "ET_DYN" | "other";
  /** PT_INTERP: it needs a dynamic linker. */
  readonly hasInterpreter: boolean;
  /** PT_GNU_RELRO with BIND_NOW: all that start-up writes, the procedure linkage's table too, is read-only afterwards. */
  readonly hasFullRelro: boolean;
  readonly hasTextRelocations: boolean;
  /** Segments that are writable and executable; without PT_GNU_STACK the stack is one. */
  readonly writableAndExecutable: number;
}

interface Segment {
  readonly type: number;
  readonly flags: number;
  readonly offset: number;
  readonly size: number;
}

/** @throws {Error} for a file that is no 64 bit ELF */
export function elfFacts(path: string): ElfFacts {
  const file = readFileSync(path);
  if (file.toString("latin1", 0, 6) !== "\x7fELF\x02\x01")
    throw new Error(`${path} is no ELF file of 64 bit`);
  const [start, size, count] = [
    Number(file.readBigUInt64LE(32)),
    file.readUInt16LE(54),
    file.readUInt16LE(56),
  ];
  const segments: Segment[] = Array.from({ length: count }, (_, index) => {
    const at = start + index * size;
    return {
      type: file.readUInt32LE(at),
      flags: file.readUInt32LE(at + 4),
      offset: Number(file.readBigUInt64LE(at + 8)),
      size: Number(file.readBigUInt64LE(at + 32)),
    };
  });
  const entries = segments
    .filter(({ type }) => type === dynamic)
    .flatMap((segment) => dynamicEntries(file, segment));
  const flagsOf = (tag: number): bigint => entries.find(([own]) => own === tag)?.[1] ?? 0n;
  const isBoundNow =
    (flagsOf(dynamicFlags) & BigInt(bindNow)) !== 0n || (flagsOf(dynamicFlags1) & BigInt(now)) !== 0n;
  const has = (wanted: number) => segments.some(({ type }) => type === wanted);
  const isBoth = ({ flags }: Segment) => (flags & executable) !== 0 && (flags & writable) !== 0;
  return {
    type: file.readUInt16LE(16) === 2 ? "ET_EXEC" : file.readUInt16LE(16) === 3 ? "ET_DYN" : "other",
    hasInterpreter: has(interpreter),
    hasFullRelro: has(readOnlyAfterRelocation) && isBoundNow,
    hasTextRelocations: entries.some(([tag]) => tag === dynamicTextRelocations),
    writableAndExecutable:
      segments.filter((segment) => [loadable, stack].includes(segment.type) && isBoth(segment)).length +
      (has(stack) ? 0 : 1),
  };
}

function dynamicEntries(file: Buffer, { offset, size }: Segment): [number, bigint][] {
  const entries: [number, bigint][] = [];
  for (let at = offset; at < offset + size; at += 16) {
    const tag = Number(file.readBigInt64LE(at));
    if (tag === dynamicNull) break;
    entries.push([tag, file.readBigUInt64LE(at + 8)]);
  }
  return entries;
}
