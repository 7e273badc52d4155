/** CNI_ARGS: `key=value;key=value`, in order. */

import { quoted } from "../log/quoted.ts";
import { type CniError, environmentError } from "./errors.ts";

/** Pairs in the order of the text; the same key may come twice. */
export type CniArgs = readonly (readonly [string, string])[];

/**
 * @param text "" is no pairs; a value may contain `=`
 * @throws {CniError} 4 naming the pair
 */
export function parseCniArgs(text: string): CniArgs {
  if (text === "") return [];
  return text.split(";").map((pair) => {
    const equals = pair.indexOf("=");
    if (equals <= 0) throw invalid(`${quoted(pair)} is not key=value`);
    return [pair.slice(0, equals), pair.slice(equals + 1)];
  });
}

/** @throws {CniError} 4 for a pair that cannot be written in this form: it would be read back as another one */
export function formatCniArgs(args: CniArgs): string {
  return args
    .map(([key, value]) => {
      if (key === "" || /[=;\0]/.test(key) || /[;\0]/.test(value)) {
        throw invalid(`${quoted(key)} with value ${quoted(value)} cannot be written`);
      }
      return `${key}=${value}`;
    })
    .join(";");
}

/** The value of the last pair with that key: a later pair wins, as in libcni. */
export function findCniArg(args: CniArgs, key: string): string | undefined {
  return args.findLast(([name]) => name === key)?.[1];
}

function invalid(what: string): CniError {
  return environmentError(`CNI_ARGS: ${what}`);
}
