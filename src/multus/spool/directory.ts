/** The directory of recorded DELs: what is in it, and what is done with whole files (docs/wire.md, "The directory"). */

import {
  accessSync,
  constants,
  lstatSync,
  lutimesSync,
  renameSync,
  rmdirSync,
  type Stats,
  unlinkSync,
} from "node:fs";
import { open } from "node:fs/promises";
import { join } from "node:path";
import { directoryEntries } from "../../base/directory.ts";
import { readFileStart } from "../../base/regular-file.ts";
import { isMissingFile, systemErrorCode } from "../../base/system-error.ts";
import { errorText } from "../../log/error-text.ts";
import type { Logger } from "../../log/logger.ts";
import { spoolDirectory } from "../input/cni-dir.ts";
import { decodeRecord, longestRecord, namespaceInHead, type RecordedDel, recordHeadBytes } from "./record.ts";
import { mostTries, triesOfCrash } from "./retry-rule.ts";
import { brokenName, failedName, nameWithTries } from "./spool.ts";

/** Files that are looked at; a shim makes no more than 4096. */
const mostFiles = 16_384;

/** A record by its name and its file's status. */
export interface SpoolEntry {
  readonly name: string;
  readonly containerId: string;
  /** That failed. */
  readonly tries: number;
  /** When the last one failed, in milliseconds since 1970; of a record that was never tried: when it was made. */
  readonly modifiedMs: number;
}

/** A record that was read, or why there is nothing to do with it. */
type ReadRecord =
  | { readonly record: RecordedDel }
  /** It is no record. */
  | { readonly problem: string }
  | "gone";

/** `gone`: the file is not there any more, or has another name. */
export type Begun = "begun" | "gone" | "failed";

export class SpoolDirectory {
  readonly path: string;
  readonly #log: Logger;

  /**
   * @param cniDir the netconf's
   * @throws {Error} of node:fs where the directory is not there; or saying that it is none. A symbolic link is not followed
   */
  constructor(cniDir: string, log: Logger) {
    this.path = join(cniDir, spoolDirectory);
    this.#log = log;
    if (!lstatSync(this.path).isDirectory()) throw new Error(`${this.path} is no directory`);
  }

  /**
   * Names of all files but hidden ones, in order. One character stands for one byte (latin1).
   * @throws {Error} of node:fs; or where there are too many
   */
  async names(): Promise<string[]> {
    const names: string[] = [];
    for await (const { name } of directoryEntries(this.path, "latin1")) {
      if (name.startsWith(".")) continue;
      if (names.length === mostFiles) throw new Error(`${this.path} has more than ${mostFiles} files`);
      names.push(name);
    }
    return names.sort();
  }

  /** The status of a file, whatever it is; undefined: it is not there. @throws {Error} of node:fs */
  status(name: string): Stats | undefined {
    return lstatSync(this.#path(name), { throwIfNoEntry: false });
  }

  /** Reads a record. @param containerId that its name says @throws {Error} of node:fs where it cannot be opened or read */
  read({ name, containerId }: Pick<SpoolEntry, "name" | "containerId">): ReadRecord {
    const path = join(this.path, name);
    let content: { readonly bytes: Buffer; readonly size: number };
    try {
      const status = this.status(name);
      if (status === undefined) return "gone";
      if (!status.isFile()) return { problem: "it is no regular file" };
      content = readFileStart(path, longestRecord, constants.O_NOFOLLOW);
    } catch (error) {
      if (isMissingFile(error)) return "gone";
      if (systemErrorCode(error) === "ELOOP") return { problem: "it is a symbolic link" };
      throw error;
    }
    if (content.size > longestRecord) return { problem: "it is too large" };
    try {
      const record = decodeRecord(content.bytes);
      if (record.containerId !== containerId)
        return { problem: "it is of another container than its name says" };
      return { record };
    } catch (error) {
      return { problem: errorText(error) };
    }
  }

  /** The namespace of a record's pod, as far as the first bytes of its file say it; "" otherwise. */
  namespaceOf(name: string): string {
    try {
      return namespaceInHead(
        readFileStart(join(this.path, name), recordHeadBytes, constants.O_NOFOLLOW).bytes,
      );
    } catch {
      return "";
    }
  }

  /**
   * Could the file be removed or renamed? A record that could not be is not carried out: it would be again and again.
   * @returns why not; undefined: it could, or it is not there any more
   */
  obstacleTo(name: string): string | undefined {
    try {
      const status = this.status(name);
      if (status === undefined) return undefined;
      // It is only set aside.
      if (status.isDirectory()) accessSync(this.path, constants.W_OK);
      else rmdirSync(this.#path(name));
      return undefined;
    } catch (error) {
      // As a directory no file can be removed. The kernel says so last: first what forbids it to remove anything of that name.
      return ["ENOTDIR", "ENOENT"].includes(systemErrorCode(error) ?? "") ? undefined : errorText(error);
    }
  }

  /** Counts tries beforehand, until the end of this one is known. Does not throw; logs why it has failed. */
  begin(entry: SpoolEntry, nowMs: number): Begun {
    const name = nameInWork(entry);
    try {
      renameSync(this.#path(entry.name), this.#path(name));
    } catch (error) {
      if (isMissingFile(error)) return "gone";
      this.#cannotCount(entry.name, error);
      return "failed";
    }
    try {
      this.#touch(name, nowMs);
      return "begun";
    } catch (error) {
      this.#cannotCount(entry.name, error);
      this.giveBack(entry);
      return "failed";
    }
  }

  /** One that was begun is as it was before. Never throws. */
  giveBack(entry: SpoolEntry): void {
    try {
      renameSync(this.#path(nameInWork(entry)), this.#path(entry.name));
      this.#touch(entry.name, entry.modifiedMs);
    } catch (error) {
      if (!isMissingFile(error)) this.#cannotCount(entry.name, error);
    }
  }

  /** One that was begun has failed: counts that, and sets it aside after the last try. Never throws. */
  async count(entry: SpoolEntry, nowMs: number): Promise<void> {
    const tries = Math.min(entry.tries + 1, mostTries);
    const counted = nameWithTries(entry.name, tries);
    const name = tries === mostTries ? failedName(counted) : counted;
    try {
      this.#touch(nameInWork(entry), nowMs);
      renameSync(this.#path(nameInWork(entry)), this.#path(name));
      if (tries === mostTries)
        this.#log.error("a recorded DEL has failed too often and is set aside", { file: name });
      await this.#sync();
    } catch (error) {
      if (!isMissingFile(error)) this.#cannotCount(entry.name, error);
    }
  }

  /** Removes one that was begun and is done. @returns false: it is still there. Never throws */
  async remove(entry: SpoolEntry): Promise<boolean> {
    return this.#remove(nameInWork(entry));
  }

  /** Removes a record that there is nothing left to do of. @returns false: it is still there. Never throws */
  async forget({ name }: SpoolEntry): Promise<boolean> {
    return this.#remove(name);
  }

  /** Sets aside what is no record. @returns false: it still has its name, and the log says why. Never throws */
  async setAside(name: string, problem: string): Promise<boolean> {
    const aside = brokenName(name);
    return this.#rename(name, aside, () =>
      this.#log.error("a file among the recorded DELs is no record, and is set aside", {
        file: shown(name),
        as: shown(aside),
        problem,
      }),
    );
  }

  /** Sets aside a record whose tries the daemon did not survive. @returns false: it still has its name, and the log says why. Never throws */
  async setCrashAside({ name }: Pick<SpoolEntry, "name">): Promise<boolean> {
    const aside = failedName(nameWithTries(name, mostTries));
    return this.#rename(name, aside, () =>
      this.#log.error("a recorded DEL is set aside: the daemon ended too often while it was carried out", {
        file: aside,
      }),
    );
  }

  async #rename(name: string, aside: string, moved: () => void): Promise<boolean> {
    try {
      renameSync(this.#path(name), this.#path(aside));
      moved();
      await this.#sync();
      return true;
    } catch (error) {
      if (isMissingFile(error)) return true;
      this.#log.error("a file among the recorded DELs cannot be set aside", {
        file: shown(name),
        error: errorText(error),
      });
      return false;
    }
  }

  async #remove(name: string): Promise<boolean> {
    try {
      unlinkSync(this.#path(name));
    } catch (error) {
      if (isMissingFile(error)) return true;
      this.#log.error("a recorded DEL that is done cannot be removed", {
        file: name,
        error: errorText(error),
      });
      return false;
    }
    try {
      await this.#sync();
    } catch (error) {
      // A power cut may bring it back: then it is done once more.
      this.#log.error("the directory of recorded DELs cannot be synced", { error: errorText(error) });
    }
    return true;
  }

  #cannotCount(name: string, error: unknown): void {
    this.#log.error("a try of a recorded DEL cannot be counted", { file: name, error: errorText(error) });
  }

  #touch(name: string, milliseconds: number): void {
    lutimesSync(this.#path(name), milliseconds / 1000, milliseconds / 1000);
  }

  /** On a thread of its own: a disk may take long. @throws {Error} of node:fs */
  async #sync(): Promise<void> {
    const directory = await open(
      this.path,
      constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW,
    );
    try {
      await directory.sync();
    } finally {
      await directory.close();
    }
  }

  /** @param name latin1, as names() has it */
  #path(name: string): Buffer {
    return Buffer.concat([Buffer.from(`${this.path}/`), Buffer.from(name, "latin1")]);
  }
}

/** The name of a record while it is carried out. */
function nameInWork({ name, tries }: SpoolEntry): string {
  return nameWithTries(name, tries + triesOfCrash);
}

/** A name as a person reads it. */
function shown(name: string): string {
  return Buffer.from(name, "latin1").toString();
}
