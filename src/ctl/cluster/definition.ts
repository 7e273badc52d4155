/** Checks one NetworkAttachmentDefinition as the API has it, with the daemon's own rules. */

import { parseNetworkConfig } from "../../cni/config.ts";
import { CniError } from "../../cni/errors.ts";
import { isJsonObject, type JsonObject } from "../../cni/json.ts";
import { keptNad } from "../../kube/nads.ts";
import type { Nad } from "../../multus/plan/nads.ts";
import { entryLength } from "../../multus/plan/plan-encoding.ts";
import { type CheckContext, checkNetworkConfiguration } from "../configuration/configuration.ts";
import type { Places } from "../configuration/finding.ts";
import {
  type LocatedDocument,
  locateDocuments,
  type Position,
  type ValuePath,
} from "../configuration/position.ts";
import type { ClusterFinding } from "./finding.ts";

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

/** What was found out about a definition. */
export interface CheckedDefinition {
  /** `namespace/name` */
  readonly key: string;
  readonly findings: readonly ClusterFinding[];
  /** What it takes of a pod's plan; undefined where it cannot be used, or a node's file stands in for it. */
  readonly weight?: DefinitionWeight | undefined;
}

/** How much of a pod's plan a network takes. */
export interface DefinitionWeight {
  readonly bytes: number;
  readonly plugins: number;
}

/** @param object anything @returns what is wrong with it */
export function checkDefinition(object: JsonObject, context: CheckContext): CheckedDefinition {
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
  return { key, findings, weight: weightOf(nad, context) };
}

function weightOf(nad: Nad, { kernels }: CheckContext): DefinitionWeight | undefined {
  try {
    const network = parseNetworkConfig(nad.config, nad.where, kernels, { name: nad.name });
    const name = `${nad.namespace}/${nad.name}`;
    const delegate = { name, network, isCluster: false, request: {}, isChainFile: false };
    return { bytes: entryLength(delegate), plugins: network.plugins.length };
  } catch (error) {
    // It is among the findings.
    if (error instanceof CniError) return undefined;
    throw error;
  }
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
