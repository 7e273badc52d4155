/** Manifests of NetworkAttachmentDefinitions: YAML or JSON, any number of documents in a text. */

import type { Document } from "yaml";
import { InputError, textError } from "../../base/input-error.ts";
import { isJsonObject, type JsonObject, parseJson } from "../../base/json.ts";
import { TextPlaces } from "../../base/text-places.ts";
import type { Nad } from "./nads.ts";

const nadKind = "NetworkAttachmentDefinition";
const nadApiVersion = "k8s.cni.cncf.io/v1";

export interface Manifests {
  /** By `namespace/name`: the NAD, or what is wrong with it. */
  readonly entries: ReadonlyMap<string, Nad | InputError>;
  /** Problems of documents that do not even name their object. */
  readonly broken: readonly InputError[];
  readonly text: string;
}

/** The package `yaml`, which is loaded when it is needed. */
export type Yaml = typeof import("yaml");

/** One document of a file with the places of its values. */
interface Located {
  readonly path: string;
  readonly document: Document.Parsed;
  /** In the whole file. */
  readonly places: TextPlaces;
}

/**
 * The NADs of a file, each with what is wrong with it.
 * @param path names the file in errors
 */
export function parseManifests(yaml: Yaml, text: string, path: string): Manifests {
  // YAML takes nearly all JSON and some texts that only look like it.
  const notJson = path.endsWith(".json") ? jsonProblem(text, path) : undefined;
  if (notJson !== undefined) return { entries: new Map(), broken: [notJson], text };

  const entries = new Map<string, Nad | InputError>();
  const broken: InputError[] = [];
  const places = new TextPlaces(text);
  const documents = yaml.parseAllDocuments(text, {
    prettyErrors: false,
    // Its warnings would go to stderr past every log.
    logLevel: "error",
    // The parser's own look for a key that is there twice compares each with all others.
    uniqueKeys: false,
  });
  for (const document of Array.isArray(documents) ? documents : []) {
    const located = { path, document, places };
    const [problem] = document.errors;
    if (problem !== undefined) {
      broken.push(invalidAt(located, problem.pos[0], `not valid YAML: ${problem.message}`));
      continue;
    }
    const repeated = repeatedKey(yaml, document);
    if (repeated !== undefined) {
      broken.push(invalidAt(located, repeated, "not valid YAML: Map keys must be unique"));
      continue;
    }
    try {
      collect(located, [], document.toJS(), entries, broken);
    } catch (error) {
      // An alias that expands without end, or to nothing.
      broken.push(invalidAt(located, document.range[0], `not valid YAML: ${String(error)}`));
    }
  }
  return { entries, broken, text };
}

/** Where a key begins that its map has already; undefined: there is none. */
function repeatedKey(yaml: Yaml, document: Document.Parsed): number | undefined {
  let found: number | undefined;
  yaml.visit(document, {
    Map(_, { items }) {
      const seen = new Set<unknown>();
      for (const { key } of items) {
        if (!yaml.isScalar(key)) continue;
        if (seen.has(key.value)) {
          found = key.range?.[0] ?? 0;
          return yaml.visit.BREAK;
        }
        seen.add(key.value);
      }
      return undefined;
    },
  });
  return found;
}

function jsonProblem(text: string, path: string): InputError | undefined {
  try {
    parseJson(Buffer.from(text), path);
  } catch (error) {
    if (error instanceof InputError) return error;
    throw error;
  }
  return undefined;
}

/** Takes the NADs out of one object, or out of the items of a list. */
function collect(
  located: Located,
  at: readonly (string | number)[],
  value: unknown,
  entries: Map<string, Nad | InputError>,
  broken: InputError[],
): void {
  if (value === null || value === undefined) return;
  if (!isJsonObject(value)) {
    broken.push(invalid(located, at, "must be an object of Kubernetes"));
    return;
  }
  const { kind, items } = value;
  if (typeof kind === "string" && kind.endsWith("List") && Array.isArray(items)) {
    for (const [index, item] of items.entries()) {
      collect(located, [...at, "items", index], item, entries, broken);
    }
    return;
  }
  if (kind !== nadKind) return;

  const metadata = isJsonObject(value.metadata) ? value.metadata : {};
  const { name } = metadata;
  const namespace = metadata.namespace ?? "default";
  if (typeof name !== "string" || name === "" || typeof namespace !== "string") {
    const [field, what] =
      typeof name === "string" && name !== "" ? ["namespace", "text"] : ["name", "a name"];
    broken.push(invalid(located, [...at, "metadata", field], `metadata.${field} must be ${what}`));
    return;
  }
  const key = `${namespace}/${name}`;
  // Of two in one file the first counts, as of two in different files.
  if (!entries.has(key)) entries.set(key, readNad(located, at, value, metadata, namespace, name));
}

function readNad(
  located: Located,
  at: readonly (string | number)[],
  value: JsonObject,
  metadata: JsonObject,
  namespace: string,
  name: string,
): Nad | InputError {
  const subject = `${nadKind} ${namespace}/${name}`;
  const refuse = (path: readonly string[], what: string) =>
    invalid(located, [...at, ...path], `${subject}: ${path.join(".")} ${what}`);

  if (value.apiVersion !== nadApiVersion) return refuse(["apiVersion"], `must be ${nadApiVersion}`);
  const annotations = metadata.annotations ?? {};
  if (!isJsonObject(annotations) || !Object.values(annotations).every((text) => typeof text === "string")) {
    return refuse(["metadata", "annotations"], "must be texts");
  }
  const spec = value.spec ?? {};
  if (!isJsonObject(spec)) return refuse(["spec"], "must be an object");
  const config = spec.config ?? "";
  if (typeof config !== "string") return refuse(["spec", "config"], "must be a text with JSON in it");
  return {
    namespace,
    name,
    config: Buffer.from(config),
    annotations: annotations as Record<string, string>,
    where: `${located.path}: ${subject}`,
  };
}

/** An error at a value of the document, or at the nearest one above it that is there. */
function invalid(located: Located, at: readonly (string | number)[], what: string): InputError {
  for (let length = at.length; length > 0; length--) {
    const node: unknown = located.document.getIn(at.slice(0, length), true);
    if (isJsonObject(node) && Array.isArray(node.range))
      return invalidAt(located, Number(node.range[0]), what);
  }
  return invalidAt(located, located.document.contents?.range[0] ?? 0, what);
}

/** @param offset in the file's text, where YAML's own counter of lines goes wrong in texts that do not end */
function invalidAt({ path, places }: Located, offset: number, what: string): InputError {
  return textError("content", path, [{ message: what, ...places.at(offset) }]);
}
