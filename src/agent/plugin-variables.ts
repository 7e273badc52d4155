/** The environment variables that an order may set: what shim and agent take of an EXEC's `env` (docs/wire.md, "What the shim refuses"). */

/**
 * TRACEPARENT (W3C Trace Context): version "-" trace id "-" parent id "-" flags, and what later versions put behind another "-". At most 512
 * characters.
 */
export const traceparentForm = /^([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-[ -~]{0,456})?$/;
/** TRACESTATE. */
const tracestateForm = /^[ -~]{0,4096}$/;

/**
 * The trace variables that a plugin may get, out of any environment.
 * @returns TRACEPARENT and TRACESTATE as far as they are there and an agent takes them
 */
export function traceVariables(environment: Readonly<Record<string, string>>): Record<string, string> {
  const { TRACEPARENT, TRACESTATE } = environment;
  return {
    ...(TRACEPARENT !== undefined && traceparentForm.test(TRACEPARENT) ? { TRACEPARENT } : {}),
    ...(TRACESTATE !== undefined && tracestateForm.test(TRACESTATE) ? { TRACESTATE } : {}),
  };
}

/**
 * CNI_PATH without the entries that shim or agent refuse.
 * @param path colon separated directories
 * @param allowed directories that plugins may be in
 */
export function allowedPath(path: string, allowed: readonly string[]): string {
  const known = new Set(allowed.map(withoutTrailingSlashes));
  return path
    .split(":")
    .filter((directory) => known.has(withoutTrailingSlashes(directory)))
    .join(":");
}

function withoutTrailingSlashes(directory: string): string {
  return directory.replace(/(?<=.)\/+$/, "");
}
