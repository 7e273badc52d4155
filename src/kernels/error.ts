/** A kernel's refusal of its input, as an error with the position. */

import { lineColumn, type TextPlace } from "../base/text-places.ts";
import { jsonPathAt, jsonValueAt } from "./path.ts";

/** Bytes that a kernel refused. */
export class KernelError extends Error {
  override readonly name = "KernelError";
  /** Stable name of the status, for callers that match. */
  readonly code: string;
  /** Index of the first offending byte in the input that `input` names. */
  readonly offset: number;
  /** Which input: "config", "plugin", "result", "prevResult", "runtimeConfig", "cniArgs", … */
  readonly input: string;
  /** The problem; `message` also has the position. */
  readonly problem: string;
  /** Of the offending byte, both from 1, columns in characters; undefined where it has none. */
  readonly place: TextPlace | undefined;

  constructor(code: string, problem: string, input: string, offset: number, place?: KernelError["place"]) {
    super(
      place === undefined
        ? problem
        : `${problem} at byte ${offset} (line ${place.line}, column ${place.column})`,
    );
    this.code = code;
    this.input = input;
    this.offset = offset;
    this.problem = problem;
    this.place = place;
  }
}

/** Statuses below this one mean "not JSON", those from the other one on that a value does not mean what it should. */
const firstLimit = 32;
const firstMeaning = 64;

/** Code and text of each status in assembly/status.ts. `{}` is the field concerned. */
const statuses: Readonly<Record<number, readonly [code: string, text: string]>> = {
  1: ["expected-value", "expected a value"],
  2: ["expected-comma-or-brace", "expected ',' or '}'"],
  3: ["expected-comma-or-bracket", "expected ',' or ']'"],
  4: ["expected-key", "expected a key in double quotes"],
  5: ["expected-colon", "expected ':'"],
  6: ["bad-number", "expected a digit"],
  7: ["bad-escape", "invalid escape in a string"],
  8: ["control-character", "control character in a string"],
  9: ["bad-utf8", "invalid UTF-8"],
  10: ["trailing-bytes", "unexpected bytes after the JSON value"],
  32: ["too-deep", "more than 10000 containers within each other"],
  33: ["output-too-large", "the result would be larger than 16 MiB"],
  34: ["out-of-memory", "not enough memory"],
  35: ["too-many-plugins", "more than 1024 plugins"],
  40: ["not-an-object", "{} must be an object"],
  41: ["not-an-array", "{} must be an array"],
  42: ["not-a-string", "{} must be a string"],
  43: ["not-a-boolean", "{} must be true or false"],
  46: ["missing", "{} is missing"],
  47: ["bad-version", "{} must be a version such as 1.0.0"],
  64: ["not-an-integer", "{} must be an integer"],
  65: ["not-an-address", "{} is not an IP address"],
  66: ["not-a-cidr", "{} is not a CIDR"],
  70: ["unsupported-version", "{} is not a supported version"],
  71: ["no-address", "there is no address, and versions below 0.3.0 need one"],
  72: ["unsupported-config-version", "{} has no version, and that of the configuration is not supported"],
};

/**
 * @param status as a kernel returned it
 * @param field name of the field concerned, "" if there is none
 * @param input name of the input that has the offending byte
 * @param bytes that input
 * @param offset index of the offending byte
 */
export function kernelError(
  status: number,
  field: string,
  input: string,
  bytes: Uint8Array,
  offset: number,
): KernelError {
  const endsEarly = status < firstLimit && offset === bytes.length;
  const [code, text] = endsEarly
    ? (["unexpected-end", "unexpected end of JSON"] as const)
    : (statuses[status] ?? [`status-${status}`, `refused with status ${status}`]);
  const value = status >= firstMeaning ? jsonValueAt(bytes, offset) : "";
  const what = text.replace("{}", () => subject(field, input, jsonPathAt(bytes, offset)));
  return new KernelError(
    code,
    `${input}: ${what}${value && `: ${value}`}`,
    input,
    offset,
    lineColumn(bytes, offset),
  );
}

/**
 * The subject of a message.
 * @param field name of the field concerned; it may be missing
 * @param path of the value at the offending byte: the field, or what it should be in
 */
function subject(field: string, input: string, path: string): string {
  if (path === "") return field === "" ? `the ${input}` : `"${field}"`;
  return field === "" || path.endsWith(field) ? path : `${path}.${field}`;
}

/** Most bytes of one input. */
export const maximumInputLength = 4 * 1024 * 1024;

/** The error for an input above `maximumInputLength`. */
export function tooLarge(input: string, length: number): KernelError {
  return new KernelError(
    "too-large",
    `${input}: ${length} bytes are more than the ${maximumInputLength} that one input may have`,
    input,
    maximumInputLength,
  );
}
