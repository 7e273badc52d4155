/** Checks a daemon's own configuration (`multusd --config`) with the daemon's parser, and names keys that have no effect. */

import { parseDaemonConfig } from "../../daemon-config/config.ts";
import { quoted } from "../../log/quoted.ts";
import type { LocatedText } from "./configuration.ts";
import { findingAt, refusals, type TextFinding } from "./places.ts";

/** Keys that get a warning each. */
const keysNamed = 20;

/** Findings about a daemon's configuration: errors that prevent the daemon's start, and keys that it ignores. */
export function checkDaemonConfiguration(text: LocatedText): TextFinding[] {
  const warning = (message: string, key: string) =>
    findingAt(text, "warning", "daemon-warning", message, [key]);
  let config: ReturnType<typeof parseDaemonConfig>;
  try {
    config = parseDaemonConfig(text.bytes, text.file);
  } catch (error) {
    return refusals(error, text.file, text);
  }
  const unknown = config.unknown.map((key) => warning(`key ${quoted(key)} is not known: it is ignored`, key));
  const unused = config.unused.map((key) =>
    warning(`key ${quoted(key)} has no effect here, in this version or beside the other keys`, key),
  );
  const warnings = [...unknown, ...unused];
  if (warnings.length <= keysNamed) return warnings;
  const more = warnings.length - keysNamed;
  return [...warnings.slice(0, keysNamed), warning(`${more} more keys are ignored`, "")];
}
