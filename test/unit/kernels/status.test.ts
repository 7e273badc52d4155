/** What networkStatus promises, by example. */
import { expect, test } from "vitest";
import type { StatusInput } from "../../../src/kernels/index.ts";
import { loadKernels } from "../../../src/kernels/load.ts";

const kernels = loadKernels();

function status(...inputs: (Partial<Omit<StatusInput, "result">> & { result: unknown })[]): unknown {
  const given = inputs.map((input) => ({
    name: "default/net1",
    isDefault: false,
    ...input,
    result: Buffer.from(JSON.stringify({ cniVersion: "1.0.0", ...(input.result as object) })),
  }));
  return JSON.parse(Buffer.from(kernels.networkStatus(given)).toString());
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
  expect(status({ name: 'default/"a', isDefault: true, result, deviceInfo, mtu: 9000 })).toEqual([
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

test("an MTU known from elsewhere fills in", () => {
  expect(status({ result: { interfaces: [{ name: "net1", sandbox }] }, mtu: 9000 })).toEqual([
    { name: "default/net1", interface: "net1", mtu: 9000, dns: {} },
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

test("a result without interfaces has no entry: 0.2.0 knows none", () => {
  expect(status({ result: { cniVersion: "0.2.0", ip4: { ip: "10.0.0.5/8" } } }, { result: {} })).toEqual([]);
});

test("an invalid result is refused with the network's name", () => {
  expect(() => status({ result: { interfaces: [{ mac: "x" }] } })).toThrow(
    'result of default/net1: interfaces[0].mac is not a MAC address: "x" at byte',
  );
});
