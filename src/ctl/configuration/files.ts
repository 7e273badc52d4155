/** Checks files: parses them into documents, detects the kind of each, and checks it. */

import * as yaml from "yaml";
import { ExpectedError } from "../../base/input-error.ts";
import { isJsonObject, parseJson } from "../../base/json.ts";
import { resourceNameAnnotation } from "../../multus/plan/devices.ts";
import { parseManifests } from "../../multus/plan/manifests.ts";
import { type Nad, nadConfigProblem } from "../../multus/plan/nads.ts";
import { comparePlaces } from "../text/finding.ts";
import { type CheckContext, checkNetconf, checkNetworkConfiguration } from "./configuration.ts";
import { checkDaemonConfiguration } from "./daemon-configuration.ts";
import { type DocumentKind, documentKind } from "./kind.ts";
import { missingDevice } from "./missing-device.ts";
import { findingAt, ownPlaces, type Places, refusals, type Source, type TextFinding } from "./places.ts";
import { type LocatedDocument, locateDocuments, type ValuePath } from "./position.ts";

/** The report on one file. */
export interface FileReport {
  readonly file: string;
  /** The kind of each document, in order; for a list of objects, of its items. */
  readonly documents: readonly DocumentKind[];
  readonly findings: readonly TextFinding[];
}

/** Editors do not show it. */
const byteOrderMark = "\ufeff";

/** @param file its name in the findings */
export function checkText(text: string, file: string, context: CheckContext): FileReport {
  const isJson = /^\s*[[{]/.test(text);
  const source = { file, places: ownPlaces() };
  const notJson = isJson ? jsonProblems(text, source) : [];
  if (notJson.length > 0) return { file, documents: ["unknown"], findings: notJson };
  const documents = locateDocuments(text).filter(
    // An empty document: between two lines of `---`, or after the last one.
    ({ document, value }) => document.contents !== null && value !== null,
  );
  if (documents.length === 0) {
    return { file, documents: [], findings: [findingAt(source, "error", "empty-file", "is empty")] };
  }
  // The kind of a malformed document is unknown; YAML is taken for a manifest.
  const kinds = documents.map(({ value }) => (value === undefined ? "nad" : documentKind(value)));
  const findings = documents.flatMap((located, index) => {
    const kind = kinds[index] ?? "unknown";
    return kind === "nad" || kind === "nad-list"
      ? []
      : checkDocument(text, { file, places: placesIn(located) }, kind, isJson, context);
  });
  if (kinds.every((kind) => kind === "other")) {
    const message = "has objects of other kinds only; not checked";
    const places = ownPlaces(documents[0]?.locate([]));
    findings.push(findingAt({ file, places }, "warning", "other-objects", message));
  }
  if (kinds.some((kind) => kind === "nad" || kind === "nad-list")) {
    findings.push(...checkManifests(text, source, documents, context));
  }
  return { file, documents: kinds, findings: findings.sort(comparePlaces) };
}

/** Checks for strict JSON, as a runtime reads it; the YAML parser accepts more. */
function jsonProblems(text: string, source: Source): TextFinding[] {
  if (text.startsWith(byteOrderMark)) {
    const message = "begins with a byte order mark, which no runtime accepts: save it as UTF-8 without one";
    return [findingAt(source, "error", "byte-order-mark", message)];
  }
  try {
    parseJson(Buffer.from(text), source.file);
    return [];
  } catch (error) {
    return refusals(error, source.file, source);
  }
}

function placesIn(located: LocatedDocument): Places {
  return ownPlaces(located.locate([]), (path) => located.locate(path));
}

function checkDocument(
  text: string,
  source: Source,
  kind: Exclude<DocumentKind, "nad" | "nad-list">,
  isJson: boolean,
  context: CheckContext,
): TextFinding[] {
  if (kind === "other") return [];
  if (kind === "unknown") {
    const message =
      "is neither a network configuration, nor Multus's or its daemon's, nor a NetworkAttachmentDefinition; not checked";
    return [findingAt(source, "warning", "unknown-document", message)];
  }
  if (!isJson) {
    const what = kind === "daemon" ? "a daemon's configuration" : "a network configuration";
    const message = `is ${what} in YAML; runtimes and Multus read JSON`;
    return [findingAt(source, "error", "not-json", message)];
  }
  const configuration = { ...source, bytes: Buffer.from(text) };
  if (kind === "daemon") return checkDaemonConfiguration(configuration);
  return kind === "netconf"
    ? checkNetconf(configuration, context)
    : checkNetworkConfiguration(configuration, context);
}

/** NetworkAttachmentDefinitions: the objects with the daemon's own rules, then the configurations in them. */
function checkManifests(
  text: string,
  source: Source,
  documents: readonly LocatedDocument[],
  context: CheckContext,
): TextFinding[] {
  const { file } = source;
  const { broken, entries } = parseManifests(yaml, text, file);
  return [...broken, ...entries.values()].flatMap((entry) =>
    entry instanceof ExpectedError
      ? refusals(entry, file, source)
      : checkNad(entry, file, documents, context),
  );
}

function checkNad(
  nad: Nad,
  file: string,
  documents: readonly LocatedDocument[],
  context: CheckContext,
): TextFinding[] {
  const home = findObject(nad, documents);
  if (home === undefined) throw new Error(`${nad.where} is in no document of ${file}`);
  const path = [...home.path, "spec", "config"];
  const whole = ownPlaces(home.located.locate(path) ?? home.located.locate(home.path));
  if (nad.config.length === 0) {
    const message = `${nad.namespace}/${nad.name}: spec.config is empty: it takes the file of confDir whose name is ${nad.name}`;
    return [findingAt({ file, places: whole }, "warning", "config-from-file", message)];
  }
  const problem = nadConfigProblem(nad.config.length);
  if (problem !== undefined) {
    const message = `${nad.namespace}/${nad.name}: ${problem}`;
    return [findingAt({ file, places: whole }, "error", "refused", message)];
  }
  const text = Buffer.from(nad.config).toString();
  const [inner] = locateDocuments(text);
  const inside: Places["inside"] = (place) => home.located.locateInside(path, place);
  const places: Places = {
    ...whole,
    inside,
    of: (innerPath) => {
      const place = inner?.locate(innerPath);
      return place === undefined ? undefined : inside(place);
    },
  };
  const use = { defaultName: nad.name, isDelegate: true };
  const found = checkNetworkConfiguration({ bytes: nad.config, file, places }, context, use);
  const device = nad.annotations[resourceNameAnnotation] ? undefined : missingDevice(nad.config);
  const ofDevice =
    device === undefined ? [] : [findingAt({ file, places: whole }, "warning", "device-missing", device)];
  return [...found, ...ofDevice].map((finding) => ({
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
