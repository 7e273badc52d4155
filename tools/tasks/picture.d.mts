/** The picture of src/'s rooms, as the code is now: SVG. */
export function drawRooms(): string;
