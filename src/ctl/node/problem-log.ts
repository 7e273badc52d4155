/** A logger for commands that show problems instead of logging them. */

import type { Logger } from "../../log/logger.ts";

/** A file that could not be read whole. */
export interface CacheProblem {
  readonly file: string;
  readonly problem: string;
}

/** Errors become entries of `problems`; the rest is not of interest. */
export function problemLog(problems: CacheProblem[]): Logger {
  const log: Logger = {
    error(message, fields) {
      const error = fields?.error === undefined ? "" : ` (${fields.error})`;
      problems.push({ file: String(fields?.file ?? fields?.directory ?? ""), problem: `${message}${error}` });
    },
    verbose() {},
    debug() {},
    with: () => log,
  };
  return log;
}
