/** Types of changelog.mjs, for its tests. */

/** See changelog.mjs. */
export function changelogSection(text: string, version: string): string | undefined;
