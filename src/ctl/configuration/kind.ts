/** Detects the kind of a document by its keys. */

import { isJsonObject, type JsonObject, scalarText } from "../../base/json.ts";
import { keySpelling } from "../../base/key-spelling.ts";
import { isDaemonKey } from "../../daemon-config/config.ts";
import { multusPluginNames } from "../../multus/input/own-plugin.ts";

/** `other`: a Kubernetes object that does not concern Multus, as manifests may have. `unknown`: nothing that Multus reads. */
export type DocumentKind =
  | "netconf"
  | "daemon"
  | "nad"
  | "nad-list"
  | "conflist"
  | "conf"
  | "other"
  | "unknown";

const spelling = keySpelling(["type", "plugins", "clusterNetwork", "delegates"]);

/** Is this plugin's configuration one of Multus itself? */
export function isNetconf(value: unknown): boolean {
  const spelled = spelling.known(value);
  return (
    isJsonObject(spelled) && typeof spelled.type === "string" && multusPluginNames.includes(spelled.type)
  );
}

/** Is it another object of Kubernetes? One of the API group of NetworkAttachmentDefinitions is a misspelt definition. */
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
  if (has("clusterNetwork") || has("delegates")) return "netconf";
  // Its `type` is that of the runtime's file that the daemon writes: Multus's name.
  if (Object.keys(value).some(isDaemonKey) && (isNetconf(value) || !has("type"))) return "daemon";
  if (isNetconf(value)) return "netconf";
  return has("type") ? "conf" : "unknown";
}

/** A kind's name in the report. */
export const kindNames: Readonly<Record<DocumentKind, string>> = {
  netconf: "Multus configuration (netconf)",
  daemon: "configuration of the daemon",
  nad: "NetworkAttachmentDefinition",
  "nad-list": "list of NetworkAttachmentDefinitions",
  conflist: "network configuration list",
  conf: "network configuration",
  other: "object of another kind",
  unknown: "not a configuration that Multus reads",
};
