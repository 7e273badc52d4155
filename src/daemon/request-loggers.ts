/** Which log a request's lines go to: the daemon's own keys first, then those of the request's netconf (docs/behaviour.md, "Configuration"). */

import { isJsonObject, memberValue, wholeMembers } from "../base/json.ts";
import { type KeySpelling, keySpelling } from "../base/key-spelling.ts";
import type { Logger } from "../log/logger.ts";
import type { DaemonLogger, Loggers } from "../log/loggers.ts";
import { type LogKeys, type LogOptions, logSettings } from "../log/settings.ts";

/** No netconf without this text has a key for the log. */
const anyLogKey = /"log/i;
const spelling = keySpelling(["logFile", "logLevel", "logToStderr", "logOptions"]);
const optionSpelling = keySpelling(["maxAge", "maxSize", "maxBackups", "compress"]);

export class RequestLoggers {
  readonly #loggers: Loggers;
  readonly #daemonKeys: LogKeys;
  /** The daemon's own. */
  readonly daemon: DaemonLogger;

  /** @param daemonKeys the keys that the daemon's configuration sets */
  constructor(loggers: Loggers, daemonKeys: LogKeys) {
    this.#loggers = loggers;
    this.#daemonKeys = daemonKeys;
    this.daemon = loggers.get(logSettings(daemonKeys));
  }

  /** @param netconf JSON text as the runtime sent it, not checked: what is wrong with it is for the request's answer to say */
  for(netconf: Uint8Array): Logger {
    if (!anyLogKey.test(Buffer.from(netconf.buffer, netconf.byteOffset, netconf.length).toString("latin1"))) {
      return this.daemon;
    }
    const members = spelling.members(wholeMembers(netconf));
    const { logFile, logLevel, logToStderr, logOptions } = this.#daemonKeys;
    return this.#loggers.get(
      logSettings({
        logFile: logFile ?? member(members, "logFile", isText),
        logLevel: logLevel ?? member(members, "logLevel", isText),
        logToStderr: logToStderr ?? member(members, "logToStderr", isBoolean),
        logOptions: logOptions ?? member(members, "logOptions", isLogOptions, optionSpelling),
      }),
    );
  }
}

function member<Value>(
  members: ReadonlyMap<string, Uint8Array>,
  key: string,
  isValid: (value: unknown) => value is Value,
  within?: KeySpelling,
): Value | undefined {
  const written = memberValue(members, key);
  const value = within === undefined ? written : within.object(written);
  return isValid(value) ? value : undefined;
}

function isText(value: unknown): value is string {
  return typeof value === "string";
}

function isBoolean(value: unknown): value is boolean {
  return typeof value === "boolean";
}

function isLogOptions(value: unknown): value is Partial<LogOptions> {
  return (
    isJsonObject(value) &&
    Object.entries(value).every(([key, option]) =>
      key === "compress" ? isBoolean(option) : Number.isInteger(option) && Number(option) >= 0,
    )
  );
}
