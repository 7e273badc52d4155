/** The capability arguments that a plugin's configuration asks for (CNI conventions, "Dynamic Plugin specific Fields"). */

import { fail } from "../memory";
import { Status } from "../status";
import { Character } from "../json/characters";
import { addKey, createKeyTable, KeyEntry, KeyTable } from "../json/key-table";
import { enterObject, isMember, nextMember, readKey, skipValue } from "../json/scan";

/**
 * Reads a valid `capabilities` object.
 * @returns its keys, those that it says true to marked; null, after fail(), if another is not a boolean
 */
export function readCapabilities(start: usize, end: usize): KeyTable | null {
  const table = createKeyTable(end - start);
  if (table === null) return null;
  let p = enterObject(start);
  while (isMember(p)) {
    const value = readKey(p);
    const entry = addKey(table);
    if (entry === null) return null;
    const first = load<u8>(value);
    entry.marked = first == Character.LOWER_T;
    entry.valueStart = value;
    p = nextMember(skipValue(value, 0));
  }
  // Of duplicates only the last one counts, so this is known at the end only.
  let entry = table.first;
  while (entry !== null) {
    const first = load<u8>(entry.valueStart);
    if (first != Character.LOWER_T && first != Character.LOWER_F && first != Character.LOWER_N) {
      fail(Status.NOT_A_BOOLEAN, entry.valueStart, "capabilities");
      return null;
    }
    entry.valueStart = 0;
    entry = entry.next;
  }
  return table;
}
