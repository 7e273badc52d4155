/** Types of shim.mjs, for tests that build the shim themselves. */

/** The compiler's words for every build, and for the plugin binary. */
export const commonFlags: readonly string[];
export const releaseFlags: readonly string[];

/** The shim's C files, as paths within the project. */
export function shimSources(): Promise<string[]>;

/** See shim.mjs. */
export function buildShim(options?: {
  readonly architecture?: "amd64" | "arm64";
  readonly sanitize?: boolean;
  readonly fuzz?: boolean | "libfuzzer";
  readonly out?: string;
}): Promise<string>;
