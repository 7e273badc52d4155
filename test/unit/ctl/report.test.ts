/** How try reports times and errors. */
import { describe, expect, it } from "vitest";
import { adviceFor, readPluginError } from "../../../src/ctl/scratch/advice.ts";
import { median } from "../../../src/ctl/text/statistics.ts";

describe("median", () => {
  it.each([
    [[5], 5],
    [[9, 1, 5], 5],
    [[10, 2], 6],
    [[4, 100, 1, 2], 3],
  ])("of %j is %d", (numbers, expected) => {
    expect(median(numbers)).toBe(expected);
  });

  it("leaves its input as it was", () => {
    const numbers = [3, 1, 2];
    median(numbers);
    expect(numbers).toEqual([3, 1, 2]);
  });
});

describe("readPluginError", () => {
  it("reads an error object of the spec", () => {
    const stdout = '{"cniVersion":"1.0.0","code":7,"msg":"bad","details":"more"}';
    expect(readPluginError(stdout)).toEqual({ code: 7, message: "bad\nmore" });
    expect(readPluginError('{"code":11,"msg":"later"}')).toEqual({ code: 11, message: "later" });
  });

  it.each([
    ["not JSON", "not JSON"],
    ["", "the plugin printed nothing"],
    ["{}", "{}"],
    ["null", "null"],
    ['{"code":"7","msg":1}', '{"code":"7","msg":1}'],
  ])("shows %j as it is", (stdout, message) => {
    expect(readPluginError(stdout)).toEqual({ code: 999, message });
  });
});

describe("adviceFor", () => {
  it("says what to look at for the daemon that is not there", () => {
    expect(adviceFor({ code: 11, message: "multusd cannot be reached" }, ["/bin"])).toContain("daemon");
  });

  it("points to validate for a bad configuration", () => {
    expect(adviceFor({ code: 7, message: "bad" }, ["/bin"])).toContain("multusctl validate");
  });

  it("says how to try a network that wants a device", () => {
    const message = "the devices of pod default/try are not known: there is neither …";
    expect(adviceFor({ code: 11, message }, ["/bin"])).toContain("k8s.v1.cni.cncf.io/resourceName");
  });

  it("says nothing where it knows nothing", () => {
    expect(adviceFor({ code: 100, message: "the plugin's own" }, ["/bin"])).toBe("");
  });
});
