/** Types of image.mjs, for tests that look at what it puts together. */

export type Architecture = "amd64" | "arm64";

/** See image.mjs. */
export const imageConfig: {
  readonly User: string;
  readonly Env: readonly string[];
  readonly Entrypoint: readonly string[];
};
export function imageLabels(version: string): Readonly<Record<string, string>>;
export interface ImageRoot {
  readonly platform: readonly string[];
  readonly product: readonly string[];
}
export function writeImageRoot(
  directory: string,
  options?: { readonly architecture?: Architecture; readonly mayDiffer?: boolean },
): Promise<ImageRoot>;
