/** Names are checked before they get near a file name or a command. */

import { join, normalize } from "node:path";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { CniErrorCode } from "../../../src/cni/errors.ts";
import {
  checkContainerId,
  checkIfName,
  checkNetworkName,
  pluginTypeProblem,
} from "../../../src/cni/names.ts";

function isAccepted(check: () => void): boolean {
  try {
    check();
    return true;
  } catch {
    return false;
  }
}

describe("names", () => {
  it.each(["a", "0", "c0ffee0123456789", "a_b.c-d", "A-"])("container id and network name %j", (name) => {
    expect(() => checkContainerId(name)).not.toThrow();
    expect(() => checkNetworkName(name, "x.conf")).not.toThrow();
  });

  it.each(["", ".", "..", "-a", "_a", "a/b", "../a", "a b", "a\n", "ä", "a\0"])("refuses id %j", (name) => {
    expect(() => checkContainerId(name)).toThrow(
      expect.objectContaining({
        code: CniErrorCode.invalidEnvironment,
        message: expect.stringContaining("CNI_CONTAINERID"),
      }),
    );
    expect(() => checkNetworkName(name, "x.conf")).toThrow(
      expect.objectContaining({
        kind: "content",
        message: expect.stringMatching(/^x\.conf: /),
      }),
    );
  });

  it.each(["eth0", "a", "123456789012345", "net1.100", "a@b", "ü"])("interface %j", (name) => {
    expect(() => checkIfName(name)).not.toThrow();
  });

  it.each([
    "",
    ".",
    "..",
    "1234567890123456",
    "üüüüüüüü",
    "a/b",
    "a:b",
    "eth%d",
    "a b",
    "a\t",
    "a\n",
    "a\u00a0",
    "a\0",
  ])("refuses interface %j", (name) => {
    expect(() => checkIfName(name)).toThrow(
      expect.objectContaining({
        code: CniErrorCode.invalidEnvironment,
        message: expect.stringContaining("CNI_IFNAME"),
      }),
    );
  });

  it.each(["", ".", "..", "a/b", "/bin/sh", "../bridge", "a\0", "p".repeat(256)])(
    "refuses plugin %j",
    (type) => {
      expect(pluginTypeProblem(type)).toMatch(/^type /);
    },
  );

  it.each(["bridge", "a", ".a", "..a", "a b"])("plugin %j", (type) => {
    expect(pluginTypeProblem(type)).toBeUndefined();
  });

  it("accepts no name that leaves its directory", () => {
    const accept = [
      ...[checkContainerId, checkIfName, checkNetworkName].map(
        (check) => (name: string) => isAccepted(() => check(name, "here")),
      ),
      (name: string) => pluginTypeProblem(name) === undefined,
    ];
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.constantFrom("..", ".", "a/../b", "/", "a\\b")), (name) => {
        for (const isName of accept) {
          if (!isName(name)) continue;
          expect(normalize(join("/dir", name))).toBe(`/dir/${name}`);
        }
      }),
    );
  });
});
