/** A log's settings: the netconf's and the daemon configuration's log keys (docs/behaviour.md, "Configuration"). */

import type { LogLevel } from "./logger.ts";

/** Rotation of a log file. */
export interface LogOptions {
  /** Days after which a rotated file is removed; 0: never. */
  readonly maxAge: number;
  /** Megabytes at which the file is rotated; 0: 100. */
  readonly maxSize: number;
  /** Rotated files kept; 0: all. */
  readonly maxBackups: number;
  /** gzip rotated files. */
  readonly compress: boolean;
}

export interface LogSettings {
  /** Absolute path; "" for none. */
  readonly logFile: string;
  readonly logLevel: LogLevel;
  readonly logToStderr: boolean;
  readonly logOptions: LogOptions;
}

/** The log keys as a configuration has them. */
export interface LogKeys {
  readonly logFile?: string | undefined;
  readonly logLevel?: string | undefined;
  readonly logToStderr?: boolean | undefined;
  readonly logOptions?: Partial<LogOptions> | undefined;
}

/** Fills in the defaults; an unknown level counts as absent, as for Go multus. */
export function logSettings(keys: LogKeys): LogSettings {
  return {
    logFile: keys.logFile ?? "",
    logLevel: parseLogLevel(keys.logLevel ?? "") ?? "panic",
    logToStderr: keys.logToStderr ?? true,
    logOptions: { maxAge: 5, maxSize: 100, maxBackups: 5, compress: true, ...keys.logOptions },
  };
}

/** Each level includes those before it. */
export const logLevels: readonly LogLevel[] = ["panic", "error", "verbose", "debug"];

/** Does a log of level `setting` include lines of level `line`? */
export function says(setting: LogLevel, line: LogLevel): boolean {
  return logLevels.indexOf(line) <= logLevels.indexOf(setting);
}

/** Levels are case-insensitive, as for Go multus. @returns undefined for an unknown one */
export function parseLogLevel(text: string): LogLevel | undefined {
  return logLevels.find((level) => level === text.toLowerCase());
}
