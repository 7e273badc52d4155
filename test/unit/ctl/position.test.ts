/** Positions point at the character that a person has to change, also in JSON inside YAML. */
import { describe, expect, it } from "vitest";
import { TextPlaces } from "../../../src/base/text-places.ts";
import { locateDocuments } from "../../../src/ctl/configuration/position.ts";

/** Position of the first `needle` in a text. */
const positionAt = (text: string, offset: number) => new TextPlaces(text).at(offset);
const find = (text: string, needle: string) => positionAt(text, text.indexOf(needle));

describe("positionAt", () => {
  it("counts lines and columns from 1", () => {
    expect(positionAt("", 0)).toEqual({ line: 1, column: 1 });
    expect(positionAt("ab\ncd", 4)).toEqual({ line: 2, column: 2 });
    expect(positionAt("ab\n", 3)).toEqual({ line: 2, column: 1 });
  });
});

const manifest = `# two objects
apiVersion: k8s.cni.cncf.io/v1
kind: NetworkAttachmentDefinition
metadata:
  name: first
spec:
  config: |
    {
      "type": "macvlan",
      "mode": MARK
    }
---
kind: Second
spec: {config: '{"type": QUOTED}', escaped: "{\\"type\\": 1}"}
folded: >
  a
  b
`;

describe("locateDocuments", () => {
  const documents = locateDocuments(manifest);

  it("finds the end of a block whose JSON is cut off in the block's last line", () => {
    const [document] = locateDocuments('spec:\n  config: |\n    { "a": 1,\n---\nb: 1\n');
    expect(document?.locateInside(["spec", "config"], { line: 2, column: 1 })).toEqual({
      line: 3,
      column: 14,
    });
    expect(document?.locateInside(["spec", "config"], { line: 1, column: 3 })).toEqual({
      line: 3,
      column: 7,
    });
  });

  it("finds values of each document in the file", () => {
    expect(documents).toHaveLength(2);
    expect(documents[0]?.locate(["metadata", "name"])).toEqual(find(manifest, "first"));
    expect(documents[1]?.locate(["kind"])).toEqual(find(manifest, "Second"));
  });

  it("knows no place of what is not there", () => {
    expect(documents[0]?.locate(["metadata", "annotations", "x"])).toBeUndefined();
    expect(documents[0]?.locate(["kind", "deeper"])).toBeUndefined();
  });

  it("maps a block literal's text to the file", () => {
    const inner = find('{\n  "type": "macvlan",\n  "mode": MARK\n}\n', "MARK");
    expect(documents[0]?.locateInside(["spec", "config"], inner)).toEqual(find(manifest, "MARK"));
  });

  it("maps a quoted scalar without escapes", () => {
    expect(documents[1]?.locateInside(["spec", "config"], find('{"type": QUOTED}', "QUOTED"))).toEqual(
      find(manifest, "QUOTED"),
    );
  });

  it("does not guess where text and file differ", () => {
    expect(documents[1]?.locateInside(["spec", "escaped"], { line: 1, column: 10 })).toBeUndefined();
    expect(documents[1]?.locateInside(["folded"], { line: 1, column: 3 })).toBeUndefined();
    expect(documents[1]?.locateInside(["spec"], { line: 1, column: 1 })).toBeUndefined();
  });

  it("reads JSON, tabs and all", () => {
    const json = '{\n\t"spec": {\n\t\t"config": [1, {"x": true}]\n\t}\n}\n';
    expect(locateDocuments(json)[0]?.locate(["spec", "config", 1, "x"])).toEqual(find(json, "true"));
  });

  it("gives no document for an empty file", () => {
    expect(locateDocuments("")).toEqual([]);
  });
});
