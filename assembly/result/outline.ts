/** A result's outline for events and the plan of default routes: whether it lists anything, and its addresses as they are written. */

import { skipValue } from "../json/scan";
import { allocate, failure, succeed } from "../memory";
import { Status } from "../status";
import { Address, ADDRESS_SIZE, addresses, addressesEnd } from "./addresses";
import { collectResult, interfaceCount } from "./check";

/** A word, and two for each address. */
const WORD: usize = 4;

/**
 * See Kernels.outlineResult in src/kernels/index.ts. The result is words: how many interfaces there are, then start and end of each address, a JSON string.
 */
export function outlineResult(result: usize, resultLength: usize): Status {
  if (!collectResult(result, resultLength)) return failure();
  const words = allocate(WORD + (2 * WORD * (addressesEnd - addresses)) / ADDRESS_SIZE);
  if (!words) return failure();
  store<u32>(words, interfaceCount);
  let to = words + WORD;
  for (let at = addresses; at < addressesEnd; at += ADDRESS_SIZE) {
    const written = changetype<Address>(at).written;
    store<u32>(to, <u32>written);
    store<u32>(to, <u32>skipValue(written, 0), WORD);
    to += 2 * WORD;
  }
  return succeed(words, to - words);
}
