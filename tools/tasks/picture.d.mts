/** Types of picture.mjs. */

/** The rooms of src/ and their arrows, as the code is now: the SVG file's text. */
export function drawRooms(): string;

/** The pictures that are drawn from this checkout alone, by their files in docs/images. */
export const pictures: Readonly<Record<string, () => string>>;
