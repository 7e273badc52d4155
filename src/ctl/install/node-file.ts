/** Writes configurations onto the node. */

import { writeOwnFile } from "../../runtime-config/kept-file.ts";
import { userErrorOf } from "../command/user-error.ts";

/** Writes a file for its owner alone, whole. @throws {UserError} */
export function writeNodeFile(path: string, bytes: Uint8Array): void {
  try {
    writeOwnFile(path, bytes, `${path}.new`);
  } catch (error) {
    throw userErrorOf(error);
  }
}
