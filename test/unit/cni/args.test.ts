/** CNI_ARGS to pairs and back. */

import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { findCniArg, formatCniArgs, parseCniArgs } from "../../../src/cni/args.ts";
import { CniErrorCode } from "../../../src/cni/errors.ts";

const key = fc.string({ minLength: 1 }).filter((text) => !/[=;\0]/.test(text));
const value = fc.string().filter((text) => !/[;\0]/.test(text));

describe("CNI_ARGS", () => {
  it("keeps order, duplicates and equals signs in values", () => {
    const args = parseCniArgs("IgnoreUnknown=1;A=b=c;EMPTY=;IgnoreUnknown=true");
    expect(args).toEqual([
      ["IgnoreUnknown", "1"],
      ["A", "b=c"],
      ["EMPTY", ""],
      ["IgnoreUnknown", "true"],
    ]);
    expect(findCniArg(args, "IgnoreUnknown")).toBe("true");
    expect(findCniArg(args, "nothing")).toBeUndefined();
    expect(parseCniArgs("")).toEqual([]);
  });

  it.each([";", "a", "=b", "a=b;", "a=b;;c=d", "a=b;c"])("refuses %j", (text) => {
    expect(() => parseCniArgs(text)).toThrow(
      expect.objectContaining({
        code: CniErrorCode.invalidEnvironment,
        message: expect.stringContaining("CNI_ARGS"),
      }),
    );
  });

  it("writes what it reads the same", () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(key, value)), (args) => {
        expect(parseCniArgs(formatCniArgs(args))).toEqual(args);
      }),
    );
  });

  it("never writes one pair that is read as two", () => {
    fc.assert(
      fc.property(fc.string(), fc.string(), (left, right) => {
        let text: string;
        try {
          text = formatCniArgs([[left, right]]);
        } catch (error) {
          expect(error).toMatchObject({ code: CniErrorCode.invalidEnvironment });
          return;
        }
        expect(parseCniArgs(text)).toEqual([[left, right]]);
      }),
    );
  });
});
