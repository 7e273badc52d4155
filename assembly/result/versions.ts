/** The versions of the CNI specification, and which of their results have the same shape. */

/** Results with `ip4` and `ip6`: 0.1.0, 0.2.0. */
export const SHAPE_FAMILIES: i32 = 0;
/** Results with lists, `version` in `ips`: 0.3.0, 0.3.1, 0.4.0. */
export const SHAPE_LISTS: i32 = 1;
/** Results with lists, and more in `interfaces`: 1.0.0, 1.1.0. */
export const SHAPE_CURRENT: i32 = 2;

/** Number of 1.1.0. Versions are numbered from 0.1.0 on, as in src/kernels/result.ts. */
export const NEWEST_VERSION: i32 = 6;
/** versionAt: there is no version, the text is empty. */
export const NO_VERSION: i32 = -1;
/** versionAt: not a version of the specification. */
export const UNKNOWN_VERSION: i32 = -2;

/** The versions by their number: text and the quote after it, six bytes as a little-endian number. */
const quoted: usize = memory.data<u64>([
  0x22_30_2e_31_2e_30,
  0x22_30_2e_32_2e_30,
  0x22_30_2e_33_2e_30,
  0x22_31_2e_33_2e_30,
  0x22_30_2e_34_2e_30,
  0x22_30_2e_30_2e_31,
  0x22_30_2e_31_2e_31,
]);
const QUOTED_MASK: u64 = 0xffff_ffff_ffff;

/** Length of a version's text. */
const VERSION_LENGTH: usize = 5;

@inline
function quotedVersion(version: i32): u64 {
  return load<u64>(quoted + (<usize>version << 3));
}

/** Number of the version whose text, ended by a quote, is at `at`; NO_VERSION or UNKNOWN_VERSION if it is none. */
export function versionAt(at: usize): i32 {
  const text = load<u64>(at) & QUOTED_MASK;
  for (let version = NEWEST_VERSION; version >= 0; version--) if (quotedVersion(version) == text) return version;
  return (text & 0xff) == 0x22 ? NO_VERSION : UNKNOWN_VERSION;
}

/** Writes the text of a version, without quotes; 8 bytes are written. Returns where it ends. */
export function writeVersion(version: i32, out: usize): usize {
  store<u64>(out, quotedVersion(version));
  return out + VERSION_LENGTH;
}

/** Shape of the results of a version. */
export function shapeOf(version: i32): i32 {
  return version < 2 ? SHAPE_FAMILIES : version < 5 ? SHAPE_LISTS : SHAPE_CURRENT;
}
