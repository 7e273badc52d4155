/** A pod's annotations cost in proportion to their length, whatever they say, up to the 256 KiB that Kubernetes allows. */

import { describe, expect, test } from "vitest";
import { ExpectedError } from "../../../src/base/input-error.ts";
import { longestAnnotation } from "../../../src/multus/input/bounds.ts";
import { parseDefaultNetworkSelection, parseNetworkSelections } from "../../../src/multus/input/selection.ts";
import { growth, linear, refused } from "../../support/growth.ts";
import { cniRefusal } from "../../support/refusal.ts";
import { filled } from "./filled.ts";

const sizes = [longestAnnotation / 8, longestAnnotation];
const parse = (text: string, most?: number) => parseNetworkSelections(text, "default", most);

/** Texts of a length that are refused, however they are made. */
const refusals: readonly (readonly [string, (length: number) => string])[] = [
  ["too many items", (length) => filled("", () => "a", "", length)],
  ["too many objects", (length) => filled("[", () => "{}", "]", length)],
  ["too many things that are no objects", (length) => filled("[", () => "1", "]", length)],
  ["a list in lists", (length) => "[".repeat(length / 2) + "]".repeat(length / 2)],
  ["a list that does not end", (length) => `[${"{},".repeat((length - 1) / 3)}`],
  ["a list with an error at its end", (length) => filled("[{", (index) => `"k${index}":1`, ",}]", length)],
  ["an endless name", (length) => `${"a".repeat(length - 1)}!`],
  ["a name with many dots", (length) => `[{"name":"${"a.".repeat((length - 14) / 2)}!"}]`],
  ["parts without end", (length) => "@".repeat(length)],
  ["namespaces without end", (length) => "/".repeat(length)],
  ["blanks", (length) => " ".repeat(length)],
  ["addresses of a wrong kind", (length) => filled('[{"name":"a","ips":[', () => "1", "]}]", length)],
  ["addresses that are none", (length) => filled('[{"name":"a","ips":["1",', () => '"x"', "]}]", length)],
  [
    "port mappings of a wrong kind",
    (length) => filled('[{"name":"a","portMappings":[', () => "1", "]}]", length),
  ],
  ["a MAC address without end", (length) => `[{"name":"a","mac":"${"00:".repeat((length - 24) / 3)}00"}]`],
  ["addresses without end", (length) => filled('[{"name":"a","ips":[', () => '"10.0.0.1/8"', "]}]", length)],
  [
    "port mappings without end",
    (length) => filled('[{"name":"a","portMappings":[', () => "{}", "]}]", length),
  ],
  [
    "gateways without end",
    (length) => filled('[{"name":"a","default-route":[', () => '"10.0.0.1"', "]}]", length),
  ],
  [
    "gateways that are none",
    (length) => filled('[{"name":"a","default-route":[', () => '"x"', "]}]", length),
  ],
];

describe("refused annotations", () => {
  test.each(refusals)("%s: in proportion to the length", (_, textOf) => {
    const work = (size: number) => {
      const text = textOf(size);
      return refused(() => parse(text));
    };
    expect(growth({ sizes, work })).toBeLessThan(linear);
    const error = work(longestAnnotation)() as Error;
    expect(error).toBeInstanceOf(ExpectedError);
  });

  test("a text that is longer than an annotation can be, before it is looked at", () => {
    expect(cniRefusal(() => parse(`${" ".repeat(longestAnnotation)}a`))).toMatchObject({
      code: 7,
      message: expect.stringContaining(`at most ${longestAnnotation}`),
    });
  });
});

describe("accepted annotations", () => {
  test.each<readonly [string, (length: number) => string]>([
    [
      "keys of cni-args",
      (length) => filled('[{"name":"a","cni-args":{', (index) => `"k${index}":1`, "}}]", length),
    ],
    ["keys that mean nothing", (length) => filled('[{"name":"a",', (index) => `"k${index}":1`, "}]", length)],
    ["one key again and again", (length) => filled("[{", () => '"name":"a"', "}]", length)],
  ])("%s: in proportion to the length", (_, textOf) => {
    const work = (size: number) => {
      const text = textOf(size);
      return () => parse(text);
    };
    expect(growth({ sizes, work })).toBeLessThan(linear);
  });

  test("networks, as many as the key allows at most", () => {
    const work = (size: number) => {
      const text = JSON.stringify(Array.from({ length: size }, (_, index) => ({ name: `a${index}` })));
      return () => parse(text, 1024);
    };
    expect(growth({ sizes: [128, 1024], work })).toBeLessThan(linear);
  });
});

test("the lists of a selection are as long as their bounds, and no longer", () => {
  const selecting = (field: string, item: unknown, length: number) =>
    JSON.stringify([{ name: "b" }, { name: "a", [field]: Array(length).fill(item) }]);
  for (const [field, item, most] of [
    ["ips", "10.0.0.1", 256],
    ["default-route", "10.0.0.1", 256],
    ["portMappings", { hostPort: 1 }, 4096],
  ] as const) {
    expect(parse(selecting(field, item, most))).toHaveLength(2);
    expect(cniRefusal(() => parse(selecting(field, item, most + 1)))).toMatchObject({
      code: 7,
      message: expect.stringContaining(`must have at most ${most} items and has ${most + 1}`),
    });
  }
});

describe("the number of items", () => {
  const names = (count: number) => Array(count).fill("a").join();
  const objects = (count: number, item: object = { name: "a" }) => JSON.stringify(Array(count).fill(item));

  test("may be as large as the bound, whatever else has a comma in it", () => {
    expect(parse(names(64))).toHaveLength(64);
    expect(
      parse(objects(64, { name: "a", ips: ["10.0.0.1", "10.0.0.2"], "cni-args": { a: ",,," } })),
    ).toHaveLength(64);
    expect(parse('[{"name":"a","mac":""}]', 1)).toHaveLength(1);
    expect(parse(names(1024), 1024)).toHaveLength(1024);
  });

  test("is refused beyond it, and the error says how many there are", () => {
    const refusals: readonly (readonly [string, number, number])[] = [
      [names(65), 64, 65],
      ["a,,b", 2, 3],
      [objects(65), 64, 65],
      [`[${Array(120_000).fill(1).join()}]`, 64, 120_000],
      ['[{"name":"a"}, {"name":"b,c"}]', 1, 2],
    ];
    for (const [text, most, count] of refusals) {
      expect(cniRefusal(() => parse(text, most))).toMatchObject({
        code: 7,
        message: `annotation k8s.v1.cni.cncf.io/networks: selects ${count} networks, and a pod may have at most ${most} (key maxNetworksPerPod)`,
      });
    }
  });

  test("is one for a default network, however many are named", () => {
    expect(() => parseDefaultNetworkSelection(names(100_000), "kube-system")).toThrow(
      "must name exactly one network, names 100000",
    );
    expect(() => parseDefaultNetworkSelection(`[${Array(80_000).fill("{}").join()}]`, "kube-system")).toThrow(
      "must name exactly one network, names 80000",
    );
  });
});
