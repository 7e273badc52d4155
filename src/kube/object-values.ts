/** Values of objects of the API that need not be there: what is not of its type counts as absent. */

import { isJsonObject, type JsonObject } from "../base/json.ts";

/** An object; {} for what is none. */
export function asObject(value: unknown): JsonObject {
  return isJsonObject(value) ? value : {};
}

/** A text; "" for what is none. */
export function asText(value: unknown): string {
  return typeof value === "string" ? value : "";
}
