/** The name that multusctl is called by: as a plugin of kubectl it is `kubectl multus`. */

import { basename } from "node:path";

const ownName = "multusctl";
/** The file that kubectl looks for on PATH. */
const pluginFile = "kubectl-multus";

/** Is it called as kubectl's plugin? @param program path that it was started by */
export function isKubectlPlugin(program: string): boolean {
  return basename(program) === pluginFile;
}

/** @param program path that it was started by */
export function programName(program: string): string {
  return isKubectlPlugin(program) ? "kubectl multus" : ownName;
}

/** Text of help and usage with the name that it is called by. Calls on a node (`sudo multusctl`) or in a daemon's pod (`-- multusctl`) keep their name. */
export function withProgramName(text: string, name: string): string {
  return name === ownName ? text : text.replaceAll(/(?<!sudo |-- |\/)\bmultusctl\b(?!\.mjs)/g, name);
}
