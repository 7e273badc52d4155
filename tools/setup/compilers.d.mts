/** Types of compilers.mjs, for tests that run what it is about. */

/** See compilers.mjs. */
export const compilers: Readonly<
  Record<
    "amd64" | "arm64",
    { readonly command: string; readonly packages: readonly string[]; readonly emulator: string }
  >
>;
