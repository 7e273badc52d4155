/**
 * Prints a result that has lists as one of another version that has lists: part by part, each when it has just been read, in the
 * order in which they are there. Every function returns false, after fail(), if there is no memory left.
 */

import { Character } from "../json/characters";
import { writeByte, writeText } from "../json/write";
import { addedCount, writeAdded } from "./edits";
import { goOn, makeRoom, out, startOutput } from "./output";
import { isDnsEmpty, writeDns, writeInterface, writeIp, writeRoute } from "./print";
import { Field } from "./fields";
import { SHAPE_CURRENT, SHAPE_FAMILIES, shapeOf, writeVersion } from "./versions";

/** Shape of what is printed. */
let target: i32 = 0;
/** Which parts have been printed, a bit for each field. */
let printed: i32 = 0;

/** Starts a result. */
export function startResult(version: i32): bool {
  target = shapeOf(version);
  printed = 0;
  startOutput();
  if (!makeRoom(0)) return false;
  goOn(writeByte(writeVersion(version, writeText(out, '{"cniVersion":"')), Character.QUOTE));
  return true;
}

/**
 * Prints the element of a list that was read last: an interface, an address or a route.
 * @param length bytes that it has
 */
export function printElement(ofField: Field, length: usize, isFirst: bool): bool {
  if (!makeRoom(length)) return false;
  const to = isFirst ? startList(ofField) : writeByte(out, Character.COMMA);
  if (ofField == Field.INTERFACES) goOn(writeInterface(to));
  else goOn(ofField == Field.IPS ? writeIp(to, target) : writeRoute(to, false));
  return true;
}

function startList(field: Field): usize {
  printed |= 1 << field;
  if (field == Field.INTERFACES) return writeText(out, ',"interfaces":[');
  return writeText(out, field == Field.IPS ? ',"ips":[' : ',"routes":[');
}

/**
 * Ends a list.
 * @param isEmpty nothing of it was printed; it is left out then, unless it takes back an earlier one of the same name
 */
export function endList(field: Field, isEmpty: bool): void {
  if (isEmpty) {
    if (!(printed & (1 << field))) return;
    goOn(startList(field));
  }
  goOn(writeByte(out, Character.CLOSE_BRACKET));
}

/** Ends the list of routes: the added ones are its last. */
export function endRoutes(isEmpty: bool): bool {
  if (addedCount(0) == 0) {
    endList(Field.ROUTES, isEmpty);
    return true;
  }
  const to = writeAdded(isEmpty ? startList(Field.ROUTES) : out, 0, isEmpty);
  if (!to) return false;
  goOn(writeByte(to, Character.CLOSE_BRACKET));
  return true;
}

/** Prints the DNS settings read last. From 1.0.0 on empty ones are left out. */
export function printDns(length: usize): bool {
  if (target == SHAPE_CURRENT && isDnsEmpty() && !(printed & (1 << Field.DNS))) return true;
  if (!makeRoom(length)) return false;
  printed |= 1 << Field.DNS;
  goOn(writeDns(writeText(out, ',"dns":')));
  return true;
}

/** Ends a result: adds what no member has brought. Results of the old shape have their routes in ip4 and ip6. */
export function endResult(): bool {
  if (!makeRoom(0)) return false;
  const lacksRoutes = target != SHAPE_FAMILIES && !(printed & (1 << Field.ROUTES));
  if (lacksRoutes && !endRoutes(true)) return false;
  if (target != SHAPE_CURRENT && !(printed & (1 << Field.DNS))) goOn(writeText(out, ',"dns":{}'));
  goOn(writeByte(out, Character.CLOSE_BRACE));
  return true;
}
