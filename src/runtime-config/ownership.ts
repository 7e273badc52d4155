/** By what a generated file of the runtime's directory is known to be generated, so that an uninstall removes it, and no user's or Go multus's. */

import type { JsonObject } from "../base/json.ts";

/** Key and value in the netconf; nobody reads them. */
const key = "generatedBy";
const value = "multus-wasm";

/** To be among the netconf keys of what is generated. */
export const ownershipKeys: JsonObject = { [key]: value };

const written = new RegExp(`${JSON.stringify(key)}\\s*:\\s*${JSON.stringify(value)}`);

/** @param text of a file of whatever content: what is told from a torn one, too */
export function isGenerated(text: string): boolean {
  return written.test(text);
}
