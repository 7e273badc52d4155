/** Keeps a kubeconfig as it has to be: tokens of service accounts are replaced by the kubelet before they expire, some minutes to an hour after they were made. */

import { readFileSync, statSync } from "node:fs";
import { dirname } from "node:path";
import { makeDirectory, removeFile, writeFileAtomically } from "../../cni/atomic-file.ts";
import { CniError } from "../../cni/errors.ts";
import { errorText } from "../../log/error-text.ts";
import type { Logger } from "../../log/logger.ts";
import { DirectoryWatches, type WatchDirectory, watchDirectory } from "../../runtime-config/watch.ts";
import { UserError } from "../command/user-error.ts";

/** Milliseconds from a change to the look: the kubelet puts new files beside the old ones, then turns a link. */
const settleMs = 100;
/** What no event tells, and what could not be written before, is seen after this time. */
const lookEveryMs = 10_000;

/** Others may look into it; the file itself is its owner's alone. */
const directoryMode = 0o755;

export interface KeptKubeconfigOptions {
  /** Absolute path of the file. */
  readonly path: string;
  /** Directory in which a change may make another text wanted. */
  readonly sourceDirectory: string;
  /** What the file has to be now. @throws {UserError} */
  readonly text: () => string;
  readonly log: Logger;
  readonly watch?: WatchDirectory;
}

export class KeptKubeconfig {
  readonly #options: KeptKubeconfigOptions;
  readonly #watches: DirectoryWatches;
  #timer: NodeJS.Timeout | undefined;
  #complaint = "";

  constructor(options: KeptKubeconfigOptions) {
    this.#options = options;
    const { sourceDirectory, watch = watchDirectory } = options;
    this.#watches = new DirectoryWatches([sourceDirectory], watch, () => this.#lookIn(settleMs));
  }

  /** Writes it, if it is not yet as it has to be. @throws {UserError} */
  write(): void {
    const { path, text, log } = this.#options;
    const wanted = text();
    if (isInPlace(path, wanted)) return;
    const temporaryPath = `${path}.new`;
    try {
      makeDirectory(dirname(path), directoryMode);
      // What a crash left may have another mode.
      removeFile(temporaryPath);
      writeFileAtomically(path, Buffer.from(wanted), temporaryPath);
    } catch (error) {
      const why =
        error instanceof CniError ? error.message : `${path} cannot be written: ${errorText(error)}`;
      throw new UserError(why);
    }
    log.verbose("kubeconfig written", { file: path });
  }

  /** Follows what changes from now on. What goes wrong is logged, once for as long as it is the same, and tried again. */
  follow(): void {
    // First: what changes during the look then brings another one.
    this.#watches.renew((directory, error) =>
      this.#options.log.verbose("directory is not watched, and looked at every few seconds instead", {
        directory,
        error: errorText(error),
      }),
    );
    try {
      this.write();
      this.#complaint = "";
    } catch (error) {
      if (!(error instanceof UserError)) throw error;
      if (this.#complaint !== error.message) {
        this.#options.log.error("kubeconfig cannot be brought up to date", { error: error.message });
      }
      this.#complaint = error.message;
    }
    this.#lookIn(lookEveryMs);
  }

  stop(): void {
    clearTimeout(this.#timer);
    this.#watches.close();
  }

  #lookIn(milliseconds: number): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.follow(), milliseconds);
  }
}

/** Somebody may have removed it, or changed its mode. What else is the matter with it, writing it tells. */
function isInPlace(path: string, wanted: string): boolean {
  try {
    return (statSync(path).mode & 0o777) === 0o600 && readFileSync(path, "utf8") === wanted;
  } catch {
    return false;
  }
}
