/** Why the API server forbids something (403): a right is missing, or somebody else is in the way. */

import { ApiError } from "./api.ts";

/**
 * Has the daemon no right to do this? Admission forbids as well: in a namespace that is being deleted, beyond a quota, by a webhook. The server
 * says it in the text only, in the same words whatever decides about rights.
 */
export function lacksRight(error: unknown): boolean {
  return (
    error instanceof ApiError && error.status === 403 && /\bcannot [a-z]+ resource\b/.test(error.message)
  );
}
