/** Checks files: takes them apart into documents, tells what each is, and has it checked. */

import * as yaml from "yaml";
import { CniError } from "../../cni/errors.ts";
import { isJsonObject, parseJson } from "../../cni/json.ts";
import { type Manifests, parseManifests } from "../../multus/plan/manifests.ts";
import { type Nad, nadConfigProblem } from "../../multus/plan/nads.ts";
import { type CheckContext, checkNetconf, checkNetworkConfiguration } from "./configuration.ts";
import { checkDaemonConfiguration } from "./daemon-configuration.ts";
import { type Finding, type Places, problemsOf } from "./finding.ts";
import { type DocumentKind, documentKind } from "./kind.ts";
import { type LocatedDocument, locateDocuments, type Position, type ValuePath } from "./position.ts";

/** What was found in one file. */
export interface FileReport {
  readonly file: string;
  /** What each document is, in order; of a list of objects its items. */
  readonly documents: readonly DocumentKind[];
  readonly findings: readonly Finding[];
}

const top: Position = { line: 1, column: 1 };
/** Nobody sees it in an editor. */
const byteOrderMark = "\ufeff";
/**
 * Checks a text.
 * @param file names it in the findings
 */
export function checkText(text: string, file: string, context: CheckContext): FileReport {
  const isJson = /^\s*[[{]/.test(text);
  const notJson = isJson ? jsonProblems(text, file) : [];
  if (notJson.length > 0) return { file, documents: ["unknown"], findings: notJson };
  const documents = locateDocuments(text).filter(
    // Nothing is between two lines of `---`, or behind a last one.
    ({ document, value }) => document.contents !== null && value !== null,
  );
  if (documents.length === 0) {
    return { file, documents: [], findings: [{ file, severity: "error", message: "is empty", ...top }] };
  }
  // A document that cannot be parsed may be anything; in YAML it is a manifest.
  const kinds = documents.map(({ value }) => (value === undefined ? "nad" : documentKind(value)));
  const findings = documents.flatMap((located, index) => {
    const kind = kinds[index] ?? "unknown";
    return kind === "nad" || kind === "nad-list"
      ? []
      : checkDocument(text, file, kind, isJson, located, context);
  });
  if (kinds.every((kind) => kind === "other")) {
    const message = "has objects of other kinds only; not checked";
    findings.push({ file, severity: "warning", message, ...(documents[0]?.locate([]) ?? top) });
  }
  if (kinds.some((kind) => kind === "nad" || kind === "nad-list")) {
    findings.push(...checkManifests(text, file, documents, context));
  }
  const inOrder = findings.sort((left, right) => left.line - right.line || left.column - right.column);
  return { file, documents: kinds, findings: inOrder };
}

/** Strict JSON, as a runtime reads it; YAML's parser takes more. */
function jsonProblems(text: string, file: string): Finding[] {
  if (text.startsWith(byteOrderMark)) {
    const message = "begins with a byte order mark, which no runtime takes: save it as UTF-8 without one";
    return [{ file, severity: "error", message, ...top }];
  }
  try {
    parseJson(Buffer.from(text), file);
    return [];
  } catch (error) {
    return findingsOf(error, file, { inside: (inner) => inner, of: () => undefined, whole: top });
  }
}

function findingsOf(error: unknown, file: string, places: Places): Finding[] {
  return problemsOf(error, file, places).map((problem) => ({ file, severity: "error", ...problem }));
}

function checkDocument(
  text: string,
  file: string,
  kind: Exclude<DocumentKind, "nad" | "nad-list">,
  isJson: boolean,
  located: LocatedDocument,
  context: CheckContext,
): Finding[] {
  const whole = located.locate([]) ?? top;
  if (kind === "other") return [];
  if (kind === "unknown") {
    const message =
      "is neither a network configuration, nor Multus's or its daemon's, nor a NetworkAttachmentDefinition; not checked";
    return [{ file, severity: "warning", message, ...whole }];
  }
  if (!isJson) {
    const what = kind === "daemon" ? "a daemon's configuration" : "a network configuration";
    const message = `is ${what} in YAML; runtimes and Multus read JSON`;
    return [{ file, severity: "error", message, ...whole }];
  }
  const places: Places = { whole, of: (path) => located.locate(path), inside: (inner) => inner };
  const configuration = { bytes: Buffer.from(text), file, places };
  if (kind === "daemon") return checkDaemonConfiguration(configuration);
  return kind === "netconf"
    ? checkNetconf(configuration, context)
    : checkNetworkConfiguration(configuration, context);
}

/** NetworkAttachmentDefinitions: the objects with the daemon's own rules, then the configurations in them. */
function checkManifests(
  text: string,
  file: string,
  documents: readonly LocatedDocument[],
  context: CheckContext,
): Finding[] {
  const manifests: Manifests = parseManifests(yaml, text, file);
  const places: Places = { whole: top, of: () => undefined, inside: (inner) => inner };
  const problems = [...manifests.broken, ...manifests.entries.values()]
    .filter((entry) => entry instanceof CniError)
    .flatMap((error) => findingsOf(error, file, places));
  const configurations = [...manifests.entries.values()]
    .filter((entry): entry is Nad => !(entry instanceof CniError))
    .flatMap((nad) => checkNad(nad, file, documents, context));
  return [...problems, ...configurations];
}

function checkNad(
  nad: Nad,
  file: string,
  documents: readonly LocatedDocument[],
  context: CheckContext,
): Finding[] {
  const home = findObject(nad, documents);
  if (home === undefined) throw new Error(`${nad.where} is in no document of ${file}`);
  const path = [...home.path, "spec", "config"];
  const whole = home.located.locate(path) ?? home.located.locate(home.path) ?? top;
  if (nad.config.length === 0) {
    const message = `${nad.namespace}/${nad.name}: spec.config is empty: it takes the file of confDir whose name is ${nad.name}`;
    return [{ file, severity: "warning", message, ...whole }];
  }
  const problem = nadConfigProblem(nad.config.length);
  if (problem !== undefined) {
    return [{ file, severity: "error", message: `${nad.namespace}/${nad.name}: ${problem}`, ...whole }];
  }
  const text = Buffer.from(nad.config).toString();
  const [inner] = locateDocuments(text);
  const inside = (place: Position) => home.located.locateInside(path, place);
  const places: Places = {
    whole,
    inside,
    of: (innerPath) => {
      const place = inner?.locate(innerPath);
      return place === undefined ? undefined : inside(place);
    },
  };
  const use = { defaultName: nad.name, isDelegate: true };
  return checkNetworkConfiguration({ bytes: nad.config, file, places }, context, use).map((finding) => ({
    ...finding,
    message: `${nad.namespace}/${nad.name}: spec.config: ${finding.message}`,
  }));
}

/** The document of a NAD, and the path to it: the document itself, or an item of a list. */
function findObject(
  nad: Nad,
  documents: readonly LocatedDocument[],
): { located: LocatedDocument; path: ValuePath } | undefined {
  const isIt = (value: unknown) =>
    isJsonObject(value) &&
    value.kind === "NetworkAttachmentDefinition" &&
    isJsonObject(value.metadata) &&
    value.metadata.name === nad.name &&
    (value.metadata.namespace ?? "default") === nad.namespace;
  const search = (value: unknown, path: ValuePath): ValuePath | undefined => {
    if (isIt(value)) return path;
    if (!isJsonObject(value) || !Array.isArray(value.items)) return undefined;
    for (const [index, item] of value.items.entries()) {
      const found = search(item, [...path, "items", index]);
      if (found !== undefined) return found;
    }
    return undefined;
  };
  for (const located of documents) {
    const path = search(located.value, []);
    if (path !== undefined) return { located, path };
  }
  return undefined;
}
