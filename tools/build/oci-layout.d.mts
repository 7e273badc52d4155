/** Types of oci-layout.mjs, for tests that read and write layouts. */

export interface Descriptor {
  readonly mediaType: string;
  readonly digest: string;
  readonly size: number;
  readonly annotations?: Readonly<Record<string, string>>;
  readonly platform?: { readonly os: string; readonly architecture: string };
}

/** See oci-layout.mjs. */
export const mediaTypes: Readonly<Record<"index" | "manifest" | "config" | "layer", string>>;
export function blobFile(layout: string, descriptor: { readonly digest: string }): string;
export function readJson<Value>(layout: string, descriptor: { readonly digest: string }): Value;
export function addLayer(
  layout: string,
  root: string,
  files: readonly string[],
  mtime: number,
): Promise<{ readonly layer: Descriptor; readonly diffId: string }>;
export function extractFile(archive: string, path: string): Buffer | undefined;
export function archiveLayout(layout: string, file: string): Promise<void>;
