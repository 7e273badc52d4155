/** Keys of a pod's annotations that look like Multus's and are none: nothing else tells their author that they do nothing. */

import { isJsonObject } from "../../base/json.ts";
import { nearest } from "../../base/similar.ts";
import { bounded, quoted } from "../../log/quoted.ts";
import schema from "./selection.schema.json" with { type: "json" };
import { networksAnnotation } from "./selection.ts";

/** Characters of a selection that is looked at: an ordinary one has some hundred. */
const longestRead = 16 * 1024;
/** Annotations, items of a selection, and keys that are looked at; problems that are told. */
const mostAnnotations = 1_000;
const mostItems = 64;
const mostKeys = 64;
const mostTold = 3;

const itemKeys = Object.keys(schema.items.properties);
const isItemKey = new Set(itemKeys.map((key) => key.toLowerCase()));
/** Annotations that somebody meant to select networks with; the status is another one's. */
const likeNetworks = /(?:^|\.)cncf\.io\/networks?$/iu;

/** Misspelt keys in a pod's annotations, each with the key that was most likely meant. @param annotations all, or those that are known */
export function misspeltKeysOf(annotations: Readonly<Record<string, string>>): readonly string[] {
  const selection = annotations[networksAnnotation];
  const found = selection === undefined ? ofAnnotations(annotations) : ofSelection(selection);
  return found.slice(0, mostTold);
}

function ofAnnotations(annotations: Readonly<Record<string, string>>): string[] {
  return Object.keys(annotations)
    .slice(0, mostAnnotations)
    .filter((key) => likeNetworks.test(key) || nearest(key, [networksAnnotation]) !== undefined)
    .map((key) => `annotation ${bounded(key)} selects no networks: did you mean ${networksAnnotation}?`);
}

/** The items are those of the JSON form; whatever cannot be read is told of when it is parsed. */
function ofSelection(text: string): string[] {
  if (text.length > longestRead || !text.includes("{")) return [];
  let items: unknown;
  try {
    items = JSON.parse(text);
  } catch {
    return [];
  }
  return (Array.isArray(items) ? items.slice(0, mostItems) : []).flatMap((item: unknown, index) => {
    if (!isJsonObject(item)) return [];
    const keys = Object.keys(item).slice(0, mostKeys);
    const missing = itemKeys.filter((key) => !keys.includes(key));
    return keys.flatMap((key) => {
      const meant = isItemKey.has(key.toLowerCase()) ? undefined : nearest(key, missing);
      if (meant === undefined) return [];
      return [
        `annotation ${networksAnnotation}: [${index}] has key ${quoted(key)}, which means nothing: did you mean ${quoted(meant)}?`,
      ];
    });
  });
}
