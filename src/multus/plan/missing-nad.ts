/** Advice about a NetworkAttachmentDefinition that does not exist: which one was most likely meant. */

import { nearest } from "../../base/similar.ts";
import type { NadName } from "./nads.ts";

/** Names that are compared with the wanted one: as many as the watch of a large cluster has. */
const mostNames = 10_000;
/** Namespaces that are named. */
const mostNamespaces = 3;

/**
 * @param known definitions that are known
 * @param mayUse may the pod use those of that namespace?
 * @returns text that follows the problem; "": none is near
 */
export function adviceAboutMissing(
  known: readonly NadName[],
  { namespace, name }: NadName,
  mayUse: (namespace: string) => boolean,
): string {
  const compared = known.slice(0, mostNames);
  const beside = compared.filter((each) => each.namespace === namespace).map((each) => each.name);
  const elsewhere = compared
    .filter((each) => each.name === name && each.namespace !== namespace && mayUse(each.namespace))
    .map((each) => each.namespace);
  const near = nearest(name, beside);
  const [first] = elsewhere;
  const advice: string[] = [];
  if (first !== undefined) {
    const shown = elsewhere.slice(0, mostNamespaces).join(", ");
    const more = elsewhere.length > mostNamespaces ? ` and ${elsewhere.length - mostNamespaces} more` : "";
    const where =
      elsewhere.length === 1
        ? `there is one in namespace ${shown}`
        : `there are some in namespaces ${shown}${more}`;
    advice.push(`${where} (select ${first}/${name})`);
  }
  if (near !== undefined) advice.push(`did you mean ${near}?`);
  return advice.join("; ");
}
