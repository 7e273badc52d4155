/** Errors of the JSON boundary say what, and where. */

import { once } from "node:events";
import { join } from "node:path";
import { Worker } from "node:worker_threads";
import { describe, expect, it } from "vitest";
import { objectMembers, parseJson } from "../../../src/base/json.ts";

const bytesOf = (text: string) => new TextEncoder().encode(text);

describe("errors of JSON text", () => {
  it.each([
    ["", "it ends where a value is expected (line 1, column 1)"],
    ['{"a":1,}', "a member's name in quotes is expected (line 1, column 8)"],
    ['{\n  "a" 1\n}', '":" is expected (line 2, column 7)'],
    ['{"ü":tru}', "a value is expected (line 1, column 6)"],
    ["[1,2", 'it ends where "," or "]" is expected (line 1, column 5)'],
    ["{} x", "something follows the value (line 1, column 4)"],
    ['{"a":"b', "a string that does not end (line 1, column 6)"],
    ['{"a":"\\x"}', "an escape that JSON does not have (line 1, column 7)"],
    ['{"a":"\n"}', "a control character in a string (line 1, column 7)"],
    ["01", "something follows the value (line 1, column 2)"],
    ["-", "it ends where a digit is expected (line 1, column 2)"],
    ["\ufeff{}", "a value is expected (line 1, column 1)"],
  ])("%j", (text, message) => {
    expect(() => parseJson(bytesOf(text), "x.conf")).toThrow(
      expect.objectContaining({
        kind: "syntax",
        message: `x.conf: not valid JSON: ${message}`,
      }),
    );
  });

  it("names the first byte that is not UTF-8", () => {
    const bytes = Uint8Array.from([...bytesOf('{\n"\ufffdü'), 0xff, ...bytesOf('":1}')]);
    expect(() => parseJson(bytes, "x.conf")).toThrow("x.conf: not valid JSON: not UTF-8 (line 2, column 4)");
  });

  it("tells an array from an object", () => {
    expect(() => objectMembers(bytesOf(" []"), "x.conf")).toThrow(
      expect.objectContaining({
        kind: "content",
        message: "x.conf: must be an object (line 1, column 2)",
      }),
    );
  });
});

/** Reads a text of 16 MiB, the longest file of a result cache, in which one key repeats: 2.4 million members. */
const readingRepeatedKey = `
  const { parentPort, workerData } = require("node:worker_threads");
  import(workerData.module).then(({ [workerData.name]: read }) => {
    const text = Buffer.alloc(7 * 2_400_000, ' "a":1,');
    text.write("{", 0);
    text.write("}", text.length - 1);
    parentPort.postMessage([...read(text, "x").keys()]);
  });
`;

describe("the members of an object", () => {
  it.each(["objectMembers", "fieldMembers"])("take no memory for keys that repeat: %s", async (name) => {
    const module = join(import.meta.dirname, "..", "..", "..", "src", "base", "json.ts");
    const worker = new Worker(readingRepeatedKey, {
      eval: true,
      workerData: { module, name },
      resourceLimits: { maxOldGenerationSizeMb: 48, maxYoungGenerationSizeMb: 16 },
    });
    expect(await once(worker, "message")).toEqual([["a"]]);
    await worker.terminate();
  });
});
