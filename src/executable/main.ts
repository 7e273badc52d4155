/** The single-file executable: multusd and multusctl in one, for nodes without Node. Its name, or its first argument, decides which of the two runs. */

import { basename } from "node:path";
import { isGoProgram } from "../ctl/go-programs.ts";
import { isKubectlPlugin } from "../ctl/program-name.ts";

/** The name that it was called by: a link may have another name than the file. */
const [, calledAs = "", ...args] = process.argv;
const [firstWord] = args;
const isRole = firstWord === "ctl" || firstWord === "daemon";
const isCtlByName =
  basename(calledAs) === "multusctl" || isKubectlPlugin(calledAs) || isGoProgram(calledAs, args);
const role = isRole ? firstWord : isCtlByName ? "ctl" : "daemon";
// Both read their arguments from process.argv.
if (isRole) process.argv.splice(2, 1);

// Only one of them is evaluated.
const main = role === "ctl" ? import("../ctl/main.ts") : import("../daemon/main.ts");
main.catch((error: unknown) => {
  process.stderr.write(`! ${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`);
  process.exit(1);
});
