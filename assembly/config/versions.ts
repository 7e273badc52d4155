/** Which version a list is of that names several. */

import { fail } from "../memory";
import { Status } from "../status";
import { Character } from "../json/characters";
import { enterArray, isElement, nextElement, skipString, skipValue } from "../json/scan";
import { Field } from "./fields";
import { Outline } from "./outline";
import { expectArray, expectString } from "./shape";

/** The newest version that this project speaks, 1.1.0, as versionAt has it. */
const NEWEST: i32 = (1 << 20) | (1 << 10);

/**
 * Picks the highest version of `cniVersions` and `cniVersion` that is not above the newest one known, as libcni does.
 * @returns address of its string; 0 if there is no `cniVersions`, or none of them will do, or after fail()
 */
export function highestVersion(list: Outline): usize {
  const single = list.find(Field.CNI_VERSION);
  if (single !== null && !expectString(single.valueStart, "cniVersion")) return 0;
  const versions = list.find(Field.CNI_VERSIONS);
  if (versions === null) return 0;
  if (!expectArray(versions.valueStart, "cniVersions")) return 0;
  let best = -1;
  let bestAt: usize = 0;
  let p = enterArray(versions.valueStart);
  while (isElement(p)) {
    if (load<u8>(p) != Character.QUOTE) return fail(Status.NOT_A_STRING, p, "cniVersions");
    const version = versionAt(p);
    if (version < 0) return fail(Status.BAD_VERSION, p, "cniVersions");
    if (version <= NEWEST && version > best) {
      best = version;
      bestAt = p;
    }
    p = nextElement(skipValue(p, 0));
  }
  if (single !== null && single.valueEnd - single.valueStart > 2) {
    const version = versionAt(single.valueStart);
    if (version < 0) return fail(Status.BAD_VERSION, single.valueStart, "cniVersion");
    if (version <= NEWEST && version > best) bestAt = single.valueStart;
  }
  return bestAt;
}

/**
 * The version in the string at `p`: one to three numbers below 1000 with dots between, each in 10 bits. An empty one is 0.1.0.
 * -1: it is not a version.
 */
function versionAt(p: usize): i32 {
  const end = skipString(p) - 1;
  if (++p == end) return 1 << 10;
  let version = 0;
  for (let shift = 20; shift >= 0; shift -= 10) {
    let number = 0;
    let digits = 0;
    for (; load<u8>(p) - Character.ZERO < 10; p++) {
      number = number * 10 + (load<u8>(p) - Character.ZERO);
      digits++;
    }
    if (digits == 0 || digits > 3) return -1;
    version |= number << shift;
    if (p == end) return version;
    if (load<u8>(p++) != Character.DOT) return -1;
  }
  return -1;
}
