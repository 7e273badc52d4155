/** An option that says how long a certificate is valid. */

import { InvalidArgumentError } from "commander";
import { certificateSeconds } from "../../kube/certificates/duration.ts";
import { errorText } from "../../log/error-text.ts";

/** @param text as Go writes durations, `24h` @returns seconds @throws {InvalidArgumentError} for none, or one that is not signed for */
export function parseCertificateDuration(text: string): number {
  try {
    return certificateSeconds(text, "It");
  } catch (error) {
    throw new InvalidArgumentError(`${errorText(error)}.`);
  }
}
