/** libcni's result cache: `<cniDir>/results/<network>-<containerId>-<ifName>`, in Go's form both ways. */

import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { Logger } from "../log/logger.ts";
import { removeFile, writeFileAtomically } from "./atomic-file.ts";
import { CniError, CniErrorCode, ioFailure, isMissingFile } from "./errors.ts";
import { memberValue, objectMembers, wholeMembers } from "./json.ts";
import {
  attachmentNameProblem,
  checkContainerId,
  checkIfName,
  checkNetworkName,
  resultFileName,
} from "./names.ts";

/** Which attachment. */
export interface AttachmentKey {
  readonly networkName: string;
  readonly containerId: string;
  readonly ifName: string;
}

/** What is kept of an attachment. */
export interface CachedAttachment extends AttachmentKey {
  /** The network's configuration as JSON text; empty if the file is of the old form (a bare result) or torn before it. */
  readonly config: Uint8Array;
  /** "" if not known. */
  readonly netns: string;
  readonly args: readonly (readonly [string, string])[];
  /** A JSON object as text. */
  readonly capabilityArgs: Uint8Array | undefined;
  /** The last plugin's result as JSON text, in the network's version. */
  readonly result: Uint8Array | undefined;
}

/** The directory of the cache within a cniDir. */
export const resultsDirectory = "results";

/** What `kind` says in files of the form that libcni writes today. */
const currentKind = "cniCacheV1";

const nothing = new Uint8Array();

/** The cache of one cniDir. Synchronous, for the reason that writeFileAtomically gives. */
export class ResultCache {
  readonly #directory: string;
  readonly #log: Logger;

  /** @param cniDir the netconf's cniDir; files are in its `results` */
  constructor(cniDir: string, log: Logger) {
    this.#directory = join(cniDir, resultsDirectory);
    this.#log = log;
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
    try {
      removeFile(path);
      removeFile(this.#temporaryPath(key));
    } catch (error) {
      throw ioFailure("remove", path, error);
    }
  }

  /**
   * All entries, or those of one container, in file name order. A torn file whose attachment cannot be told is left out and reported.
   * Never throws.
   * @param known attachments whose entries are left out, unread
   */
  list(containerId?: string, known: readonly AttachmentKey[] = []): CachedAttachment[] {
    const attachments: CachedAttachment[] = [];
    const passedOver = new Set(known.map(fileName));
    for (const name of this.#fileNames()) {
      if (passedOver.has(name)) continue;
      if (containerId !== undefined && !name.includes(`-${containerId}-`)) continue;
      const path = join(this.#directory, name);
      const bytes = this.#readFile(path);
      if (bytes === undefined) continue;
      const decoded = { ...keyFromFileName(name, containerId), ...this.#decode(bytes, path) };
      if (containerId !== undefined && decoded.containerId !== containerId) continue;
      if (isWholeKey(decoded)) attachments.push(decoded);
      else this.#log.error("result cache: it cannot be told whose file this is; leaving it", { file: path });
    }
    return attachments;
  }

  #path(key: AttachmentKey): string {
    checkNetworkName(key.networkName, "result cache");
    checkContainerId(key.containerId);
    checkIfName(key.ifName);
    const problem = attachmentNameProblem(key.networkName, key.containerId, key.ifName);
    if (problem !== undefined) {
      throw new CniError(CniErrorCode.invalidNetworkConfig, `result cache: ${problem}`);
    }
    return join(this.#directory, fileName(key));
  }

  /** Without the network's name, which may be as long as a file name can be. An interface is in one network only. */
  #temporaryPath(key: AttachmentKey): string {
    return join(this.#directory, `.${key.containerId}-${key.ifName}`);
  }

  #fileNames(): string[] {
    try {
      return readdirSync(this.#directory)
        .filter((name) => !name.startsWith("."))
        .sort();
    } catch (error) {
      if (!isMissingFile(error)) {
        this.#log.error("result cache: cannot list", { directory: this.#directory, error: String(error) });
      }
      return [];
    }
  }

  #readFile(path: string): Uint8Array | undefined {
    try {
      return readFileSync(path);
    } catch (error) {
      if (!isMissingFile(error)) {
        this.#log.error("result cache: cannot read", { file: path, error: String(error) });
      }
      return undefined;
    }
  }

  #decode(
    bytes: Uint8Array,
    path: string,
  ): Omit<CachedAttachment, keyof AttachmentKey> & Partial<AttachmentKey> {
    let members: ReadonlyMap<string, Uint8Array>;
    try {
      members = objectMembers(bytes, path);
    } catch (error) {
      if (!(error instanceof CniError)) throw error;
      members = wholeMembers(bytes);
      this.#log.error("result cache: torn file; going on with what is left of it", {
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
      this.#log.error("result cache: file of an unknown kind", { file: path, kind });
      return unknownAttachment;
    }
    return {
      ...ownKey(members),
      config: Buffer.from(textMember(members, "config") ?? "", "base64"),
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

/** Go's order of keys. What is empty is left out, as Go does. */
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

/** The attachment that a file of a known container is named after. */
function keyFromFileName(name: string, containerId: string | undefined): Partial<AttachmentKey> {
  if (containerId === undefined) return {};
  const middle = `-${containerId}-`;
  const at = name.lastIndexOf(middle);
  return { networkName: name.slice(0, at), containerId, ifName: name.slice(at + middle.length) };
}

function ownKey(members: ReadonlyMap<string, Uint8Array>): Partial<AttachmentKey> {
  const networkName = textMember(members, "networkName");
  const containerId = textMember(members, "containerId");
  const ifName = textMember(members, "ifName");
  return {
    ...(networkName === undefined ? {} : { networkName }),
    ...(containerId === undefined ? {} : { containerId }),
    ...(ifName === undefined ? {} : { ifName }),
  };
}

function isWholeKey(attachment: Partial<CachedAttachment>): attachment is CachedAttachment {
  return Boolean(attachment.networkName && attachment.containerId && attachment.ifName);
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
  return raw?.[0] === 0x7b ? raw : undefined;
}
