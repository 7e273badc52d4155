/** A recorded DEL as bytes, as shims write it (docs/wire.md, "The directory"). No file is touched here. */

import type { NetnsIdentity } from "../../agent/executor.ts";
import { isBody } from "../../agent/frames.ts";
import { decodeExactMessagePack } from "../../agent/messagepack.ts";
import type { CniRequest } from "../../cni/request.ts";
import { checksum } from "./checksum.ts";

const magic = "MWSPOOL1";
const lengthAt = 8;
const checksumAt = 12;
const headerBytes = 16;
export const longestRecord = headerBytes + 8 * 1024 * 1024;
/** CNI_ARGS are among the first fields of a record. Of one whose other fields take more, the namespace is not known. */
export const recordHeadBytes = 8 * 1024;
/** Characters; /proc/sys/kernel/random/boot_id has 36. */
const longestBootId = 39;
/** Of the pair of CNI_ARGS that names the pod's namespace. */
const namespaceKey = "K8S_POD_NAMESPACE=";

const textKeys = [
  "command",
  "containerId",
  "netns",
  "ifName",
  "args",
  "path",
  "traceparent",
  "bootId",
] as const;
const numberKeys = ["netnsDevice", "netnsInode", "netnsCookie"] as const;
const allKeys: readonly string[] = [...textKeys, ...numberKeys, "config"];

/** A file is no record: the message says in a few words why, whatever its bytes are. */
export class RecordError extends Error {
  override readonly name = "RecordError";
}

export interface RecordedDel extends Omit<CniRequest, "canRecord" | "triesLeft"> {
  readonly command: "DEL";
  readonly traceparent: string;
  /** The namespace that `netns` led to; undefined: that is not known, and what is at the path now may be another one. */
  readonly identity: NetnsIdentity | undefined;
}

/**
 * Reads the content of a record's file.
 * @returns views into `content`
 * @throws {RecordError} where it is no record of this version
 */
export function decodeRecord(content: Buffer): RecordedDel {
  const fields = fieldsOf(bodyOf(content));
  const unknown = Object.keys(fields).find((key) => !allKeys.includes(key));
  if (unknown !== undefined) throw new RecordError("it has a key that no record has");
  const text = Object.fromEntries(textKeys.map((key) => [key, textIn(fields, key)])) as Record<
    (typeof textKeys)[number],
    string
  >;
  const [device, inode, cookie] = [
    numberIn(fields, "netnsDevice"),
    numberIn(fields, "netnsInode"),
    numberIn(fields, "netnsCookie"),
  ];
  const { command, bootId, ...request } = text;
  if (command !== "DEL") throw new RecordError("its `command` is not DEL");
  if (bootId.length > longestBootId) throw new RecordError("its `bootId` is none");
  const { config } = fields;
  if (!Buffer.isBuffer(config)) throw new RecordError("its `config` is not binary");
  // Without a cookie (a kernel before 5.14) an inode that is used again cannot be told from the old one.
  const identity = bootId === "" || cookie === 0n ? undefined : { bootId, device, inode, cookie };
  return { ...request, command, config, identity };
}

/** The body, if header, length and checksum fit it. @throws {RecordError} */
function bodyOf(content: Buffer): Buffer {
  if (content.length < headerBytes || content.toString("latin1", 0, magic.length) !== magic) {
    throw new RecordError(`it does not begin with ${magic}`);
  }
  const body = content.subarray(headerBytes);
  if (content.readUInt32BE(lengthAt) !== body.length) throw new RecordError("it is not as long as it says");
  if (content.readUInt32BE(checksumAt) !== checksum(body)) throw new RecordError("its checksum is wrong");
  return body;
}

/** @throws {RecordError} */
function fieldsOf(body: Buffer): Readonly<Record<string, unknown>> {
  let value: unknown;
  try {
    value = decodeExactMessagePack(body);
  } catch (error) {
    throw new RecordError("its body is not one MessagePack value", { cause: error });
  }
  if (!isBody(value)) throw new RecordError("its body is not a map");
  return value;
}

/** @throws {RecordError} */
function textIn(fields: Readonly<Record<string, unknown>>, key: string): string {
  const value = Object.hasOwn(fields, key) ? fields[key] : undefined;
  if (typeof value === "string" && !value.includes("\0")) return value;
  throw new RecordError(`its \`${key}\` is not a string without zero bytes`);
}

/** @throws {RecordError} */
function numberIn(fields: Readonly<Record<string, unknown>>, key: string): bigint {
  const value = Object.hasOwn(fields, key) ? fields[key] : undefined;
  if (typeof value === "bigint" && value >= 0n) return value;
  if (typeof value === "number" && Number.isSafeInteger(value) && value >= 0) return BigInt(value);
  throw new RecordError(`its \`${key}\` is not an unsigned integer`);
}

/** Would a replay do just what the request does, in the same network namespace? Traces do not matter, nor does the order of CNI_ARGS. */
export function isRecordOf(record: RecordedDel, request: CniRequest): boolean {
  return (
    request.command === record.command &&
    request.containerId === record.containerId &&
    request.netns === record.netns &&
    request.ifName === record.ifName &&
    inOneOrder(request.args) === inOneOrder(record.args) &&
    request.path === record.path &&
    Buffer.compare(request.config, record.config) === 0
  );
}

/** CNI_ARGS with their pairs sorted: containerd writes them in an order that changes from call to call. */
function inOneOrder(args: string): string {
  return args.split(";").sort().join(";");
}

/**
 * The pod's namespace in the first bytes of a record's file, of which nothing else is checked.
 * @param head at most the first `recordHeadBytes` bytes
 * @returns "" where it is not among them, or the record names none
 */
export function namespaceInHead(head: Buffer): string {
  try {
    const pairs = argsInHead(head)?.split(";") ?? [];
    return pairs.findLast((pair) => pair.startsWith(namespaceKey))?.slice(namespaceKey.length) ?? "";
  } catch {
    // It is cut off in the middle of a length.
    return "";
  }
}

/**
 * The value of `args` in a map that may be cut off behind it. Keys and values before it are short keys and strings in every record that a shim writes.
 * @throws {RangeError} where a length is cut off
 */
function argsInHead(head: Buffer): string | undefined {
  // The head of the map: a fixmap, or one with a length of 2 or 4 bytes.
  const form = head[headerBytes] ?? 0;
  let at = headerBytes + ((form & 0xf0) === 0x80 ? 1 : form === 0xde ? 3 : 5);
  for (;;) {
    const key = stringAt(head, at);
    if (key === undefined) return undefined;
    const value = stringAt(head, key.end);
    if (value === undefined || value.end > head.length) return undefined;
    if (head.toString("latin1", key.start, key.end) === "args")
      return head.toString("utf8", value.start, value.end);
    at = value.end;
  }
}

/** A MessagePack string: its bytes are from `start` to `end`. undefined: it is no string. @throws {RangeError} where the length is cut off */
function stringAt(bytes: Buffer, at: number): { readonly start: number; readonly end: number } | undefined {
  const form = bytes[at] ?? 0;
  if ((form & 0xe0) === 0xa0) return { start: at + 1, end: at + 1 + (form & 0x1f) };
  if (form === 0xd9) return { start: at + 2, end: at + 2 + bytes.readUInt8(at + 1) };
  if (form === 0xda) return { start: at + 3, end: at + 3 + bytes.readUInt16BE(at + 1) };
  if (form === 0xdb) return { start: at + 5, end: at + 5 + bytes.readUInt32BE(at + 1) };
  return undefined;
}
