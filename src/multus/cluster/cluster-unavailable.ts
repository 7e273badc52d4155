/** The error of a question that the cluster cannot answer now. */

import { CniError, CniErrorCode } from "../../cni/errors.ts";

/** Code 11, "try again later": the API server does not answer, refuses, or cannot be asked yet. */
export class ClusterUnavailable extends CniError {
  constructor(message: string, options?: ErrorOptions) {
    super(CniErrorCode.tryAgainLater, message, "", options);
  }
}
