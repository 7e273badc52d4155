/** What a document is, told from its keys. */

import { isJsonObject } from "../../cni/json.ts";

/** `unknown`: nothing that Multus reads. */
export type DocumentKind = "netconf" | "nad" | "nad-list" | "conflist" | "conf" | "unknown";

/** Names that our plugin is installed under. */
const multusTypes = ["multus", "multus-shim"];

/** Is this plugin's configuration one of Multus itself? */
export function isNetconf(value: unknown): boolean {
  return isJsonObject(value) && typeof value.type === "string" && multusTypes.includes(value.type);
}

/** @param value a parsed document */
export function documentKind(value: unknown): DocumentKind {
  if (!isJsonObject(value)) return "unknown";
  if ("apiVersion" in value || "kind" in value) {
    if (value.kind === "NetworkAttachmentDefinition") return "nad";
    return ["List", "NetworkAttachmentDefinitionList"].includes(String(value.kind)) ? "nad-list" : "unknown";
  }
  if ("plugins" in value) return "conflist";
  if (isNetconf(value) || "clusterNetwork" in value || "delegates" in value) return "netconf";
  return "type" in value ? "conf" : "unknown";
}

/** How a kind is called in the report. */
export const kindNames: Readonly<Record<DocumentKind, string>> = {
  netconf: "Multus configuration (netconf)",
  nad: "NetworkAttachmentDefinition",
  "nad-list": "list of NetworkAttachmentDefinitions",
  conflist: "network configuration list",
  conf: "network configuration",
  unknown: "not a configuration that Multus reads",
};
