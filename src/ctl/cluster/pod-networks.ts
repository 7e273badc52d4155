/** Which NetworkAttachmentDefinitions a pod asks for, or what is wrong with the way it asks. */

import { isJsonObject, type JsonObject } from "../../cni/json.ts";
import {
  defaultNetworkAnnotation,
  type NetworkSelection,
  networksAnnotation,
  parseDefaultNetworkSelection,
  parseNetworkSelections,
} from "../../multus/input/selection.ts";
import { problemsOf } from "../configuration/finding.ts";
import { type Position, positionAt } from "../configuration/position.ts";

export interface PodNetworks {
  readonly namespace: string;
  readonly name: string;
  /** `namespace/name` of each definition, once. */
  readonly definitions: ReadonlySet<string>;
  /** Each selection. */
  readonly selected: readonly SelectedDefinition[];
  readonly problems: readonly (Position & { readonly message: string })[];
}

export interface SelectedDefinition {
  /** `namespace/name` */
  readonly key: string;
  /** Bytes of `cni-args`, which go into each plugin. */
  readonly cniArgs: number;
}

const start: Position = { line: 1, column: 1 };

/**
 * @param pod as the API has it, spec is not needed; nothing of it is kept
 * @param multusNamespace of a default network that names none
 * @param maxNetworks that a pod may select
 * @returns undefined where the pod selects no networks, or is on the host's
 */
export function podNetworks(
  pod: JsonObject,
  multusNamespace: string,
  maxNetworks: number,
): PodNetworks | undefined {
  const { metadata, spec } = pod;
  if (!isJsonObject(metadata) || !isJsonObject(metadata.annotations)) return undefined;
  // Where the server has not left it out already.
  if (isJsonObject(spec) && spec.hostNetwork === true) return undefined;
  const namespace = textOr(metadata.namespace, "default");
  const name = textOr(metadata.name, "");
  const networks = metadata.annotations[networksAnnotation] ?? "";
  const defaultNetwork = metadata.annotations[defaultNetworkAnnotation];
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
  const where = `annotation ${annotation}`;
  if (typeof value !== "string") {
    return { selected: [], problems: [{ message: `${where}: must be a text`, ...start }] };
  }
  try {
    const selected = parse(value).map(({ namespace, name, cniArgs }) => {
      return { key: `${namespace}/${name}`, cniArgs: cniArgs?.length ?? 0 };
    });
    return { selected, problems: [] };
  } catch (error) {
    const places = { whole: start, of: () => undefined, inside: (place: Position) => place };
    const problems = problemsOf(error, where, places).map((problem) => ({
      ...problem,
      ...itemPosition(value, problem.message),
      message: `${where}: ${problem.message}`,
    }));
    return { selected: [], problems };
  }
}

/** Of the comma form's items errors give the number: its place. undefined for the JSON form. */
function itemPosition(text: string, message: string): Position | undefined {
  const [, number] = /^item (\d+), /.exec(message) ?? [];
  if (number === undefined) return undefined;
  const items = text.split(",");
  const index = Number(number) - 1;
  const item = items[index] ?? "";
  const before = items.slice(0, index).map((each) => `${each},`);
  const offset = before.join("").length + item.length - item.trimStart().length;
  return positionAt(text, offset);
}

function textOr(value: unknown, otherwise: string): string {
  return typeof value === "string" && value !== "" ? value : otherwise;
}
