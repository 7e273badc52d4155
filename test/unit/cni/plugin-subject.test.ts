import { describe, expect, test } from "vitest";
import { misspeltKeys, subjectOfFailure } from "../../../src/cni/plugin-subject.ts";

function plugin(config: { readonly type?: string; readonly ipam?: { readonly type?: string } } | string) {
  const { type = "macvlan", ipam = {} } = typeof config === "string" ? {} : config;
  const text = typeof config === "string" ? config : JSON.stringify(config);
  return { type, bytes: Buffer.from(text), capabilities: [], ipamType: ipam.type ?? "" };
}

describe("what a plugin's failure is about", () => {
  const whereabouts = { type: "macvlan", ipam: { type: "whereabouts" } };

  test.each<[string, Parameters<typeof plugin>[0] & object, string]>([
    ["Link not found", { type: "macvlan", master: "ens5f0" } as object, ' (master "ens5f0")'],
    ["Link not found", { type: "macvlan", Master: "ens5f0" } as object, ' (master "ens5f0")'],
    ["failed to find ens5f0: no such device", { type: "macvlan", master: "ens5f0" } as object, ""],
    ["device or resource busy", { type: "bridge", bridge: "br0" } as object, ' (bridge "br0")'],
    ["Link not found", { type: "host-device", device: "ens5f0", hwaddr: "" } as object, ' (device "ens5f0")'],
    ["out of memory", { type: "macvlan", master: "ens5f0" } as object, ""],
    ["Link not found", { type: "macvlan", master: { name: "ens5f0" } } as object, ""],
    [
      'failed to find plugin "whereabouts" in path [/opt/cni/bin]',
      whereabouts,
      ' (the IPAM plugin, ipam.type "whereabouts", is not installed)',
    ],
    ['failed to find plugin "other" in path [/opt/cni/bin]', whereabouts, ""],
    [
      "no default route interface found",
      { type: "macvlan", mastr: "ens5f0" } as object,
      ' ("mastr" is no key of macvlan: did you mean "master"?)',
    ],
    [
      "no IP ranges specified",
      { type: "macvlan", ipam: { type: "host-local", subent: "10.0.0.0/8" } } as object,
      ' ("ipam.subent" is no key of host-local: did you mean "ipam.subnet"?)',
    ],
  ])("%s of %j", (message, config, about) => {
    expect(subjectOfFailure(plugin(config), message)).toBe(about);
  });

  test("is of bounded length, without control characters, and nothing where the configuration cannot be read", () => {
    const hostile = { type: "macvlan", master: `\u001b\n${"x".repeat(10_000)}` } as object;
    const long = subjectOfFailure(plugin(hostile), "Link not found");
    expect(long.length).toBeLessThan(150);
    expect(long).toMatch(/^[\x20-\x7e…]+$/u);
    expect(subjectOfFailure(plugin('{"master": '), "Link not found")).toBe("");
    const padded = { type: "macvlan", master: "ens5f0", padding: "x".repeat(70_000) } as object;
    expect(subjectOfFailure(plugin(padded), "Link not found")).toBe("");
  });
});

describe("misspelt keys", () => {
  test.each([
    [{ type: "macvlan", mastr: "x", "example.org/mode": 1, comment: "mine" }, [["mastr", "master"]]],
    // In any case it is the key; beside the right one it is the author's own.
    [{ type: "macvlan", MASTER: "x", master2: "y" }, []],
    [{ type: "sriov", mastr: "x" }, []],
    [{ type: "bridge", isGatway: true }, [["isGatway", "isGateway"]]],
  ])("of %j", (config, found) => {
    const keys = misspeltKeys(String(config.type), Buffer.from(JSON.stringify(config)));
    expect(keys.map(({ key, meant }) => [key, meant])).toEqual(found);
  });
});
