import fc from "fast-check";
import { expect, test } from "vitest";
import { layOutStatus } from "../../../src/kube/network-status.ts";

/** As Go multus does it: each entry with four blanks a level, entries side by side. */
function twin(entries: readonly unknown[]): string {
  return `[${entries.map((entry) => JSON.stringify(entry, null, 4)).join(",")}]`;
}

test("the layout is Go multus's, however the list was written, and changes no value", () => {
  const entry = fc.dictionary(fc.string(), fc.jsonValue({ maxDepth: 4, stringUnit: "binary" }));
  fc.assert(
    fc.property(fc.array(entry), fc.constantFrom(undefined, 1, "\t", "\r\n "), (entries, indentation) => {
      const laidOut = layOutStatus(Buffer.from(JSON.stringify(entries, null, indentation)));
      // Once through JSON: -0 and the like are not what the bytes say.
      expect(laidOut).toBe(twin(JSON.parse(JSON.stringify(entries)) as unknown[]));
    }),
    { numRuns: 1000 },
  );
});
