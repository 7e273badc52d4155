/** Checks one NetworkAttachmentDefinition as the API has it, with the daemon's own rules. */

import { isJsonObject, type JsonObject } from "../../cni/json.ts";
import { keptNad } from "../../kube/nads.ts";
import type { ClusterFinding } from "./cluster-finding.ts";
import { type CheckContext, checkNetworkConfiguration } from "./configuration.ts";
import type { Places } from "./finding.ts";
import { type LocatedDocument, locateDocuments, type Position, type ValuePath } from "./position.ts";

const start: Position = { line: 1, column: 1 };

/** A finding about a definition; it is not known yet whom it concerns. */
export function aboutDefinition(
  namespace: string,
  name: string,
  severity: ClusterFinding["severity"],
  message: string,
): ClusterFinding {
  return { severity, kind: "NetworkAttachmentDefinition", namespace, name, message, pods: [] };
}

/** @param object anything @returns its `namespace/name`, and what is wrong with it */
export function checkDefinition(
  object: JsonObject,
  context: CheckContext,
): { readonly key: string; readonly findings: readonly ClusterFinding[] } {
  const metadata = isJsonObject(object.metadata) ? object.metadata : {};
  const namespace = typeof metadata.namespace === "string" ? metadata.namespace : "";
  const name = typeof metadata.name === "string" ? metadata.name : "";
  const key = `${namespace}/${name}`;
  const nad = keptNad(object, namespace, name);
  if (nad.problem !== "") return { key, findings: [aboutDefinition(namespace, name, "error", nad.problem)] };
  if (nad.config.length === 0) {
    const message = `spec.config is empty: each node takes the file of its confDir whose name is ${name}`;
    return { key, findings: [aboutDefinition(namespace, name, "note", message)] };
  }
  const text = { bytes: nad.config, file: key, places: placesIn(nad.config) };
  const findings = checkNetworkConfiguration(text, context, { defaultName: name, isDelegate: true }).map(
    ({ severity, message, line, column }) => ({
      ...aboutDefinition(namespace, name, severity, `spec.config: ${message}`),
      line,
      column,
    }),
  );
  return { key, findings };
}

/** Places in a text by itself. It is taken apart once a place is asked for: few configurations have something wrong with them. */
function placesIn(config: Uint8Array): Places {
  let located: LocatedDocument | undefined;
  return {
    whole: start,
    inside: (place) => place,
    of: (path: ValuePath) => {
      located ??= locateDocuments(Buffer.from(config).toString())[0];
      return located?.locate(path);
    },
  };
}
