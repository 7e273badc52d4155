/** Loggers by their settings. A request's netconf may name its own log file and level, so there can be more than one; requests that want the same one share it. */

import { formatFields, formatLine } from "./line.ts";
import { LogFile } from "./log-file.ts";
import type { LogFields, Logger, LogLevel } from "./logger.ts";
import { type LogSettings, says } from "./settings.ts";

/** Netconfs of one node differ by little; more than these and the oldest are forgotten. */
const maxLoggers = 16;

/** Where finished lines go. */
type WriteLine = (level: LogLevel, line: string) => void;

class LineLogger implements Logger {
  readonly #level: LogLevel;
  readonly #write: WriteLine;
  /** Fields of every line, formatted. */
  readonly #fields: string;

  constructor(level: LogLevel, write: WriteLine, fields: string) {
    this.#level = level;
    this.#write = write;
    this.#fields = fields;
  }

  /** The last line of a daemon: in file and on stderr when this returns, at every level. */
  panic(message: string, fields?: LogFields): void {
    this.#say("panic", message, fields);
  }

  error(message: string, fields?: LogFields): void {
    this.#say("error", message, fields);
  }

  verbose(message: string, fields?: LogFields): void {
    this.#say("verbose", message, fields);
  }

  debug(message: string, fields?: LogFields): void {
    this.#say("debug", message, fields);
  }

  with(fields: LogFields): LineLogger {
    return new LineLogger(this.#level, this.#write, this.#fields + formatFields(fields));
  }

  #say(level: LogLevel, message: string, fields: LogFields = {}): void {
    if (!says(this.#level, level)) return;
    this.#write(level, formatLine(new Date(), level, message, this.#fields + formatFields(fields)));
  }
}

/** A logger that can also write a daemon's last line. */
export type DaemonLogger = Pick<LineLogger, "panic"> & Logger;

export class Loggers {
  readonly #stderr: (text: string) => unknown;
  readonly #loggers = new Map<string, LineLogger>();
  readonly #files = new Map<string, { readonly options: string; readonly file: LogFile }>();

  /** @param stderr takes the lines for stderr */
  constructor(stderr?: (text: string) => void) {
    this.#stderr = stderr ?? ((text) => process.stderr.write(text));
    // A reader of stderr that went away must not end the daemon.
    if (stderr === undefined) process.stderr.on("error", () => {});
  }

  /** The logger of these settings: the same one for the same settings. */
  get(settings: LogSettings): DaemonLogger {
    const { logFile, logLevel, logToStderr, logOptions } = settings;
    const { maxAge, maxSize, maxBackups, compress } = logOptions;
    const options = JSON.stringify([maxAge, maxSize, maxBackups, compress]);
    const key = JSON.stringify([logFile, logLevel, logToStderr, options]);
    const known = this.#loggers.get(key);
    if (known !== undefined) return known;
    const write: WriteLine = (level, line) => {
      if (logToStderr) this.#stderr(line);
      if (logFile === "") return;
      const file = this.#file(settings, options);
      if (level === "panic") file.writeNow(line);
      else file.write(line);
    };
    const logger = new LineLogger(logLevel, write, "");
    this.#loggers.set(key, logger);
    forgetOldest(this.#loggers, maxLoggers);
    return logger;
  }

  /** Resolves when every line is in its file. */
  async close(): Promise<void> {
    await Promise.all(Array.from(this.#files.values(), ({ file }) => file.close()));
  }

  /** One stream a file, however many loggers write to it; the last one's options are those that count. */
  #file({ logFile, logOptions }: LogSettings, options: string): LogFile {
    const known = this.#files.get(logFile);
    if (known?.options === options) return known.file;
    const file = new LogFile(logFile, logOptions, (message) => {
      this.#stderr(formatLine(new Date(), "error", message, ""));
    });
    this.#files.set(logFile, { options, file });
    known?.file.close().catch(() => {});
    for (const { file } of forgetOldest(this.#files, maxLoggers)) file.close().catch(() => {});
    return file;
  }
}

/** Drops the first entries of a map beyond `size`. @returns what was dropped */
function forgetOldest<Value>(map: Map<string, Value>, size: number): Value[] {
  const oldest = Array.from(map).slice(0, Math.max(0, map.size - size));
  for (const [key] of oldest) map.delete(key);
  return oldest.map(([, value]) => value);
}
