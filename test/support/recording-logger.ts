/** A logger that keeps what it is told, for tests of what is reported. */

import type { LogFields, Logger } from "../../src/log/logger.ts";

export class RecordingLogger implements Logger {
  /** Messages of errors, in order. */
  readonly errors: string[] = [];
  /** Field `error` of those that have one. */
  readonly causes: string[] = [];

  error(message: string, fields: LogFields = {}): void {
    this.errors.push(message);
    if (fields.error !== undefined) this.causes.push(String(fields.error));
  }

  verbose(_message: string): void {}

  debug(): void {}

  with(): Logger {
    return this;
  }
}
