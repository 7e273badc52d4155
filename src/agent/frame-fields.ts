/** Typed access to the fields of a frame's body. Every field is checked: what came over the wire is never taken for what it should be. */

import { type FrameBody, FrameError, isBody } from "./frames.ts";

/** Reads the fields of one body; errors name the frame and the field. */
export class Fields {
  readonly #frame: string;
  readonly #body: FrameBody;

  /** @param frame names the frame in errors: "REQUEST", "answer to EXEC" */
  constructor(frame: string, body: FrameBody) {
    this.#frame = frame;
    this.#body = body;
  }

  /** Is the field there? One that is nil is not. */
  has(name: string): boolean {
    return (this.#value(name) ?? null) !== null;
  }

  /** @throws {FrameError} field */
  text(name: string): string {
    const value = this.#value(name);
    return typeof value === "string" ? value : this.#refuse(name, "text");
  }

  /** @throws {FrameError} field */
  bytes(name: string): Buffer {
    const value = this.#value(name);
    return Buffer.isBuffer(value) ? value : this.#refuse(name, "bytes");
  }

  /** An integer from 0 to 2^53 - 1. @throws {FrameError} field */
  unsigned(name: string): number {
    const value = this.#value(name);
    return isUnsigned(value) ? value : this.#refuse(name, "an unsigned integer");
  }

  /** @throws {FrameError} field */
  boolean(name: string): boolean {
    const value = this.#value(name);
    return typeof value === "boolean" ? value : this.#refuse(name, "a boolean");
  }

  /** Each element a map. @throws {FrameError} field */
  maps(name: string): Fields[] {
    return this.#elements(name, "an array of maps", isBody).map(
      (body, index) => new Fields(`${this.#frame}, ${name}[${index}]`, body),
    );
  }

  /** Each element an integer from 0 to 2^53 - 1. @throws {FrameError} field */
  unsignedList(name: string): number[] {
    return this.#elements(name, "an array of unsigned integers", isUnsigned);
  }

  /** @throws {FrameError} field */
  #elements<Element>(
    name: string,
    expected: string,
    isElement: (value: unknown) => value is Element,
  ): Element[] {
    const value = this.#value(name);
    return Array.isArray(value) && value.every(isElement) ? value : this.#refuse(name, expected);
  }

  #value(name: string): unknown {
    return Object.hasOwn(this.#body, name) ? this.#body[name] : undefined;
  }

  #refuse(name: string, expected: string): never {
    throw new FrameError(
      "field",
      `frame ${this.#frame}: field ${name} must be ${expected}, ${kindOf(this.#value(name))}`,
    );
  }
}

function isUnsigned(value: unknown): value is number {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 0;
}

function kindOf(value: unknown): string {
  if (value === undefined) return "is missing";
  if (value === null) return "is nil";
  if (Buffer.isBuffer(value)) return "is bytes";
  if (Array.isArray(value)) return "is an array";
  if (isBody(value)) return "is a map";
  if (typeof value === "string") return "is text";
  return `is ${String(value)}`;
}
