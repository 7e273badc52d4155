/** Records of DELs as tests look at them, and make them: by the words of docs/wire.md, not by the shim's code. */

import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { crc32 } from "node:zlib";
import { Packr, Unpackr } from "msgpackr";

const magic = "MWSPOOL1";
const headerBytes = 16;

const packr = new Packr({ useRecords: false, variableMapSize: true });
const unpackr = new Unpackr({ useRecords: false });

/** The body of a record. */
export type RecordBody = Readonly<Record<string, unknown>>;

/** A DEL as it is recorded by a shim whose namespace nobody knew. */
export function recordBody(over: RecordBody = {}): RecordBody {
  return {
    command: "DEL",
    containerId: "recorded",
    netns: "",
    ifName: "eth0",
    args: "A=b",
    path: "/opt/cni/bin",
    traceparent: "",
    bootId: "",
    netnsDevice: 0,
    netnsInode: 0,
    netnsCookie: 0,
    config: Buffer.from("{}"),
    ...over,
  };
}

/** The content of a record's file around any bytes. */
export function recordAround(body: Uint8Array): Buffer {
  const header = Buffer.alloc(headerBytes);
  header.write(magic);
  header.writeUInt32BE(body.length, 8);
  header.writeUInt32BE(crc32(body), 12);
  return Buffer.concat([header, body]);
}

export function encodeRecord(body: RecordBody): Buffer {
  return recordAround(packr.pack(body));
}

/** @throws {Error} for what is no whole record */
export function decodeRecord(content: Buffer): RecordBody {
  const body = content.subarray(headerBytes);
  const head = [content.toString("latin1", 0, 8), content.readUInt32BE(8), content.readUInt32BE(12)];
  const expected = [magic, body.length, crc32(body)];
  if (head.join() !== expected.join()) throw new Error(`header ${head}, not ${expected}`);
  return unpackr.unpack(body);
}

/** The directory `.spool` of a cniDir. */
export class Spool {
  readonly directory: string;

  constructor(cniDir: string) {
    this.directory = join(cniDir, ".spool");
  }

  /** All names, in order; none where there is no directory. */
  names(): string[] {
    try {
      return readdirSync(this.directory).sort();
    } catch {
      return [];
    }
  }

  /** All files but those that begin with a dot as records, in order. @throws {Error} if one is none */
  records(): RecordBody[] {
    const names = this.names().filter((name) => !name.startsWith("."));
    return names.map((name) => decodeRecord(readFileSync(join(this.directory, name))));
  }

  path(name: string): string {
    return join(this.directory, name);
  }

  /** Puts a file there, whatever it is. */
  write(name: string, content: string | Uint8Array): void {
    mkdirSync(this.directory, { recursive: true, mode: 0o700 });
    writeFileSync(this.path(name), content, { mode: 0o600 });
  }

  /** Puts a whole record there. @param time the first part of its name, for the order @returns its name */
  add(time: number, over: RecordBody = {}, tries = 0): string {
    const body = recordBody(over);
    const name = `${String(time).padStart(16, "0")}-${String(tries).padStart(2, "0")}-${body.containerId}`;
    this.write(name, encodeRecord(body));
    return name;
  }
}
