/** Types of shim.mjs, for tests that build the shim themselves. */

/** See shim.mjs. */
export function buildShim(options?: {
  readonly sanitize?: boolean;
  readonly fuzz?: boolean;
  readonly out?: string;
}): Promise<string>;
