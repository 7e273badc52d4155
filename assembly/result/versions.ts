/** The versions of the CNI specification, and which of their results have the same shape. */

/** Results with `ip4` and `ip6`: 0.1.0, 0.2.0. */
export const SHAPE_FAMILIES: i32 = 0;
/** Results with lists, `version` in `ips`: 0.3.0, 0.3.1, 0.4.0. */
export const SHAPE_LISTS: i32 = 1;
/** Results with lists, and more in `interfaces`: 1.0.0, 1.1.0. */
export const SHAPE_CURRENT: i32 = 2;

/** Number of 1.1.0. Versions are numbered from 0.1.0 on, in the order of CNI_VERSIONS in src/kernels. */
export const NEWEST_VERSION: i32 = 6;
/** versionAt: there is no version, the text is empty. */
export const NO_VERSION: i32 = -1;
/** versionAt: not a version of the specification. */
export const UNKNOWN_VERSION: i32 = -2;

/** A version's text and the quote after it are six bytes. */
const MASK: u64 = 0xffff_ffff_ffff;
const QUOTED_0_1_0: u64 = 0x22_30_2e_31_2e_30;
const QUOTED_0_2_0: u64 = 0x22_30_2e_32_2e_30;
const QUOTED_0_3_0: u64 = 0x22_30_2e_33_2e_30;
const QUOTED_0_3_1: u64 = 0x22_31_2e_33_2e_30;
const QUOTED_0_4_0: u64 = 0x22_30_2e_34_2e_30;
const QUOTED_1_0_0: u64 = 0x22_30_2e_30_2e_31;
const QUOTED_1_1_0: u64 = 0x22_30_2e_31_2e_31;

/** Length of a version's text. */
const VERSION_LENGTH: usize = 5;

/** Number of the version whose text, ended by a quote, is at `at`; NO_VERSION or UNKNOWN_VERSION if it is none. */
export function versionAt(at: usize): i32 {
  const text = load<u64>(at) & MASK;
  if (text == QUOTED_1_0_0) return 5;
  if (text == QUOTED_1_1_0) return NEWEST_VERSION;
  if (text == QUOTED_0_3_1) return 3;
  if (text == QUOTED_0_4_0) return 4;
  if (text == QUOTED_0_3_0) return 2;
  if (text == QUOTED_0_2_0) return 1;
  if (text == QUOTED_0_1_0) return 0;
  return (text & 0xff) == 0x22 ? NO_VERSION : UNKNOWN_VERSION;
}

/** Writes the text of a version, without quotes; 8 bytes are written. Returns where it ends. */
export function writeVersion(version: i32, out: usize): usize {
  let text = QUOTED_1_1_0;
  if (version == 0) text = QUOTED_0_1_0;
  else if (version == 1) text = QUOTED_0_2_0;
  else if (version == 2) text = QUOTED_0_3_0;
  else if (version == 3) text = QUOTED_0_3_1;
  else if (version == 4) text = QUOTED_0_4_0;
  else if (version == 5) text = QUOTED_1_0_0;
  store<u64>(out, text);
  return out + VERSION_LENGTH;
}

/** Shape of the results of a version. */
export function shapeOf(version: i32): i32 {
  return version < 2 ? SHAPE_FAMILIES : version < 5 ? SHAPE_LISTS : SHAPE_CURRENT;
}
