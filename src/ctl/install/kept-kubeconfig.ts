/** Keeps a kubeconfig as it has to be: tokens of service accounts are replaced by the kubelet before they expire, some minutes to an hour after they were made. */

import { CniError } from "../../cni/errors.ts";
import type { Logger } from "../../log/logger.ts";
import { OnceLog } from "../../log/once-log.ts";
import { hasContent, isOwnFile, KeptFile, statsOf, writeOwnFile } from "../../runtime-config/kept-file.ts";
import type { WatchDirectory } from "../../runtime-config/watch.ts";
import { UserError } from "../command/user-error.ts";

/** What no event tells, and what could not be written before, is seen after this time. */
const lookEveryMs = 10_000;

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
  readonly #file: KeptFile;
  readonly #failures: OnceLog;

  constructor(options: KeptKubeconfigOptions) {
    this.#options = options;
    const { sourceDirectory, log, watch } = options;
    this.#failures = new OnceLog(log);
    this.#file = new KeptFile({
      directories: [sourceDirectory],
      everyMs: lookEveryMs,
      look: () => this.#look(),
      log,
      watch,
    });
  }

  /** Writes it, if it is not yet as it has to be. @throws {UserError} */
  write(): void {
    const { path, text, log } = this.#options;
    const wanted = Buffer.from(text());
    if (isInPlace(path, wanted)) return;
    try {
      writeOwnFile(path, wanted, `${path}.new`);
    } catch (error) {
      if (error instanceof CniError) throw new UserError(error.message);
      throw error;
    }
    log.verbose("kubeconfig written", { file: path });
  }

  /** Follows what changes from now on. What goes wrong is logged, once for as long as it is the same, and tried again. */
  follow(): void {
    this.#file.look();
  }

  stop(): void {
    this.#file.stop();
  }

  #look(): void {
    try {
      this.write();
      this.#failures.over();
    } catch (error) {
      if (!(error instanceof UserError)) throw error;
      const { message } = error;
      this.#failures.error("kubeconfig cannot be brought up to date", { error: message }, message);
    }
  }
}

/** Somebody may have removed it, or changed its mode. What else is the matter with it, writing it tells. */
function isInPlace(path: string, wanted: Uint8Array): boolean {
  try {
    const stats = statsOf(path);
    return stats !== undefined && isOwnFile(stats) && hasContent(path, stats, wanted);
  } catch {
    return false;
  }
}
