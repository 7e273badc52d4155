/** The interface of the logger. */

/** Go multus's levels, from the most verbose. "panic" is its name for "almost nothing". */
export type LogLevel = "debug" | "verbose" | "error" | "panic";

/** Values printed as ` key=value` after the message, in the order given. */
export type LogFields = Readonly<Record<string, string | number | boolean | undefined>>;

export interface Logger {
  error(message: string, fields?: LogFields): void;
  verbose(message: string, fields?: LogFields): void;
  debug(message: string, fields?: LogFields): void;
  /** A logger that puts `fields` on every line. */
  with(fields: LogFields): Logger;
}

/** Discards everything. */
export const silentLogger: Logger = {
  error() {},
  verbose() {},
  debug() {},
  with: () => silentLogger,
};
