/** Types of sbom.mjs. */

/** A component of CycloneDX, as far as tests look. */
export interface Component {
  readonly "bom-ref": string;
  readonly name: string;
  readonly group?: string;
  readonly version: string;
  readonly scope: "required" | "excluded";
  readonly purl: string;
  readonly hashes?: readonly { readonly alg: string; readonly content: string }[];
  readonly licenses: readonly object[];
  readonly properties?: readonly { readonly name: string; readonly value: string }[];
}
export interface Bill {
  readonly serialNumber: string;
  readonly components: readonly Component[];
  readonly dependencies: readonly { readonly ref: string; readonly dependsOn?: readonly string[] }[];
}
export interface Lock {
  readonly name: string;
  readonly version: string;
  readonly packages: Readonly<Record<string, object>>;
}
/** See sbom.mjs. */
export function packageName(key: string): string;
export function billOfMaterials(
  lock: Lock,
  bundled: ReadonlyMap<string, string>,
  further?: readonly Component[],
): Bill;
export function nodeComponent(version: string): Component;
