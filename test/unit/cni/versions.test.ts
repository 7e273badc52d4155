/** The abilities of each version of the spec. */

import { describe, expect, it } from "vitest";
import {
  compareVersions,
  isSupportedVersion,
  supportedVersions,
  supportsCheck,
  supportsStatusAndGc,
} from "../../../src/cni/versions.ts";

describe("versions of the spec", () => {
  it.each([
    ["0.1.0", false, false],
    ["0.2.0", false, false],
    ["0.3.0", false, false],
    ["0.3.1", false, false],
    ["0.4.0", true, false],
    ["1.0.0", true, false],
    ["1.1.0", true, true],
  ])("%s: CHECK %s, STATUS and GC %s", (version, check, status) => {
    expect(isSupportedVersion(version)).toBe(true);
    expect(supportsCheck(version)).toBe(check);
    expect(supportsStatusAndGc(version)).toBe(status);
  });

  it("are in order", () => {
    const sorted = [...supportedVersions].reverse().sort(compareVersions);
    expect(sorted).toEqual(supportedVersions);
    expect(sorted).toHaveLength(7);
  });

  it.each(["", "1.0", "1.2.0", "v1.0.0", "0.3.2"])("%j is none", (version) => {
    expect(isSupportedVersion(version)).toBe(false);
  });
});
