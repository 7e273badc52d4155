/** The JSON scanner agrees with JSON.parse on what is JSON, and its slices are the values. */

import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { InputError } from "../../../src/base/input-error.ts";
import {
  arrayElements,
  joinElements,
  joinMembers,
  objectMembers,
  parseJson,
  valueOffset,
  wholeMembers,
} from "../../../src/base/json.ts";

const bytesOf = (text: string) => new TextEncoder().encode(text);
const textOf = (bytes: Uint8Array) => new TextDecoder().decode(bytes);

/** JSON text of a generated value, with white space as people write it. */
const jsonText = (value: fc.Arbitrary<unknown>) =>
  fc
    .tuple(value, fc.constantFrom("", "  ", "\t"))
    .map(([made, indent]) => JSON.stringify(made, null, indent));

/** A text with one piece removed, doubled or replaced: mostly no longer JSON, sometimes still. */
const mutated = fc
  .tuple(
    jsonText(fc.jsonValue()),
    fc.nat(),
    fc.constantFrom("", '"', "{", "]", ",", ":", "\\", "0", "-", "e", "\n", "\u0001", "ü"),
  )
  .map(([text, at, piece]) => {
    const place = at % (text.length + 1);
    return text.slice(0, place) + piece + text.slice(place + (at % 2));
  });

function parses(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

describe("the JSON boundary", () => {
  it("refuses exactly what JSON.parse refuses, with a position", () => {
    fc.assert(
      fc.property(fc.oneof(mutated, fc.string()), (text) => {
        const wrapped = `[${text}]`;
        let elements: Uint8Array[] | undefined;
        try {
          elements = arrayElements(bytesOf(wrapped), "here");
        } catch (error) {
          expect(error).toBeInstanceOf(InputError);
          expect(String(error)).toMatch(/here: not valid JSON: .+ \(line \d+, column \d+\)/);
        }
        expect(elements !== undefined).toBe(parses(wrapped));
        if (!parses(text)) expect(() => parseJson(bytesOf(text), "here")).toThrow(/\(line \d+, column \d+\)/);
      }),
      { numRuns: 2000 },
    );
  });

  it("never throws anything but a CNI error, whatever the bytes", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 60 }), (bytes) => {
        for (const run of [parseJson, objectMembers, arrayElements]) {
          try {
            run(bytes, "here");
          } catch (error) {
            expect(error).toBeInstanceOf(InputError);
          }
        }
        wholeMembers(bytes);
      }),
      { numRuns: 2000 },
    );
  });

  it("gives an object's members as they are written, the last of duplicates", () => {
    fc.assert(
      fc.property(jsonText(fc.dictionary(fc.string(), fc.jsonValue())), (text) => {
        const members = objectMembers(bytesOf(text), "here");
        const expected = JSON.parse(text) as object;
        expect([...members].map(([name, value]) => [name, JSON.parse(textOf(value))])).toEqual(
          expect.arrayContaining(Object.entries(expected)),
        );
        expect(members.size).toBe(Object.keys(expected).length);
        expect(JSON.parse(textOf(joinMembers(members)))).toEqual(expected);
      }),
    );
    expect(
      textOf(objectMembers(bytesOf('{"a":1,"a":18446744073709551615}'), "here").get("a") ?? bytesOf("")),
    ).toBe("18446744073709551615");
  });

  it("gives an array's elements as they are written", () => {
    fc.assert(
      fc.property(jsonText(fc.array(fc.jsonValue())), (text) => {
        const elements = arrayElements(bytesOf(text), "here");
        expect(elements.map((element) => JSON.parse(textOf(element)))).toEqual(JSON.parse(text));
        expect(JSON.parse(textOf(joinElements(elements)))).toEqual(JSON.parse(text));
      }),
    );
  });

  it("keeps the members that are whole when the end is lost", () => {
    fc.assert(
      fc.property(fc.dictionary(fc.string(), fc.string()), fc.nat(), (object, cut) => {
        const bytes = bytesOf(JSON.stringify(object));
        const torn = bytes.subarray(0, cut % bytes.length);
        for (const [name, value] of wholeMembers(torn)) {
          expect(JSON.parse(textOf(value))).toBe(Object.getOwnPropertyDescriptor(object, name)?.value);
        }
        expect(wholeMembers(bytes).size).toBe(Object.keys(object).length);
      }),
    );
  });

  it("finds the value at a path", () => {
    const text = '{ "a": [10, {"b": true}], "c": {} }';
    const at = (...path: string[]) => text.slice(valueOffset(bytesOf(text), path));
    expect(at("a", "0")).toMatch(/^10,/);
    expect(at("a", "1", "b")).toMatch(/^true/);
    expect(at("a", "1", "nothing")).toMatch(/^\{"b"/);
    expect(at("a", "7")).toMatch(/^\[10/);
    expect(at()).toMatch(/^\{ "a"/);
  });

  it("takes texts of any depth", () => {
    const depth = 100_000;
    const deep = bytesOf(`{"a":${"[".repeat(depth)}${"]".repeat(depth)}}`);
    expect(objectMembers(deep, "here").get("a")?.length).toBe(2 * depth);
  });
});
