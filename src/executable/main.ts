/** The single-file executable: multusd and multusctl in one, for nodes without Node. Its name says which of the two it is, or its first word. */

import { basename } from "node:path";
import { isGoProgram } from "../ctl/go-programs.ts";

/** The file itself, and what it was called as: a link may have another name. */
const [, calledAs = "", ...args] = process.argv;
const [firstWord] = args;
const isRole = firstWord === "ctl" || firstWord === "daemon";
const isCtlByName = basename(calledAs) === "multusctl" || isGoProgram(calledAs, args);
const role = isRole ? firstWord : isCtlByName ? "ctl" : "daemon";
// Both read their own words from where Node leaves them.
if (isRole) process.argv.splice(2, 1);

// Only one of them is evaluated.
const main = role === "ctl" ? import("../ctl/main.ts") : import("../daemon/main.ts");
main.catch((error: unknown) => {
  process.stderr.write(`! ${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`);
  process.exit(1);
});
