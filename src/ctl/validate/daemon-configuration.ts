/** Checks a daemon's own configuration (`multusd --config`) with the daemon's parser, and names the keys that would not count. */

import { parseDaemonConfig } from "../../daemon-config/config.ts";
import { quoted } from "../../log/quoted.ts";
import type { LocatedText } from "./configuration.ts";
import { type Finding, problemsOf } from "./finding.ts";

/** Keys that get a warning each. */
const keysNamed = 20;

/** Findings about a daemon's configuration: what the daemon would end for, and the keys that it would pass over. */
export function checkDaemonConfiguration({ bytes, file, places }: LocatedText): Finding[] {
  const warning = (message: string, key: string): Finding => ({
    file,
    severity: "warning",
    message,
    ...(places.of([key]) ?? places.whole),
  });
  let config: ReturnType<typeof parseDaemonConfig>;
  try {
    config = parseDaemonConfig(bytes, file);
  } catch (error) {
    return problemsOf(error, file, places).map((problem) => ({ file, severity: "error", ...problem }));
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
