/** msgpackr as the wire needs it (docs/wire.md): no extensions and nothing that lasts from one frame to the next. */

// The build without run-time code generation, which msgpackr would use for record definitions; it has no native add-on either.
import { addExtension, Packr, RESERVE_START_SPACE, Unpackr } from "msgpackr/index-no-eval";

/** msgpackr's own first size. */
const firstBufferBytes = 8 * 1024;
/** The buffer that msgpackr writes into may grow to this and stay. Each value that was written keeps the whole of it in memory. */
const keptBufferBytes = 64 * 1024;

/** A field that is undefined is nil on the wire, which means that it is not there. (msgpackr's default is an extension.) */
const packr = new Packr({ useRecords: false, variableMapSize: true, encodeUndefinedAsNil: true });

/** Where msgpackr keeps the definition of a record before it reads one: there is no room, so each is an error. */
const noRecords: object[] = Object.preventExtensions(
  Object.assign([], { sharedLength: 0, restoreStructures: null }),
);
const unpackr = new Unpackr({ useRecords: false, structures: noRecords, int64AsType: "number" });
/** Made when it is needed: no frame needs it. */
let exactUnpackr: Unpackr | undefined;

// Some have a meaning for msgpackr (dates, regular expressions, references): none has one on the wire.
for (let type = 0; type <= 0xff; type++) {
  addExtension({
    type,
    unpack() {
      throw new Error(`extension of type ${type}`);
    },
  });
}

/**
 * Writes one value.
 * @param value integers up to 2^32 - 1, larger ones as BigInt, text, byte arrays, booleans, null, arrays and plain objects
 * @param reserved bytes to leave free in front, at most 255
 */
export function encodeMessagePack(value: unknown, reserved: number): Buffer {
  const encoded = packr.pack(value, RESERVE_START_SPACE | reserved);
  if (encoded.buffer.byteLength <= keptBufferBytes) return encoded;
  // msgpackr would go on with a buffer of four times the largest value ever written.
  packr.useBuffer(Buffer.allocUnsafeSlow(firstBufferBytes));
  return Buffer.from(encoded);
}

/**
 * Reads one value. Byte strings are views into `bytes`; a 64-bit integer is the nearest number; of equal keys of a map the last one counts.
 * @throws {Error} for what is not exactly one value, for an extension, and for nesting that is too deep for the stack
 */
export function decodeMessagePack(bytes: Buffer): unknown {
  return unpackOne(unpackr, bytes);
}

/** The same, but a 64-bit integer is a BigInt. @throws {Error} like decodeMessagePack */
export function decodeExactMessagePack(bytes: Buffer): unknown {
  exactUnpackr ??= new Unpackr({ useRecords: false, structures: noRecords, int64AsType: "bigint" });
  return unpackOne(exactUnpackr, bytes);
}

function unpackOne(reader: Unpackr, bytes: Buffer): unknown {
  let value: unknown;
  let end = 0;
  // unpack() would write what stands before bytes too many into its error, as JSON: a gigabyte for a frame of 16 MiB.
  reader.unpackMultiple(bytes, (first, _start, next = 0) => {
    value = first;
    end = next;
    return false;
  });
  if (end < bytes.length) throw new Error(`bytes after the value at byte ${end}`);
  return value;
}
