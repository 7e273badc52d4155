/** A parser of bytes from outside as the fuzzers see it, and what must hold for all of them. */

/** One parser, or a few that read the same text. */
export interface FuzzTarget {
  /** `room/what`: names it for `npm run fuzz -- --only`. */
  readonly name: string;
  /** Exported functions of src/ that it calls: `src/base/json.ts parseJson`. A test looks that every parser is in one of these lists. */
  readonly covers: readonly string[];
  /** Good inputs, from which others are made. */
  readonly seeds: () => readonly (string | Uint8Array)[];
  /** Words that the parser knows: keys, marks. */
  readonly words?: readonly string[];
  /** Compares with the shim: `build/fuzz-shim` has to be there. */
  readonly needsShim?: boolean;
  /** @throws where something does not hold; what the parser throws as it should is caught here */
  readonly run: (input: Buffer) => unknown;
  /** Ends what `run` has started. */
  readonly close?: () => void;
}

/** Something that must hold for every input does not. */
export class BrokenPromise extends Error {
  override readonly name = "BrokenPromise";
}

/** @throws {BrokenPromise} */
export function must(condition: boolean, what: string): asserts condition {
  if (!condition) throw new BrokenPromise(what);
}

/** Both as JSON, for what is text in the end. @throws {BrokenPromise} */
export function mustEqual(actual: unknown, expected: unknown, what: string): void {
  const [left, right] = [JSON.stringify(actual), JSON.stringify(expected)];
  must(left === right, `${what}: ${left?.slice(0, 500)} is not ${right?.slice(0, 500)}`);
}

type ErrorClass = abstract new (...given: never[]) => Error;

/** An error's text may cite the input a few times, but nothing may make it grow beyond that. */
const longestMessage = (inputLength: number) => 8 * inputLength + 4_096;

/**
 * Runs a parser.
 * @param allowed the errors that it may throw
 * @returns what it made of the input; undefined where it refused it
 * @throws {BrokenPromise} an error without a text, or with one that is too long; what else the parser throws
 */
export function attempt<Result>(
  input: Uint8Array,
  allowed: readonly ErrorClass[],
  parse: () => Result,
): Result | undefined {
  try {
    const result = parse();
    mustKeepPrototypes(result);
    return result;
  } catch (error) {
    if (error instanceof BrokenPromise || !allowed.some((kind) => error instanceof kind)) throw error;
    const { message } = error as Error;
    must(message !== "", "an error without a text");
    must(message.length <= longestMessage(input.length), `an error's text of ${message.length} characters`);
    return undefined;
  }
}

/** The same for a parser that answers later. */
export async function attemptLater<Result>(
  input: Uint8Array,
  allowed: readonly ErrorClass[],
  parse: () => Promise<Result>,
): Promise<Result | undefined> {
  const outcome = await parse().then(
    (result) => () => result,
    (error: unknown) => () => {
      throw error;
    },
  );
  return attempt(input, allowed, outcome);
}

const depthLooked = 6;
const ownKeysOfObject = Reflect.ownKeys(Object.prototype).length;

/**
 * No object has a prototype that came out of the input (a key `__proto__`), and Object's own is as it was.
 * @throws {BrokenPromise}
 */
export function mustKeepPrototypes(value: unknown, depth = 0): void {
  if (depth === 0) {
    must(Reflect.ownKeys(Object.prototype).length === ownKeysOfObject, "Object.prototype has been changed");
  }
  if (typeof value !== "object" || value === null || depth > depthLooked || ArrayBuffer.isView(value)) return;
  const prototype: unknown = Object.getPrototypeOf(value);
  if (typeof prototype === "object" && prototype !== null) {
    const owner: unknown = Object.hasOwn(prototype, "constructor")
      ? Reflect.get(prototype, "constructor")
      : undefined;
    must(
      typeof owner === "function" && owner.prototype === prototype,
      "an object's prototype came out of the input",
    );
  }
  const members = value instanceof Map ? [...value.values()] : Object.values(value);
  for (const member of members.slice(0, 50)) mustKeepPrototypes(member, depth + 1);
}
