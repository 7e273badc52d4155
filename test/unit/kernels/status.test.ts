/** The promises of networkStatus, by example. */
import { expect, test } from "vitest";
import type { StatusInput } from "../../../src/kernels/index.ts";
import { loadKernels } from "../../../src/kernels/load.ts";
import { longestStatus } from "../../../src/multus/input/bounds.ts";
import { layOut } from "../../reference/status.ts";

const kernels = loadKernels();

function status(...inputs: (Partial<Omit<StatusInput, "result">> & { result: unknown })[]): unknown {
  const given = inputs.map((input) => ({
    name: "default/net1",
    isDefault: false,
    ifName: "net7",
    ...input,
    result: Buffer.from(JSON.stringify({ cniVersion: "1.0.0", ...(input.result as object) })),
  }));
  return JSON.parse(Buffer.from(kernels.networkStatus(given, longestStatus)).toString());
}

const sandbox = "/var/run/netns/cni-1";

test("no networks, no entries", () => {
  expect(status()).toEqual([]);
});

test("a network with one interface has all that is known of it", () => {
  const result = {
    interfaces: [{ name: "net1", mac: "02:e5:13:9f:76:d9", mtu: 1400, sandbox }],
    ips: [{ address: "10.0.0.5/8" }, { address: "FD00::0:5/64" }],
    routes: [
      { dst: "0.0.0.0/0", gw: "10.0.0.1" },
      { dst: "::/0", gw: "FD00::1" },
      { dst: "::/0" },
      { dst: "10.0.0.0/8", gw: "10.0.0.9" },
    ],
    dns: { nameservers: ["10.0.0.53"], search: [] },
  };
  const deviceInfo = Buffer.from(' {"type":"pci","n":18446744073709551615} ');
  expect(status({ name: 'default/"a', isDefault: true, result, deviceInfo })).toEqual([
    {
      name: 'default/"a',
      interface: "net1",
      ips: ["10.0.0.5", "fd00::5"],
      mac: "02:e5:13:9f:76:d9",
      mtu: 1400,
      default: true,
      dns: { nameservers: ["10.0.0.53"] },
      "device-info": { type: "pci", n: 18446744073709552000 },
      gateway: ["10.0.0.1", "fd00::1"],
    },
  ]);
});

test("the host's interfaces are not listed", () => {
  const interfaces = [{ name: "cni0" }, { name: "veth1", sandbox: "" }, { name: "eth0", sandbox }];
  expect(
    status({ isDefault: true, result: { interfaces, ips: [{ address: "10.0.0.5/8", interface: 2 }] } }),
  ).toEqual([{ name: "default/net1", interface: "eth0", ips: ["10.0.0.5"], default: true, dns: {} }]);
});

test("several pod interfaces: an entry each, addresses by index, those without one to the last", () => {
  const interfaces = [
    { name: "host" },
    { name: "a", sandbox },
    { name: "b", sandbox },
    { name: "c", sandbox },
  ];
  const ips = [
    { address: "10.0.0.1/8", interface: 1 },
    { address: "10.0.0.9/8", interface: 0, gateway: "10.0.0.254" },
    { address: "10.0.0.2/8", interface: 2, gateway: "10.0.0.254" },
    { address: "10.0.0.3/8" },
    { address: "10.0.0.4/8", interface: -1 },
    { address: "10.0.0.5/8", interface: 1, gateway: "10.0.0.254" },
  ];
  const name = "default/net1";
  expect(status({ isDefault: true, result: { interfaces, ips } })).toEqual([
    { name, interface: "a", ips: ["10.0.0.1", "10.0.0.5"], dns: {} },
    { name, interface: "b", ips: ["10.0.0.2"], default: true, dns: {} },
    { name, interface: "c", ips: ["10.0.0.3", "10.0.0.4"], dns: {} },
  ]);
  expect(status({ isDefault: true, result: { interfaces } })).toEqual([
    { name, interface: "a", default: true, dns: {} },
    { name, interface: "b", dns: {} },
    { name, interface: "c", dns: {} },
  ]);
});

test("an index that no interface has leaves the address to none, and to the only one", () => {
  const ips = [5, -2, 2 ** 40].map((place) => ({
    address: "10.0.0.5/8",
    gateway: "10.0.0.1",
    interface: place,
  }));
  const name = "default/net1";
  const a = { name: "a", sandbox };
  expect(status({ isDefault: true, result: { interfaces: [a, { name: "b", sandbox }], ips } })).toEqual([
    { name, interface: "a", default: true, dns: {} },
    { name, interface: "b", dns: {} },
  ]);
  expect(status({ result: { interfaces: [a], ips: ips.slice(0, 1) } })).toEqual([
    { name, interface: "a", ips: ["10.0.0.5"], dns: {} },
  ]);
});

test("the interface that EKS keeps for itself is an entry, as Go multus has it", () => {
  const result = {
    cniVersion: "0.4.0",
    interfaces: [{ name: "eni1" }, { name: "eth0", sandbox }, { name: "dummy1", mac: "0", sandbox: "0" }],
    ips: [{ version: "4", interface: 1, address: "192.0.2.194/32" }],
  };
  expect(status({ name: "cbr0", isDefault: true, result })).toEqual([
    { name: "cbr0", interface: "eth0", ips: ["192.0.2.194"], default: true, dns: {} },
    { name: "cbr0", interface: "dummy1", mac: "0", dns: {} },
  ]);
});

test("an only interface without sandbox gives its addresses to the network", () => {
  const result = { interfaces: [{ name: "cali1" }], ips: [{ address: "10.0.0.5/32" }] };
  expect(status({ isDefault: true, result })).toEqual([
    { name: "default/net1", ips: ["10.0.0.5"], default: true, dns: {} },
  ]);
});

test("a result that lists no interface of the pod has an entry with the interface asked for", () => {
  const name = "default/net1";
  const listed = { interface: "net7", ips: ["10.0.0.5"] };
  const ips = [{ address: "10.0.0.5/8", gateway: "10.0.0.1" }];
  expect(status({ isDefault: true, result: { ips, dns: { domain: "a" } } })).toEqual([
    { name, ...listed, default: true, dns: { domain: "a" } },
  ]);
  expect(status({ result: { interfaces: [{ name: "a" }, { name: "b" }], ips } })).toEqual([
    { name, ...listed, dns: {} },
  ]);
  expect(status({ result: {} }, { ifName: "", result: {} })).toEqual([
    { name, interface: "net7", dns: {} },
    { name, dns: {} },
  ]);
  const nothing = { name, isDefault: false, ifName: "net7", result: Buffer.from("null") };
  expect(JSON.parse(Buffer.from(kernels.networkStatus([nothing], longestStatus)).toString())).toEqual([
    { name, interface: "net7", dns: {} },
  ]);
});

test("0.2.0 knows no interfaces: IPv4 is first, with the gateways of both", () => {
  const result = {
    cniVersion: "0.2.0",
    ip6: { ip: "FD00::0:5/64", routes: [{ dst: "::/0", gw: "fd00::1" }] },
    ip4: {
      ip: "10.0.0.5/8",
      routes: [
        { dst: "10.9.0.0/16", gw: "10.0.0.9" },
        { dst: "0.0.0.0/0", gw: "10.0.0.1" },
      ],
    },
  };
  expect(status({ isDefault: true, result })).toEqual([
    {
      name: "default/net1",
      interface: "net7",
      ips: ["10.0.0.5", "fd00::5"],
      default: true,
      dns: {},
      gateway: ["10.0.0.1", "fd00::1"],
    },
  ]);
});

test("an invalid result is refused with the network's name", () => {
  expect(() => status({ result: { interfaces: [{ mac: 1 }] } })).toThrow(
    "result of default/net1: interfaces[0].mac must be a string at byte",
  );
});

test("the text is laid out as Go multus's: a value a line, four blanks a level", () => {
  const interfaces = [{ name: "eth0", mac: "02:00:00:00:00:01", sandbox }];
  const result = { interfaces, ips: [{ address: "10.1.2.3/24" }, { address: "fd00::1/64" }] };
  const deviceInfo = Buffer.from('{ "pci":{"x":"a \\"{,}\\" \\\\","e":[ ],"n":[1,\n[2]]}}');
  const inputs = [
    { name: "cbr0", isDefault: true, ifName: "eth0", result: Buffer.from(JSON.stringify(result)) },
    { name: "default/a", isDefault: false, ifName: "net1", result: Buffer.from("{}"), deviceInfo },
  ];
  const text = Buffer.from(kernels.networkStatus(inputs, longestStatus)).toString();
  expect(text).toBe(layOut(JSON.parse(text)));
  expect(JSON.parse(text)).toMatchObject([
    { ips: ["10.1.2.3", "fd00::1"] },
    { "device-info": { pci: { n: [1, [2]] } } },
  ]);
});

test("the device info stays as it is written", () => {
  const deviceInfo = Buffer.from('{"n":18446744073709551615,"e":1.0e2}');
  const input = { name: "a", isDefault: false, ifName: "net1", result: Buffer.from("{}"), deviceInfo };
  expect(Buffer.from(kernels.networkStatus([input], longestStatus)).toString()).toContain(
    '"device-info": {\n        "n": 18446744073709551615,\n        "e": 1.0e2\n    }',
  );
  expect(Buffer.from(kernels.networkStatus([], longestStatus)).toString()).toBe("[]");
});

test("values at any depth are laid out, and have their room", () => {
  for (const depth of [1, 2, 50, 500, 1_000, 1_400, 1_900]) {
    const deviceInfo = Buffer.from(`{"a":${"[".repeat(depth)}1,2,{"b":3,"c":[4]}${"]".repeat(depth)}}`);
    const inputs = [{ name: "a", isDefault: false, ifName: "net1", result: Buffer.from("{}"), deviceInfo }];
    const fresh = loadKernels();
    const text = Buffer.from(fresh.networkStatus(inputs, 2 ** 31)).toString();
    expect(text).toBe(layOut(JSON.parse(text)));
  }
});

test("a text that would be too long with its lines stays in one", () => {
  const entries = (count: number) => {
    const interfaces = Array(count).fill({ name: "a", sandbox });
    const result = Buffer.from(JSON.stringify({ cniVersion: "1.0.0", interfaces, ips: [] }));
    const inputs = [{ name: "a", isDefault: false, ifName: "net1", result }];
    return Buffer.from(kernels.networkStatus(inputs, longestStatus)).toString();
  };
  expect(entries(1_000)).toContain('\n    "interface": "a",\n');
  const long = entries(6_000);
  expect(long.length).toBeLessThan(longestStatus);
  expect(long).toBe(JSON.stringify(JSON.parse(long)));
  // To the byte.
  const input = { name: "a", isDefault: false, ifName: "net1", result: Buffer.from("{}") };
  const exactly = kernels.networkStatus([input], longestStatus).length;
  expect(kernels.networkStatus([input], exactly)).toHaveLength(exactly);
  expect(kernels.networkStatus([input], exactly - 1).length).toBeLessThan(exactly);
});
