/** The files that validate is given. */

import { readFileSync } from "node:fs";
import { systemErrorCode } from "../../base/system-error.ts";
import { errorText } from "../../log/error-text.ts";
import { UserError } from "../command/user-error.ts";

const adviceAbout: ReadonlyMap<string | undefined, string> = new Map([
  // Multus's own file has mode 0600.
  ["EACCES", "run it with sudo"],
  ["EISDIR", "name the files in it"],
]);

/** Reads a file; "-" is stdin. @throws {UserError} if it cannot be read */
export function readInput(file: string): string {
  try {
    return readFileSync(file === "-" ? 0 : file, "utf8");
  } catch (error) {
    const advice = adviceAbout.get(systemErrorCode(error)) ?? "";
    throw new UserError(`${file} cannot be read: ${errorText(error)}`, advice);
  }
}
