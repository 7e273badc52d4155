/** Checks one NetworkAttachmentDefinition of the API, by the daemon's own rules. */

import { ExpectedError } from "../../base/input-error.ts";
import { type JsonObject, objectAt, textOf } from "../../base/json.ts";
import { parseNetworkConfig } from "../../cni/config.ts";
import { keptNad } from "../../kube/nads.ts";
import { bounded } from "../../log/quoted.ts";
import { resourceNameAnnotation } from "../../multus/plan/devices.ts";
import type { Nad } from "../../multus/plan/nads.ts";
import { entryLength } from "../../multus/plan/plan-encoding.ts";
import { type CheckContext, checkNetworkConfiguration } from "../configuration/configuration.ts";
import { missingDevice } from "../configuration/missing-device.ts";
import { ownPlaces, type Places } from "../configuration/places.ts";
import { type LocatedDocument, locateDocuments } from "../configuration/position.ts";
import { type ClusterFinding, findingAbout } from "./finding.ts";

export interface CheckedDefinition {
  /** `namespace/name` */
  readonly key: string;
  readonly findings: readonly ClusterFinding[];
  /** Types of its plugins and of their IPAM plugins, each once, in order; none where the configuration cannot be read, or is a node's file. */
  readonly plugins: readonly string[];
  /** Its share of a pod's plan; undefined if it cannot be used, or a node's file replaces it. */
  readonly weight?: DefinitionWeight | undefined;
}

/** The share of a pod's plan that a network takes. */
export interface DefinitionWeight {
  readonly bytes: number;
  readonly plugins: number;
}

/** @param object any value of the API @returns its findings */
export function checkDefinition(object: JsonObject, context: CheckContext): CheckedDefinition {
  const metadata = objectAt(object, "metadata");
  const namespace = textOf(metadata.namespace);
  const name = textOf(metadata.name);
  const key = `${namespace}/${name}`;
  const subject = { kind: "NetworkAttachmentDefinition", namespace, name } as const;
  const nad = keptNad(object, namespace, name);
  const ofDevice = deviceFindings(subject, metadata.annotations, nad);
  if (nad.problem !== "") {
    return { key, findings: [findingAbout(subject, "error", "refused", nad.problem)], plugins: [] };
  }
  if (nad.config.length === 0) {
    const message = `spec.config is empty: each node takes the file of its confDir whose name is ${name}`;
    return {
      key,
      findings: [findingAbout(subject, "note", "config-from-file", message), ...ofDevice],
      plugins: [],
    };
  }
  const text = { bytes: nad.config, file: key, places: placesIn(nad.config) };
  const findings = checkNetworkConfiguration(text, context, { defaultName: name, isDelegate: true }).map(
    ({ severity, code, message, place }) =>
      findingAbout(subject, severity, code, `spec.config: ${message}`, place),
  );
  return { key, findings: [...findings, ...ofDevice], ...partsOf(nad, context) };
}

/** Findings about the devices of a definition. @param annotations of the object, anything */
function deviceFindings(
  subject: Parameters<typeof findingAbout>[0],
  annotations: unknown,
  { annotations: kept, config }: Nad,
): ClusterFinding[] {
  const written = textOf(objectAt(annotations)[resourceNameAnnotation]);
  const resourceName = kept[resourceNameAnnotation] ?? "";
  if (written !== resourceName) {
    const message = `annotation ${resourceNameAnnotation} is no resource's name: it has ${written.length} characters, and is taken for missing`;
    return [findingAbout(subject, "warning", "resource-name-refused", message)];
  }
  if (resourceName !== "") {
    const message = `each attachment gets one of the pod's devices of resource ${bounded(resourceName)}`;
    return [findingAbout(subject, "note", "device-wanted", message)];
  }
  const problem = missingDevice(config);
  return problem === undefined ? [] : [findingAbout(subject, "warning", "device-missing", problem)];
}

function partsOf(nad: Nad, { kernels }: CheckContext): Pick<CheckedDefinition, "plugins" | "weight"> {
  try {
    const network = parseNetworkConfig(nad.config, nad.where, kernels, { name: nad.name });
    const name = `${nad.namespace}/${nad.name}`;
    const delegate = { name, network, request: {}, isChainFile: false };
    const types = network.plugins.flatMap(({ type, ipamType }) => [type, ipamType]);
    return {
      plugins: [...new Set(types)].filter((type) => type !== "").map((type) => bounded(type)),
      weight: { bytes: entryLength(delegate), plugins: network.plugins.length },
    };
  } catch (error) {
    // The findings have this error.
    if (error instanceof ExpectedError) return { plugins: [] };
    throw error;
  }
}

/** Parses the text only when a place is needed: few configurations have problems. */
function placesIn(config: Uint8Array): Places {
  let located: LocatedDocument | undefined;
  return ownPlaces(undefined, (path) => {
    located ??= locateDocuments(Buffer.from(config).toString())[0];
    return located?.locate(path);
  });
}
