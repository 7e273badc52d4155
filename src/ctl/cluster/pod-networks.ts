/** Reads the NetworkAttachmentDefinitions that a pod selects, and checks the selections. */

import { type JsonObject, objectAt, textOf } from "../../base/json.ts";
import {
  defaultNetworkAnnotation,
  type NetworkSelection,
  networksAnnotation,
  parseDefaultNetworkSelection,
  parseNetworkSelections,
} from "../../multus/input/selection.ts";
import { ownPlaces, type Problem, problemsOf } from "../configuration/places.ts";

export interface PodNetworks {
  readonly namespace: string;
  readonly name: string;
  /** `namespace/name` of each definition, once. */
  readonly definitions: ReadonlySet<string>;
  /** Each selection. */
  readonly selected: readonly SelectedDefinition[];
  readonly problems: readonly SelectionProblem[];
}

export interface SelectionProblem extends Problem {
  readonly code: "selection-refused" | "plan-too-large";
}

export interface SelectedDefinition {
  /** `namespace/name` */
  readonly key: string;
  /** Bytes of `cni-args`, which each plugin gets. */
  readonly cniArgs: number;
}

/**
 * @param pod as the API has it, spec is not needed; nothing of it is kept
 * @param multusNamespace of a default network that names none
 * @param maxNetworks that a pod may select
 * @returns undefined if the pod selects no networks, or uses the host's
 */
export function podNetworks(
  pod: JsonObject,
  multusNamespace: string,
  maxNetworks: number,
): PodNetworks | undefined {
  // For servers that cannot exclude such pods.
  if (objectAt(pod.spec).hostNetwork === true) return undefined;
  const metadata = objectAt(pod.metadata);
  const annotations = objectAt(metadata.annotations);
  const namespace = textOf(metadata.namespace) || "default";
  const name = textOf(metadata.name);
  const networks = annotations[networksAnnotation] ?? "";
  const defaultNetwork = annotations[defaultNetworkAnnotation];
  if (networks === "" && defaultNetwork === undefined) return undefined;

  const found = [
    ...(defaultNetwork === undefined
      ? []
      : [
          read(defaultNetworkAnnotation, defaultNetwork, (text) => [
            parseDefaultNetworkSelection(text, multusNamespace),
          ]),
        ]),
    read(networksAnnotation, networks, (text) => parseNetworkSelections(text, namespace, maxNetworks)),
  ];
  const selected = found.flatMap((each) => each.selected);
  return {
    namespace,
    name,
    definitions: new Set(selected.map(({ key }) => key)),
    selected,
    problems: found.flatMap(({ problems }) => problems),
  };
}

function read(
  annotation: string,
  value: unknown,
  parse: (text: string) => readonly NetworkSelection[],
): Pick<PodNetworks, "selected" | "problems"> {
  const code = "selection-refused" as const;
  const where = `annotation ${annotation}`;
  if (typeof value !== "string") {
    return {
      selected: [],
      problems: [{ code, message: `${where}: must be a text`, place: ownPlaces().whole }],
    };
  }
  try {
    const selected = parse(value).map(({ namespace, name, cniArgs }) => {
      return { key: `${namespace}/${name}`, cniArgs: cniArgs?.length ?? 0 };
    });
    return { selected, problems: [] };
  } catch (error) {
    const problems = problemsOf(error, where, ownPlaces()).map(({ message, place }) => ({
      code,
      message: `${where}: ${message}`,
      place,
    }));
    return { selected: [], problems };
  }
}
