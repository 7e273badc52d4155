/** One instance of multus.wasm: puts inputs into its memory, takes results and errors out. Mirrors assembly/memory.ts. */

import { randomInt } from "node:crypto";
import { readFileSync } from "node:fs";
import { getRawAsset, isSea } from "node:sea";
import { kernelError, maximumInputLength, tooLarge } from "./error.ts";

/** Takes addresses and lengths in bytes, and numbers, as its function in assembly/ says. Returns a status, 0 for done. */
type Kernel = (...words: number[]) => number;

/** The exports of multus.wasm. */
interface WasmExports {
  readonly memory: WebAssembly.Memory;
  readonly header: WebAssembly.Global;
  reserve(bytes: number): number;
  readonly splitConfig: Kernel;
  readonly adjustConfig: Kernel;
  readonly mergeConfig: Kernel;
  readonly convertResult: Kernel;
  readonly outlineResult: Kernel;
  readonly networkStatus: Kernel;
}

// The words of the header.
const RESULT_ADDRESS = 0;
const RESULT_LENGTH = 1;
const ERROR_STATUS = 2;
const ERROR_ADDRESS = 3;
const ERROR_FIELD = 4;
const HASH_SEED = 5;

/** Bytes between one input and the next: a kernel ends each input with zeros. */
const inputGap = 32;

/** Above this much memory an instance is given up after its call: a huge input must not be paid for ever after. */
const memoryLimit = 8 * 1024 * 1024;

/** Stands in for an input that has been let go of. */
const noBytes = new Uint8Array();

/** The module is next to the bundle in production, in build/ of the project in development. */
function locateModule(): URL {
  return import.meta.url.endsWith(".ts")
    ? new URL("../../build/multus.wasm", import.meta.url)
    : new URL("./multus.wasm", import.meta.url);
}

/** In the single-file executable it is inside. */
function readModule(): Uint8Array {
  return isSea() ? new Uint8Array(getRawAsset("multus.wasm")) : readFileSync(locateModule());
}

/**
 * A call goes: `start`, `put…` each input, call a kernel of `exports`, `check` its status (`call` is all of these), look at the result, `end`.
 * Addresses are good until the next `start`.
 */
export class WasmContext {
  readonly #module: WebAssembly.Module;
  exports: WasmExports;
  /** All of the instance's memory. */
  memory: Buffer;
  /** The same, as 32-bit words. */
  words: Uint32Array;
  /** Length in bytes of the text that `putText` put last. */
  textLength = 0;
  #header: number;
  #next = 0;
  #inputs = 0;
  readonly #inputNames: string[] = [];
  readonly #inputOwners: string[] = [];
  readonly #inputAddresses: number[] = [];
  readonly #inputContents: (Uint8Array | string)[] = [];

  constructor() {
    this.#module = new WebAssembly.Module(readModule());
    this.exports = this.#instantiate();
    this.memory = Buffer.from(this.exports.memory.buffer);
    this.words = new Uint32Array(this.exports.memory.buffer);
    this.#header = this.#openHeader();
  }

  #instantiate(): WasmExports {
    return new WebAssembly.Instance(this.#module).exports as unknown as WasmExports;
  }

  /** Views are of no use any more once memory has grown. */
  #view(): void {
    this.memory = Buffer.from(this.exports.memory.buffer);
    this.words = new Uint32Array(this.exports.memory.buffer);
  }

  #openHeader(): number {
    const header = Number(this.exports.header.value) >>> 2;
    this.words[header + HASH_SEED] = randomInt(2 ** 32);
    return header;
  }

  #headerWord(index: number): number {
    return this.words[this.#header + index] ?? 0;
  }

  /**
   * Room that an input needs, for `start`; 0 for one that is missing.
   * @param name what errors call it
   * @throws {KernelError} too-large
   */
  roomFor(name: string, input: Uint8Array | string | undefined): number {
    if (input === undefined) return 0;
    // A UTF-16 unit takes three bytes of UTF-8 at most.
    const length = typeof input === "string" ? input.length * 3 : input.length;
    if (length > maximumInputLength) throw tooLarge(name, length);
    return length + inputGap;
  }

  /**
   * Starts a call.
   * @param room for all inputs together: the sum of their `roomFor`
   */
  start(room: number): void {
    this.#inputs = 0;
    this.#next = this.exports.reserve(room);
    if (this.memory.length === 0) this.#view();
    if (this.#next === 0) throw this.#error(this.#headerWord(ERROR_STATUS));
  }

  /**
   * Leaves room for words that the host writes itself. To be called before anything is put, as addresses are aligned only then;
   * `start` must have been told of it.
   */
  leaveRoom(bytes: number): number {
    const address = this.#next;
    this.#next = address + bytes;
    return address;
  }

  /**
   * Puts an input into memory.
   * @param name what errors call it
   * @param owner the name of what it belongs to, for errors as well
   * @returns its address
   */
  putBytes(name: string, bytes: Uint8Array, owner = ""): number {
    const address = this.#next;
    this.memory.set(bytes, address);
    this.#next = address + bytes.length + inputGap;
    this.#remember(name, address, bytes, owner);
    return address;
  }

  /** For errors. */
  #remember(name: string, address: number, content: Uint8Array | string, owner = ""): void {
    this.#inputNames[this.#inputs] = name;
    this.#inputOwners[this.#inputs] = owner;
    this.#inputAddresses[this.#inputs] = address;
    this.#inputContents[this.#inputs] = content;
    this.#inputs++;
  }

  /** The same for an input that may be missing; its address is 0 then. */
  putOptionalBytes(name: string, bytes: Uint8Array | undefined, owner = ""): number {
    return bytes === undefined ? 0 : this.putBytes(name, bytes, owner);
  }

  /**
   * Puts a text into memory, in UTF-8. Returns its address; `textLength` is its length.
   * @param name what errors call it, where a kernel may find something wrong with it
   */
  putText(text: string, name?: string): number {
    const address = this.#next;
    // Nearly all are short and ASCII: a loop is done before a call into the runtime has begun.
    const { memory } = this;
    const { length } = text;
    let index = 0;
    for (; index < length && index < 64; index++) {
      const unit = text.charCodeAt(index);
      if (unit >= 0x80) break;
      memory[address + index] = unit;
    }
    this.textLength = index === length ? length : memory.write(text, address, "utf8");
    this.#next = address + this.textLength + inputGap;
    if (name !== undefined) this.#remember(name, address, text);
    return address;
  }

  /**
   * Makes a call with inputs that are on their own: starts it, puts each, calls the kernel with address and length of each in this order, and checks its status.
   * @param inputs by the names that errors call them by; one that is missing has address and length 0
   * @returns the address of the first
   * @throws {KernelError}
   */
  call(kernel: Kernel, inputs: Readonly<Record<string, Uint8Array | string | undefined>>): number {
    let room = 0;
    for (const name in inputs) room += this.roomFor(name, inputs[name]);
    this.start(room);
    const first = this.#next;
    const words: number[] = [];
    for (const name in inputs) {
      const input = inputs[name];
      if (typeof input === "string") words.push(this.putText(input, name), this.textLength);
      else words.push(this.putOptionalBytes(name, input), input?.length ?? 0);
    }
    this.check(kernel(...words));
    return first;
  }

  /**
   * Looks at what a kernel returned.
   * @throws {KernelError} if it is not 0
   */
  check(status: number): void {
    if (this.memory.length === 0) this.#view();
    if (status !== 0) throw this.#error(status);
  }

  #error(status: number): Error {
    const address = this.#headerWord(ERROR_ADDRESS);
    const field = this.textAt(this.#headerWord(ERROR_FIELD));
    let place = 0;
    for (let index = 0; index < this.#inputs; index++) {
      if (address >= (this.#inputAddresses[index] ?? 0)) place = index;
    }
    const content = this.#inputContents[place] ?? noBytes;
    const bytes = typeof content === "string" ? Buffer.from(content) : content;
    const offset = Math.min(Math.max(address - (this.#inputAddresses[place] ?? 0), 0), bytes.length);
    const owner = this.#inputOwners[place] ?? "";
    const name = `${this.#inputNames[place] ?? "input"}${owner && ` of ${owner}`}`;
    const error = kernelError(status, field, name, bytes, offset);
    this.end();
    return error;
  }

  /** A string of the module's own: UTF-16 with its length in bytes before it. 0 is the empty one. */
  textAt(address: number): string {
    if (address === 0) return "";
    const length = this.words[(address - 4) >>> 2] ?? 0;
    return this.memory.toString("utf16le", address, address + length);
  }

  /** The 32-bit word number `index` from an address on. */
  word(address: number, index: number): number {
    return this.words[(address >>> 2) + index] ?? 0;
  }

  /** Text in UTF-8 from an address on. */
  text(address: number, length: number): string {
    return length === 0 ? "" : this.memory.toString("utf8", address, address + length);
  }

  /** Address of the result that the kernel called last has made. */
  get resultAddress(): number {
    return this.#headerWord(RESULT_ADDRESS);
  }

  /** Its length in bytes. */
  get resultLength(): number {
    return this.#headerWord(RESULT_LENGTH);
  }

  /** Ends a call whose result is bytes. Returns a copy of them. */
  takeResult(): Uint8Array {
    const address = this.resultAddress;
    const length = this.resultLength;
    const copy = Buffer.allocUnsafe(length);
    this.memory.copy(copy, 0, address, address + length);
    this.end();
    return copy;
  }

  /** Ends a call: lets go of the inputs, and of an instance that has grown too big. */
  end(): void {
    for (let index = 0; index < this.#inputs; index++) this.#inputContents[index] = noBytes;
    this.#inputs = 0;
    if (this.memory.length > memoryLimit) {
      this.exports = this.#instantiate();
      this.#view();
      this.#header = this.#openHeader();
    }
  }
}
