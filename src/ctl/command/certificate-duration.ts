/** Parses an option with a certificate's duration. */

import { InvalidArgumentError } from "@commander-js/extra-typings";
import { certificateSeconds } from "../../kube/certificates/duration.ts";
import { errorText } from "../../log/error-text.ts";

/** @param text as Go writes durations, `24h` @returns seconds @throws {InvalidArgumentError} for no duration, or one that no signer accepts */
export function parseCertificateDuration(text: string): number {
  try {
    return certificateSeconds(text, "It");
  } catch (error) {
    throw new InvalidArgumentError(`${errorText(error)}.`);
  }
}
