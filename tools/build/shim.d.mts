/** Types of shim.mjs, for tests that build the shim themselves. */

/** See shim.mjs. */
export function buildShim(options?: {
  readonly architecture?: "amd64" | "arm64";
  readonly sanitize?: boolean;
  readonly fuzz?: boolean | "libfuzzer";
  readonly out?: string;
}): Promise<string>;
