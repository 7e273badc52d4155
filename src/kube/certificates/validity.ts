/** When a certificate counts, and when another one has to be there. */

/** In milliseconds since the epoch. */
export interface Validity {
  readonly from: number;
  readonly until: number;
}

/** Part of its life after which a certificate is renewed (docs/behaviour.md, "Daemon"), and how much earlier at most: nodes that started at the same time do not all ask at the same time. */
const renewedAt = 0.8;
const renewalSpread = 0.05;

/** When to renew. @param random from 0 up to 1 @returns milliseconds since the epoch */
export function renewalTime({ from, until }: Validity, random: number): number {
  return from + (until - from) * (renewedAt - renewalSpread * random);
}
