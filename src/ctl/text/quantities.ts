/** Formats numbers with units, and abbreviates long lists. */

/** @param seconds `3 d 4 h`, `12 min`, `5 s` */
export function formatAge(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds));
  if (whole < 60) return `${whole} s`;
  const minutes = Math.floor(whole / 60);
  if (minutes < 60) return `${minutes} min`;
  const hours = Math.floor(minutes / 60);
  return hours < 48 ? `${hours} h ${minutes % 60} min` : `${Math.floor(hours / 24)} d ${hours % 24} h`;
}

/** Milliseconds as a table shows them: one decimal, two below ten. */
export function formatMilliseconds(milliseconds: number): string {
  return milliseconds.toFixed(milliseconds < 10 ? 2 : 1);
}

/** @param what in the singular, whose plural has an s: `1 DEL`, `2 DELs` */
export function count(number: number, what: string): string {
  return `${number} ${what}${number === 1 ? "" : "s"}`;
}

/** `a, b and 3 more` @param shown that many are named, further ones counted */
export function listed(names: readonly string[], shown: number): string {
  const more = names.length > shown ? ` and ${names.length - shown} more` : "";
  return `${names.slice(0, shown).join(", ")}${more}`;
}
