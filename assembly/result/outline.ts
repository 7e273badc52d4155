/** A result's outline for events and the plan of default routes: whether it lists anything, and its addresses as they are written. */

import { finish, skipBlanks, skipValue } from "../json/scan";
import { Character } from "../json/characters";
import { allocate, failure, succeed, terminate } from "../memory";
import { Status } from "../status";
import { Address, ADDRESS_SIZE, addresses, addressesEnd, forgetCollections } from "./addresses";
import { checkResult, interfaceCount } from "./check";
import { isNull } from "./fields";
import { refuseInput } from "./readers";
import { NEWEST_VERSION, NO_VERSION } from "./versions";

/** A word, and two for each address. */
const WORD: usize = 4;

/**
 * See Kernels.outlineResult in src/kernels/index.ts. The result is words: how many interfaces there are, then start and end of each address, a JSON string.
 */
export function outlineResult(result: usize, resultLength: usize): Status {
  terminate(result, resultLength);
  const end = result + resultLength;
  const start = skipBlanks(result);
  forgetCollections();
  let interfaces: u32 = 0;
  if (start < end && !(isNull(start) && finish(start + 4, end))) {
    if (load<u8>(start) != Character.OPEN_BRACE) {
      refuseInput(start, end);
      return failure();
    }
    // A result of the newest version has all that any has.
    const objectEnd = checkResult(start, NEWEST_VERSION, NO_VERSION, true);
    if (!objectEnd || !finish(objectEnd, end)) return failure();
    interfaces = interfaceCount;
  }
  const words = allocate(WORD + (2 * WORD * (addressesEnd - addresses)) / ADDRESS_SIZE);
  if (!words) return failure();
  store<u32>(words, interfaces);
  let to = words + WORD;
  for (let at = addresses; at < addressesEnd; at += ADDRESS_SIZE) {
    const written = changetype<Address>(at).written;
    store<u32>(to, <u32>written);
    store<u32>(to, <u32>skipValue(written, 0), WORD);
    to += 2 * WORD;
  }
  return succeed(words, to - words);
}
