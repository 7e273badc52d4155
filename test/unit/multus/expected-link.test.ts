import { describe, expect, test } from "vitest";
import { readResultLink } from "../../../src/multus/state/expected-link.ts";
import { cniRefusal } from "../../support/refusal.ts";

const netns = "/run/netns/pod";
const linkOf = (result: unknown) => readResultLink(Buffer.from(JSON.stringify(result)), "net1", [netns]);
const net1 = { name: "net1", mac: "02:00:00:00:00:01", sandbox: netns };

describe("the link of a result", () => {
  test("is the attachment's interface, with the addresses that name it", () => {
    const result = {
      cniVersion: "1.0.0",
      interfaces: [{ name: "br0" }, net1, { name: "net2", sandbox: netns }],
      ips: [
        { address: "10.1.0.5/16", interface: 1 },
        { address: "fd00::5/64", interface: 1 },
        { address: "10.1.0.5/24", interface: 1 },
        { address: "10.2.0.5/16", interface: 2 },
        { address: "10.3.0.5/16" },
      ],
    };
    expect(linkOf(result)).toEqual({
      ifName: "net1",
      mac: "020000000001",
      addresses: ["10.1.0.5", "fd00::5"],
      mayBeInUserSpace: false,
    });
  });

  test.each<{ about: string; result: unknown }>([
    { about: "no interfaces", result: { ips: [{ address: "10.1.0.5/16" }] } },
    { about: "a result of 0.2.0", result: { cniVersion: "0.2.0", ip4: { ip: "10.1.0.5/16" } } },
    { about: "an interface on the node", result: { interfaces: [{ ...net1, sandbox: "" }] } },
    { about: "an interface without sandbox", result: { interfaces: [{ name: "net1" }] } },
    { about: "another sandbox", result: { interfaces: [{ ...net1, sandbox: "0" }] } },
    { about: "a sandbox that is no text", result: { interfaces: [{ ...net1, sandbox: [netns] }] } },
    { about: "another interface", result: { interfaces: [{ ...net1, name: "dummy1" }] } },
    { about: "interfaces that are none", result: { interfaces: [null, 1, "net1", [net1]] } },
    { about: "interfaces that are no list", result: { interfaces: { 0: net1 } } },
    { about: "an empty result", result: {} },
    { about: "null", result: null },
    { about: "a list", result: [net1] },
  ])("is not known of $about", ({ result }) => {
    expect(linkOf(result)).toBeUndefined();
  });

  test.each([
    { mac: "02-00-00-00-00-0A", is: "02000000000a" },
    { mac: "0200.0000.000a", is: "02000000000a" },
    { mac: "0", is: undefined },
    { mac: "", is: undefined },
    { mac: "02:00:00:00:00", is: undefined },
    { mac: "00:00:00:00:00:00", is: undefined },
    { mac: "02:00-00:00:00:01", is: undefined },
    { mac: "80:00:00:48:fe:80:00:00:00:00:00:00:02:00:00:00:00:00:00:01", is: undefined },
    { mac: 2, is: undefined },
    { mac: undefined, is: undefined },
  ])("has the MAC address $is where the result says $mac", ({ mac, is }) => {
    expect(linkOf({ interfaces: [{ ...net1, mac }] })?.mac).toBe(is);
  });

  test("has no MAC address where several interfaces have its name", () => {
    const result = {
      interfaces: [net1, { ...net1, mac: "02:00:00:00:00:02" }],
      ips: [{ address: "10.1.0.5/8", interface: 1 }],
    };
    expect(linkOf(result)).toMatchObject({ mac: undefined, addresses: ["10.1.0.5"] });
  });

  test("has no address that cannot be looked for", () => {
    const texts = ["", "x/24", "10.1.0.5.6/8", "fe80::1%eth0/64", "::ffff:10.1.0.5/120", "/24", 7, null, {}];
    const places = [1, -1, 0.5, "0", null, [0], 2 ** 53];
    const ips = [
      ...texts.map((address) => ({ address, interface: 0 })),
      ...places.map((place) => ({ address: "10.1.0.5/16", interface: place })),
      null,
      "10.1.0.5/16",
    ];
    expect(linkOf({ interfaces: [net1], ips })?.addresses).toEqual([]);
  });

  test("has at most 64 addresses", () => {
    const ips = Array.from({ length: 200 }, (_, place) => ({ address: `10.1.0.${place}/16`, interface: 0 }));
    expect(linkOf({ interfaces: [net1], ips })?.addresses).toHaveLength(64);
  });

  test.each([{ pciID: "0000:00:1f.6" }, { socketPath: "/run/vhost.sock" }])(
    "may be in user space with %j",
    (device) => {
      expect(linkOf({ interfaces: [{ ...net1, ...device }] })?.mayBeInUserSpace).toBe(true);
    },
  );
});

test("a cached result that is torn: code 6", () => {
  expect(cniRefusal(() => readResultLink(Buffer.from('{"interfaces":['), "net1", [netns]))).toMatchObject({
    code: 6,
    message: expect.stringContaining("cached result"),
  });
});
