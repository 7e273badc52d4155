/** Marks generated files in the runtime's directory, so that an uninstall removes those, and no user's or Go multus's. */

import type { JsonObject } from "../base/json.ts";

/** Key and value in the netconf; no plugin reads them. */
const key = "generatedBy";
const value = "multus-wasm";

/** To be among the netconf keys of what is generated. */
export const ownershipKeys: JsonObject = { [key]: value };

const written = new RegExp(`${JSON.stringify(key)}\\s*:\\s*${JSON.stringify(value)}`);

/** @param text of any file, also a torn one */
export function isGenerated(text: string): boolean {
  return written.test(text);
}
