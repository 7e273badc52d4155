/** Tells of a problem in one of the user's files as `multusctl validate` does: the daemon of a try reads a copy of them, and knows its places only. */

import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { loadKernels } from "../../kernels/load.ts";
import { UserError } from "../command/user-error.ts";
import { checkText } from "../configuration/files.ts";
import { manifestCopy, type NetworkOptions, noNetworkIn } from "../scratch/networks.ts";
import { formatFinding } from "../text/finding.ts";

/**
 * The failure of a try, where it is about a file with the file's own errors in its place.
 * @param options name the files @param directory of the scratch node
 * @returns the same failure if it is about no file
 */
export function inUsersFiles(failure: Error, options: NetworkOptions, directory: string): Error {
  if (!(failure instanceof UserError)) return failure;
  const { nad = [], clusterNetwork } = options;
  const copies = nad.map((file, index) => ({ file, copy: manifestCopy(directory, index, file) }));
  const concerned = [
    ...copies.filter(({ file, copy }) => isAbout(failure.message, file, copy)),
    ...(clusterNetwork !== undefined && failure.message.includes(resolve(clusterNetwork))
      ? [{ file: clusterNetwork }]
      : []),
  ].map(({ file }) => file);
  const errors = [...new Set(concerned)].flatMap(errorsIn);
  if (errors.length > 0) {
    return new UserError(errors.join("\n"), `multusctl validate ${concerned.join(" ")} checks it alone`, {
      cause: failure,
    });
  }
  const message = copies.reduce((text, { file, copy }) => text.replaceAll(copy, file), failure.message);
  return message === failure.message ? failure : new UserError(message, failure.advice, { cause: failure });
}

/** A file that cannot be parsed has no network: it is named as the user named it. */
function isAbout(message: string, file: string, copy: string): boolean {
  return message.includes(copy) || (message.startsWith(noNetworkIn) && message.includes(file));
}

/** `file:line:column: error: message`, each. Plugins are not looked for. */
function errorsIn(file: string): string[] {
  let text: string;
  try {
    text = readFileSync(file, "utf8");
  } catch {
    return []; // the failure says so
  }
  const { findings } = checkText(text, file, { kernels: loadKernels(), binDirs: [] });
  return findings.filter(({ severity }) => severity === "error").map((finding) => formatFinding(finding));
}
