/** A log file with rotation. It is opened by its first line. Its errors do not reach the caller: a full disk must not keep a pod from its network. */

import { appendFileSync } from "node:fs";
import { createStream, type RotatingFileStream } from "rotating-file-stream";
import { backupName, removeOldBackups } from "./backups.ts";
import { errorText } from "./error-text.ts";
import { formatFields, formatLine } from "./line.ts";
import type { LogOptions } from "./settings.ts";

/** Readable by root only, as Go multus's: configurations in debug lines may carry secrets. */
const mode = 0o600;
/** Megabytes, where the options say 0. */
const defaultMaxSize = 100;
/** Bytes of lines that wait for a slow disk; further lines are lost. */
const maxWaitingBytes = 4 * 1024 * 1024;
/** A file that failed is tried again after this time. */
const retryAfterMs = 10_000;

export class LogFile {
  readonly path: string;
  readonly #options: LogOptions;
  readonly #complain: (message: string) => void;
  #stream: RotatingFileStream | undefined;
  #closed: Promise<void> = Promise.resolve();
  /** Lines that did not get into the file since the last that did. */
  #lost = 0;
  #complained = false;
  #retryAt = 0;

  /** @param path absolute @param complain is told once when the file starts to fail */
  constructor(path: string, options: LogOptions, complain: (message: string) => void) {
    this.path = path;
    this.#options = options;
    this.#complain = complain;
  }

  /** Appends a line soon. Never throws. */
  write(line: string): void {
    const stream = this.#open();
    if (stream === undefined || stream.writableLength > maxWaitingBytes) {
      this.#lost += 1;
      return;
    }
    stream.write(line, this.#written);
  }

  /** Appends a line before it returns: for the last line of a process. Never throws. */
  writeNow(line: string): void {
    try {
      appendFileSync(this.path, line, { mode });
    } catch (error) {
      this.#failed(error);
    }
  }

  /** Resolves when what was written is in the file. A later line opens it again. */
  async close(): Promise<void> {
    this.#stream?.end();
    this.#stream = undefined;
    await this.#closed;
  }

  readonly #written = (error?: Error | null): void => {
    if (error) {
      this.#lost += 1;
      return;
    }
    this.#complained = false;
    if (this.#lost === 0) return;
    const lost = formatLine(new Date(), "error", "log lines were lost", formatFields({ lines: this.#lost }));
    this.#lost = 0;
    this.#stream?.write(lost, this.#written);
  };

  #open(): RotatingFileStream | undefined {
    if (this.#stream !== undefined) return this.#stream;
    if (Date.now() < this.#retryAt) return undefined;
    const { compress, maxSize } = this.#options;
    const name = (time: number | Date | null, index = 1): string =>
      // A second file in the same millisecond gets the next one.
      time === null ? this.path : backupName(this.path, new Date(Number(time) + index - 1), compress);
    const stream = createStream(name, {
      size: `${maxSize > 0 ? maxSize : defaultMaxSize}M`,
      mode,
      ...(compress ? { compress: "gzip" } : {}),
    });
    stream.on("open", () => {
      removeOldBackups(this.path, this.#options, new Date()).catch((error) => this.#failed(error));
    });
    stream.on("error", (error) => {
      if (this.#stream === stream) this.#stream = undefined;
      this.#retryAt = Date.now() + retryAfterMs;
      this.#failed(error);
    });
    this.#closed = new Promise((resolve) => stream.on("close", resolve));
    this.#stream = stream;
    return stream;
  }

  #failed(error: unknown): void {
    if (this.#complained) return;
    this.#complained = true;
    this.#complain(`log file ${this.path}: ${errorText(error)}`);
  }
}
