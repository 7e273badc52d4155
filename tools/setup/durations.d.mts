/** Types of durations.mjs, for what runs on the pinned Node. */

/** See durations.mjs. */
export function durationText(seconds: number): string;
/** See durations.mjs. */
export function lastTime(file: string, name: string): string;
/** See durations.mjs. */
export function rememberDuration(file: string, name: string, seconds: number): void;
