/** libcni's result cache: `<cniDir>/results/<network>-<containerId>-<ifName>`, in Go's form both ways. */

import { join } from "node:path";
import { removeFile, removeFileThatIs, writeFileAtomically } from "../base/atomic-file.ts";
import { decodeBase64 } from "../base/base64.ts";
import { Slices } from "../base/directory.ts";
import { InputError, ioAction } from "../base/input-error.ts";
import { memberValue, objectMembers, wholeMembers } from "../base/json.ts";
import { openBrace } from "../base/json-bytes.ts";
import { readRegularFile } from "../base/regular-file.ts";
import { isMissingFile } from "../base/system-error.ts";
import type { Logger } from "../log/logger.ts";
import { configError } from "./errors.ts";
import type { FollowedDirectory } from "./followed-results.ts";
import {
  attachmentNameProblem,
  checkContainerId,
  checkIfName,
  checkNetworkName,
  ifNameProblem,
  isContainerId,
  maximalIfNameLength,
  networkNameProblem,
  resultFileName,
} from "./names.ts";
import { listedNamesOf, resultNames } from "./result-names.ts";

/** Which attachment. */
export interface AttachmentKey {
  readonly networkName: string;
  readonly containerId: string;
  readonly ifName: string;
}

export interface CachedAttachment extends AttachmentKey {
  /** The network's configuration as JSON text; empty if the file is of the old form (a bare result), or torn before it or in it. */
  readonly config: Uint8Array;
  /** "" if not known. */
  readonly netns: string;
  readonly args: readonly (readonly [string, string])[];
  /** A JSON object as text. */
  readonly capabilityArgs: Uint8Array | undefined;
  /** The last plugin's result as JSON text, in the version that it says. */
  readonly result: Uint8Array | undefined;
}

/** The directory of the cache within a cniDir. */
export const resultsDirectory = "results";

/** Value of `kind` in files of libcni's current form. */
const currentKind = "cniCacheV1";

/** Bytes of a file. A configuration and a result are some megabytes at most, and the configuration is there in base64. */
const maxFileSize = 16 * 1024 ** 2;

/** Files of one listing that are reported one by one; the others are only counted. */
export const reportedFiles = 20;

const nothing = new Uint8Array();

/** The cache of one cniDir. Single files are read and written synchronously, for the reason that writeFileAtomically gives. */
export class ResultCache {
  readonly #directory: string;
  readonly #log: Logger;
  readonly #followed: FollowedDirectory | undefined;

  /**
   * @param cniDir the netconf's cniDir; files are in its `results`
   * @param followed of that directory, to find what one container has; undefined: it is listed for that
   */
  constructor(cniDir: string, log: Logger, followed?: FollowedDirectory) {
    this.#directory = join(cniDir, resultsDirectory);
    this.#log = log;
    this.#followed = followed;
  }

  /**
   * Writes or replaces an entry, atomically.
   * @param attachment its JSON texts are written as they are
   * @throws {CniError} 5 the file system; 4 or 7 a name that is no file name
   */
  write(attachment: CachedAttachment): void {
    writeFileAtomically(this.#path(attachment), cacheText(attachment), this.#temporaryPath(attachment));
  }

  /** undefined: no such entry. A torn or foreign file gives what could be read, and is reported to the log. Never throws. */
  read(key: AttachmentKey): CachedAttachment | undefined {
    let path: string;
    try {
      path = this.#path(key);
    } catch {
      // Nothing was ever written under a name that is not allowed.
      return undefined;
    }
    const bytes = this.#readFile(path);
    return bytes === undefined ? undefined : { ...this.#decode(bytes, path), ...key };
  }

  /** Removes an entry; one that is not there is no error, nor one of a name that is too long for a file. @throws {CniError} 5; 4 or 7 a name that is no file name */
  remove(key: AttachmentKey): void {
    if (attachmentNameProblem(key.networkName, key.containerId, key.ifName) !== undefined) return;
    const path = this.#path(key);
    ioAction("remove", path, () => {
      removeFileThatIs(path);
      removeFile(this.#temporaryPath(key));
    });
  }

  /**
   * The entries of one container, in file name order: all that were there when this was called. Never throws.
   * @param known attachments whose entries are left out, unread
   */
  async list(containerId: string, known: readonly AttachmentKey[] = []): Promise<CachedAttachment[]> {
    const slices = new Slices();
    const attachments: CachedAttachment[] = [];
    const passedOver = new Set(known.map(fileName));
    for (const name of await this.#namesOf(containerId)) {
      if (passedOver.has(name)) continue;
      const attachment = this.readAs(name, containerId);
      // A copy of a file says that it is what the file is.
      if (attachment !== undefined && !passedOver.has(fileName(attachment))) {
        passedOver.add(fileName(attachment));
        attachments.push(attachment);
      }
      await slices.pause();
    }
    return attachments;
  }

  /**
   * All entries, in no order, each read when it is its turn; those that come or go meanwhile may be among them or not. Gives way to
   * other work. Never throws.
   * @param options.onUnknown told of files that do not say whose they are, or are not named after it; without it they are reported
   * @param options.mayBe files whose names cannot be those of such containers are left out, unread; default: all containers
   */
  async *entries(
    options: {
      readonly onUnknown?: (name: string) => void;
      readonly mayBe?: (containerId: string) => boolean;
    } = {},
  ): AsyncGenerator<CachedAttachment> {
    const { onUnknown, mayBe } = options;
    const log = new CountingLog(this.#log, reportedFiles);
    for await (const name of this.#allNames()) {
      if (mayBe !== undefined && !possibleContainers(name).some(mayBe)) continue;
      const path = join(this.#directory, name);
      const bytes = this.#readFile(path, log);
      if (bytes === undefined) continue;
      const decoded = this.#decode(bytes, path, log);
      if (isWholeKey(decoded) && fileName(decoded) === name) yield decoded;
      else if (onUnknown !== undefined) onUnknown(name);
      else log.error("result cache: it cannot be told whose file this is; leaving it", { file: path });
    }
    if (log.passedOver > 0) {
      this.#log.error("result cache: further files have such problems", {
        directory: this.#directory,
        count: log.passedOver,
      });
    }
  }

  /**
   * Reads a file as one of a container that its name says it may be of.
   * @param name of the file, with `-<containerId>-` in it
   * @returns undefined where the file is gone, or says that it is another container's. Never throws.
   */
  readAs(name: string, containerId: string): CachedAttachment | undefined {
    const path = join(this.#directory, name);
    const bytes = this.#readFile(path);
    if (bytes === undefined) return undefined;
    const decoded = { ...keyFromFileName(name, containerId), ...this.#decode(bytes, path) };
    return decoded.containerId === containerId ? decoded : undefined;
  }

  async #namesOf(containerId: string): Promise<string[]> {
    try {
      return await (this.#followed?.namesOf(containerId) ?? listedNamesOf(this.#directory, containerId));
    } catch (error) {
      this.#reportListing(error);
      return [];
    }
  }

  async *#allNames(): AsyncGenerator<string> {
    try {
      yield* resultNames(this.#directory);
    } catch (error) {
      this.#reportListing(error);
    }
  }

  #reportListing(error: unknown): void {
    this.#log.error("result cache: cannot list", { directory: this.#directory, error: String(error) });
  }

  #path(key: AttachmentKey): string {
    checkNetworkName(key.networkName, "result cache");
    checkContainerId(key.containerId);
    checkIfName(key.ifName);
    const problem = attachmentNameProblem(key.networkName, key.containerId, key.ifName);
    if (problem !== undefined) {
      throw configError(`result cache: ${problem}`);
    }
    return `${this.#directory}/${fileName(key)}`;
  }

  /** Without the network's name, which may be as long as a file name can be. An interface is in one network only. */
  #temporaryPath(key: AttachmentKey): string {
    return `${this.#directory}/.${key.containerId}-${key.ifName}`;
  }

  #readFile(path: string, log: Pick<Logger, "error"> = this.#log): Uint8Array | undefined {
    try {
      return readRegularFile(path, maxFileSize);
    } catch (error) {
      if (!isMissingFile(error)) log.error("result cache: cannot read", { file: path, error: String(error) });
      return undefined;
    }
  }

  #decode(
    bytes: Uint8Array,
    path: string,
    log: Pick<Logger, "error"> = this.#log,
  ): Omit<CachedAttachment, keyof AttachmentKey> & Partial<AttachmentKey> {
    let members: ReadonlyMap<string, Uint8Array>;
    try {
      members = objectMembers(bytes, path);
    } catch (error) {
      if (!(error instanceof InputError)) throw error;
      members = wholeMembers(bytes);
      log.error("result cache: torn file; going on with what is left of it", {
        file: path,
        error: error.message,
        left: [...members.keys()].join(","),
      });
      // Without a kind it may be the beginning of the old form, which is of no use torn.
      if (!members.has("kind")) return unknownAttachment;
    }
    if (!members.has("kind")) return { ...unknownAttachment, result: bytes };
    const kind = textMember(members, "kind");
    if (kind !== currentKind) {
      log.error("result cache: file of an unknown kind", { file: path, kind });
      return unknownAttachment;
    }
    return {
      ...ownKey(members),
      config: decodeBase64(textMember(members, "config") ?? "") ?? nothing,
      netns: textMember(members, "netns") ?? "",
      args: argsMember(members),
      capabilityArgs: objectMember(members, "capabilityArgs"),
      result: objectMember(members, "result"),
    };
  }
}

const unknownAttachment = {
  config: nothing,
  netns: "",
  args: [],
  capabilityArgs: undefined,
  result: undefined,
} satisfies Omit<CachedAttachment, keyof AttachmentKey>;

/** Go's order of keys. Empty values are left out, as Go does. */
function cacheText(attachment: CachedAttachment): Uint8Array {
  const { containerId, config, ifName, networkName, netns, args, capabilityArgs, result } = attachment;
  const head = {
    kind: currentKind,
    containerId,
    config: Buffer.from(config.buffer, config.byteOffset, config.byteLength).toString("base64"),
    ifName,
    networkName,
    ...(netns === "" ? {} : { netns }),
    ...(args.length === 0 ? {} : { cniArgs: args }),
  };
  const parts: Uint8Array[] = [Buffer.from(JSON.stringify(head).slice(0, -1))];
  if (capabilityArgs !== undefined) parts.push(Buffer.from(',"capabilityArgs":'), capabilityArgs);
  if (result !== undefined) parts.push(Buffer.from(',"result":'), result);
  parts.push(Buffer.from("}"));
  return Buffer.concat(parts);
}

function fileName({ networkName, containerId, ifName }: AttachmentKey): string {
  return resultFileName(networkName, containerId, ifName);
}

/** Ids that the name of a file may be read to have, the longest first: networks, ids and interfaces may all have dashes. */
export function possibleContainers(name: string): string[] {
  const ids: string[] = [];
  let end = name.lastIndexOf("-");
  for (; end > 0 && name.length - end - 1 <= maximalIfNameLength; end = name.lastIndexOf("-", end - 1)) {
    let start = name.indexOf("-", 1);
    for (; start >= 0 && start < end; start = name.indexOf("-", start + 1))
      ids.push(name.slice(start + 1, end));
  }
  return ids.sort((left, right) => right.length - left.length);
}

/** The attachment that a file of a known container is named after. */
function keyFromFileName(name: string, containerId: string): AttachmentKey {
  const middle = `-${containerId}-`;
  const at = name.lastIndexOf(middle);
  return { networkName: name.slice(0, at), containerId, ifName: name.slice(at + middle.length) };
}

/** Hands on the first errors and counts the others. */
class CountingLog {
  readonly #log: Logger;
  readonly #limit: number;
  #count = 0;

  constructor(log: Logger, limit: number) {
    this.#log = log;
    this.#limit = limit;
  }

  get passedOver(): number {
    return Math.max(0, this.#count - this.#limit);
  }

  error: Logger["error"] = (message, fields) => {
    this.#count += 1;
    if (this.#count <= this.#limit) this.#log.error(message, fields);
  };
}

function ownKey(members: ReadonlyMap<string, Uint8Array>): Partial<AttachmentKey> {
  const keys = ["networkName", "containerId", "ifName"] as const;
  const texts = keys.map((key) => [key, textMember(members, key)] as const);
  return Object.fromEntries(texts.filter(([, text]) => text !== undefined));
}

/** Only names that are allowed: no other attachment was ever written. */
function isWholeKey(attachment: Partial<CachedAttachment>): attachment is CachedAttachment {
  const { networkName, containerId, ifName } = attachment;
  if (networkName === undefined || containerId === undefined || ifName === undefined) return false;
  return (
    networkNameProblem(networkName) === undefined &&
    isContainerId(containerId) &&
    ifNameProblem(ifName) === undefined
  );
}

function textMember(members: ReadonlyMap<string, Uint8Array>, name: string): string | undefined {
  const value = memberValue(members, name);
  return typeof value === "string" ? value : undefined;
}

function argsMember(members: ReadonlyMap<string, Uint8Array>): [string, string][] {
  const value = memberValue(members, "cniArgs");
  if (!Array.isArray(value)) return [];
  return value.filter(
    (pair): pair is [string, string] =>
      Array.isArray(pair) && pair.length === 2 && pair.every((part) => typeof part === "string"),
  );
}

function objectMember(members: ReadonlyMap<string, Uint8Array>, name: string): Uint8Array | undefined {
  const raw = members.get(name);
  return raw?.[0] === openBrace ? raw : undefined;
}
