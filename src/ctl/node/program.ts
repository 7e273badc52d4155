/** The installed programs, and the test whether a file of a node is one of them, of any release and architecture. */

import { closeSync, lstatSync, openSync, readSync } from "node:fs";
import { multusPluginNames } from "../../multus/input/own-plugin.ts";
import { passthruType } from "../../multus/plan/passthru.ts";
import { UserError } from "../command/user-error.ts";

/** In Go's and Kubernetes' terms. */
export type Architecture = "amd64" | "arm64";

export const architectures: readonly Architecture[] = ["amd64", "arm64"];

/** This machine's; undefined if there is no plugin binary for it. */
export function ownArchitecture(): Architecture | undefined {
  if (process.arch === "x64") return "amd64";
  return process.arch === "arm64" ? "arm64" : undefined;
}

/** This machine's. @throws {UserError} if there is no plugin binary for it */
export function thisArchitecture(): Architecture {
  const architecture = ownArchitecture();
  if (architecture !== undefined) return architecture;
  throw new UserError(
    `there is no plugin binary for ${process.arch}`,
    `there are some for ${architectures.join(" and ")}`,
  );
}

/** `multus`: the plugin binary, under any name; `multusd`: the daemon as one executable file. */
export type ProgramName = "multus" | "multusd";

export const daemonName = "multusd";

/** The names that the plugin binary gets: Multus's, and that of the plugin which Go multus's installer puts beside it. Its name decides what it does. */
export const installedPluginNames: readonly string[] = [...multusPluginNames, passthruType];

/** Text that every release of a program has in it, and no other program. */
const marks: Readonly<Record<ProgramName, string>> = {
  multus: "(multus-wasm): CNI plugin",
  multusd: ": the Multus daemon",
};

/** The release of the plugin binary, in what it prints for --version; undefined for what no plugin binary of ours prints. */
export function releaseIn(about: string): string | undefined {
  return /^(?:multus|passthru) (\S+) \(multus-wasm\)/.exec(about)?.[1];
}

/** ELF: magic number, and where a little-endian file's header says what machine it is for (System V ABI). */
const elfMagic = Buffer.from("\x7fELF", "latin1");
const machineOffset = 18;
const machines: ReadonlyMap<number, Architecture> = new Map([
  [62, "amd64"],
  [183, "arm64"],
]);

const chunkBytes = 1 << 16;

/** @returns undefined for what is no program of a machine, or one of another machine @throws {Error} of node:fs */
export function architectureOf(path: string): Architecture | undefined {
  const machine = machineOf(path);
  return machine === undefined ? undefined : machines.get(machine);
}

/** ELF's number of the machine that a program is for; undefined for what is no program of a machine. @throws {Error} of node:fs */
export function machineOf(path: string): number | undefined {
  const header = firstBytes(path, machineOffset + 2);
  if (header.length < machineOffset + 2 || !isElf(header)) return undefined;
  return header.readUInt16LE(machineOffset);
}

/**
 * Is this file one of our programs? A symbolic link does not count: installers write files.
 * @throws {Error} of node:fs, also where there is no file
 */
export function isOurs(path: string, program: ProgramName): boolean {
  if (!lstatSync(path).isFile() || !isElf(firstBytes(path, elfMagic.length))) return false;
  const mark = Buffer.from(marks[program]);
  let seen = Buffer.alloc(0);
  for (const chunk of chunksOf(path)) {
    seen = Buffer.concat([seen, chunk]);
    if (seen.includes(mark)) return true;
    // The mark may begin in one chunk and end in the next.
    seen = seen.subarray(-mark.length);
  }
  return false;
}

/** Have two files the same content? They are compared a piece at a time: the daemon's executable is larger than the memory that an installer may have. @throws {Error} of node:fs */
export function haveSameContent(first: string, second: string): boolean {
  const others = chunksOf(second);
  try {
    for (const chunk of chunksOf(first)) {
      const other = others.next();
      if (other.done || !chunk.equals(other.value)) return false;
    }
    return others.next().done === true;
  } finally {
    // Closes the file where there is more of it.
    others.return(undefined);
  }
}

function isElf(header: Buffer): boolean {
  return header.subarray(0, elfMagic.length).equals(elfMagic);
}

function firstBytes(path: string, count: number): Buffer {
  const [chunk = Buffer.alloc(0)] = chunksOf(path);
  return chunk.subarray(0, count);
}

/** Each is valid until the next one is asked for; all but the last are equally long. */
function* chunksOf(path: string): Generator<Buffer, undefined> {
  const file = openSync(path, "r");
  try {
    const buffer = Buffer.alloc(chunkBytes);
    for (;;) {
      let length = 0;
      for (let read = -1; read !== 0 && length < buffer.length; length += read) {
        read = readSync(file, buffer, length, buffer.length - length, null);
      }
      if (length > 0) yield buffer.subarray(0, length);
      if (length < buffer.length) return;
    }
  } finally {
    closeSync(file);
  }
}
