/** The directory of plans and results, before it is read. */

import { opendirSync } from "node:fs";
import { isMissingFile } from "../../base/system-error.ts";
import { errorText } from "../../log/error-text.ts";
import { UserError } from "../command/user-error.ts";

/** Why there may be no such directory. */
export const cacheMissingAdvice =
  "no pod has been attached on this node yet, or the netconf's cniDir is another directory (--cni-dir)";

/** Is it there? @throws {UserError} if it cannot be read */
export function isCacheThere(directory: string): boolean {
  try {
    opendirSync(directory).closeSync();
    return true;
  } catch (error) {
    if (isMissingFile(error)) return false;
    throw new UserError(`${directory} cannot be read: ${errorText(error)}`, "run it with sudo");
  }
}
