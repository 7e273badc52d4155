/** Types of image.mjs, for tests that run an image of what it puts together. */

/** See image.mjs. */
export function writeImageRoot(directory: string, executable?: string): readonly string[];
