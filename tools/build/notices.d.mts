/** Types of notices.mjs. */

/** As package-lock.json has it, as far as the notices look. */
export interface LockedPackage {
  readonly version: string;
  readonly license?: string;
}
/** See notices.mjs. */
export function thirdPartyNotices(
  bundled: ReadonlyMap<string, string>,
  packages: Readonly<Record<string, LockedPackage>>,
): string;
export function buildNotices(directory?: string): Promise<string[]>;
export const noticesName: string;
export const billName: string;
