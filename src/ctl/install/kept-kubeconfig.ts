/** Keeps a kubeconfig up to date: the kubelet replaces tokens of service accounts before they expire, some minutes to an hour after their creation. */

import type { Logger } from "../../log/logger.ts";
import { OnceLog } from "../../log/once-log.ts";
import { hasContent, isOwnFile, KeptFile, statsOf } from "../../runtime-config/kept-file.ts";
import type { WatchDirectory } from "../../runtime-config/watch.ts";
import { UserError } from "../command/user-error.ts";
import { writeNodeFile } from "./node-file.ts";

/** Interval of checks for missed events and failed writes, in milliseconds. */
const lookEveryMs = 10_000;

export interface KeptKubeconfigOptions {
  /** Absolute path of the file. */
  readonly path: string;
  /** Directory whose changes may change the wanted text. */
  readonly sourceDirectory: string;
  /** The wanted text of the file. @throws {UserError} */
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

  /** Writes the file, unless it is up to date. @throws {UserError} */
  write(): void {
    const { path, text, log } = this.#options;
    const wanted = Buffer.from(text());
    if (isInPlace(path, wanted)) return;
    writeNodeFile(path, wanted);
    log.verbose("kubeconfig written", { file: path });
  }

  /** Follows changes from now on. Retries failures, and logs each once until it changes. */
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

/** The file may have been removed, or its mode changed. Any other problem is found by writing it. */
function isInPlace(path: string, wanted: Uint8Array): boolean {
  try {
    const stats = statsOf(path);
    return stats !== undefined && isOwnFile(stats) && hasContent(path, stats, wanted);
  } catch {
    return false;
  }
}
