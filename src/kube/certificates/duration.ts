/** How long a certificate is to be valid, as Go multus's configurations say it. */

import { InputError } from "../../base/input-error.ts";
import { quoted } from "../../log/quoted.ts";
import { parseGoDuration } from "./go-duration.ts";

/** How long daemons ask for if nothing is configured; Go multus's. */
export const defaultDuration = "10m";
/** The longest that the approver grants if nothing else is asked of it: what a thief has of a certificate ends within a day. */
export const defaultLongestDuration = "24h";
/** The API takes whole seconds in 32 bits, and ten minutes at the least. */
const leastSeconds = 600;
const mostSeconds = 2 ** 31 - 1;

/**
 * @param text `10m`, `1h30m`
 * @param where names the key or option, for errors
 * @returns seconds
 * @throws {InputError} for no duration, or one that is not signed for
 */
export function certificateSeconds(text: string, where: string): number {
  const milliseconds = parseGoDuration(text);
  const refuse = (message: string) => new InputError("content", `${where} ${message}`);
  if (milliseconds === undefined) {
    throw refuse(`must be a duration such as "10m" or "1h30m", not ${quoted(text)}`);
  }
  const seconds = Math.trunc(milliseconds / 1000);
  if (seconds < leastSeconds || seconds > mostSeconds) {
    throw refuse(`must be from 10m to ${mostSeconds}s: none is signed for ${text}`);
  }
  return seconds;
}
