/** What a document is, told from its keys. */

import { isJsonObject, type JsonObject, scalarText } from "../../cni/json.ts";
import { keySpelling } from "../../cni/key-spelling.ts";
import { multusPluginNames } from "../../multus/input/own-plugin.ts";

/** `other`: an object of Kubernetes that is none of Multus's, as manifests have them beside. `unknown`: nothing that Multus reads. */
export type DocumentKind = "netconf" | "nad" | "nad-list" | "conflist" | "conf" | "other" | "unknown";

const spelling = keySpelling(["type", "plugins", "clusterNetwork", "delegates"]);

/** Is this plugin's configuration one of Multus itself? */
export function isNetconf(value: unknown): boolean {
  const spelled = spelling.known(value);
  return (
    isJsonObject(spelled) && typeof spelled.type === "string" && multusPluginNames.includes(spelled.type)
  );
}

/** With a name for its kind. One of the group that NetworkAttachmentDefinitions are of is a misspelt one. */
function isOtherObject({ apiVersion, kind }: JsonObject): boolean {
  const isNamed = typeof apiVersion === "string" && typeof kind === "string" && kind !== "";
  return isNamed && !apiVersion.startsWith("k8s.cni.cncf.io/");
}

/** @param value a parsed document */
export function documentKind(value: unknown): DocumentKind {
  if (!isJsonObject(value)) return "unknown";
  if ("apiVersion" in value || "kind" in value) {
    if (value.kind === "NetworkAttachmentDefinition") return "nad";
    if (["List", "NetworkAttachmentDefinitionList"].includes(scalarText(value.kind))) return "nad-list";
    return isOtherObject(value) ? "other" : "unknown";
  }
  const spelled = spelling.known(value);
  const has = (key: string) => isJsonObject(spelled) && key in spelled;
  if (has("plugins")) return "conflist";
  if (isNetconf(value) || has("clusterNetwork") || has("delegates")) return "netconf";
  return has("type") ? "conf" : "unknown";
}

/** How a kind is called in the report. */
export const kindNames: Readonly<Record<DocumentKind, string>> = {
  netconf: "Multus configuration (netconf)",
  nad: "NetworkAttachmentDefinition",
  "nad-list": "list of NetworkAttachmentDefinitions",
  conflist: "network configuration list",
  conf: "network configuration",
  other: "object of another kind",
  unknown: "not a configuration that Multus reads",
};
