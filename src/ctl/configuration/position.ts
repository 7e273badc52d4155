/** Maps offsets and paths in a document to lines and columns of its file, also through JSON in a YAML scalar. */

import { type Document, isNode, isScalar, parseAllDocuments, type Scalar } from "yaml";
import { TextPlaces } from "../../base/text-places.ts";
import type { Position } from "../text/finding.ts";

/** Keys and indices from a document's top to a value. */
export type ValuePath = readonly (string | number)[];

/** One document of a YAML or JSON file, with the place of each value. */
export interface LocatedDocument {
  readonly document: Document.Parsed;
  /** Its value; undefined if it cannot be parsed, or its aliases expand without end. */
  readonly value: unknown;
  /** The place of the value at `path`; undefined if there is none. */
  locate(path: ValuePath): Position | undefined;
  /**
   * Maps a place in the text of the scalar at `path` to a place in the file.
   * undefined: the scalar has escapes or folded lines, so that its text and the file's differ.
   */
  locateInside(path: ValuePath, inner: Position): Position | undefined;
}

/** Parses a YAML (or JSON) stream. Syntax errors are in each document's `errors`; keys may repeat, as in JSON. */
export function locateDocuments(text: string): LocatedDocument[] {
  const parsed = parseAllDocuments(text, {
    prettyErrors: false,
    // Otherwise the parser writes its warnings to stderr, bypassing the log.
    logLevel: "error",
    uniqueKeys: false,
  });
  const documents = Array.isArray(parsed) ? parsed : [];
  return documents.map((document) => {
    const locate = (path: ValuePath) => {
      const node = document.getIn(path, true);
      return isNode(node) && node.range ? new TextPlaces(text).at(node.range[0]) : undefined;
    };
    const locateInside = (path: ValuePath, inner: Position) => {
      const node = document.getIn(path, true);
      return isScalar(node) ? insideScalar(text, node, inner) : undefined;
    };
    return { document, value: documentValue(document), locate, locateInside };
  });
}

/** The value of a document; undefined if it has none that can be used. */
function documentValue(document: Document.Parsed): unknown {
  if (document.errors.length > 0) return undefined;
  try {
    return document.toJS();
  } catch {
    // An alias that expands without end, or to nothing: NadFiles reports it, with its place.
    return undefined;
  }
}

/** Maps a place in a scalar's text to the file: block literals line by line, quoted scalars without escapes only. */
function insideScalar(text: string, node: Scalar, inner: Position): Position | undefined {
  if (typeof node.value !== "string" || !node.range) return undefined;
  const [start, end] = node.range;
  const first = new TextPlaces(text).at(start);
  if (node.type === "BLOCK_LITERAL") {
    const valueLines = node.value.split("\n");
    const fileLines = text.slice(start, end).split("\n").slice(1);
    if (inner.line > 1 && inner.line === valueLines.length && valueLines.at(-1) === "") {
      // The text ends with a line break: behind it is the next key's line, or the next document's.
      return { line: first.line + inner.line - 1, column: (fileLines[inner.line - 2]?.length ?? 0) + 1 };
    }
    const sample = valueLines.findIndex((line) => line !== "");
    const indent = (fileLines[sample]?.trimEnd().length ?? 0) - (valueLines[sample]?.trimEnd().length ?? 0);
    return { line: first.line + inner.line, column: inner.column + indent };
  }
  const quoted = node.type === "QUOTE_DOUBLE" || node.type === "QUOTE_SINGLE";
  const quote = quoted ? 1 : 0;
  const written = text.slice(start + quote, end - quote);
  if (written !== node.value || inner.line !== 1) return undefined;
  return { line: first.line, column: first.column + quote + inner.column - 1 };
}
