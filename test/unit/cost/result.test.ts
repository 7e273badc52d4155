/** A plugin's output costs in proportion to its length, up to the 4 MiB that are taken: as a result, in network-status, in events and in errors. */

import { describe, expect, test } from "vitest";
import type { PluginRun } from "../../../src/agent/executor.ts";
import { pluginFailure } from "../../../src/cni/plugin-failure.ts";
import { loadKernels } from "../../../src/kernels/load.ts";
import { addedInterface } from "../../../src/multus/cluster/pod-events.ts";
import { longestResults, longestStatus, mostAddressesNamed } from "../../../src/multus/input/bounds.ts";
import { askedRoutes, laterEdits } from "../../../src/multus/plan/default-route.ts";
import { readResultLink } from "../../../src/multus/state/expected-link.ts";
import { growth, linear, refused } from "../../support/growth.ts";
import { filled } from "./filled.ts";

const kernels = loadKernels();
const encode = (text: string) => new TextEncoder().encode(text);
const sizes = [longestResults / 8, longestResults];
/** Bytes of a layout that is never given up. */
const anyLength = 2 ** 31;
const head = '{"cniVersion":"1.0.0",';

const results: readonly (readonly [string, (length: number) => string])[] = [
  ["addresses", (length) => filled(`${head}"ips":[`, () => '{"address":"10.0.0.1/8"}', "]}", length)],
  [
    "addresses of one interface",
    (length) =>
      filled(
        `${head}"interfaces":[{"name":"a","sandbox":"/n"},{"name":"b","sandbox":"/n"}],"ips":[`,
        () => '{"address":"fd00::1/64","interface":1,"gateway":"fd00::2"}',
        "]}",
        length,
      ),
  ],
  [
    "routes",
    (length) => filled(`${head}"routes":[`, () => '{"dst":"0.0.0.0/0","gw":"10.0.0.1"}', "]}", length),
  ],
  [
    "lists of routes again and again",
    (length) => filled("{", () => '"routes":[{"dst":"0.0.0.0/0"}]', "}", length),
  ],
  ["versions again and again", (length) => filled("{", () => '"cniVersion":"1.0.0"', "}", length)],
  ["keys that mean nothing", (length) => filled(head, (index) => `"k${index}":1`, "}", length)],
  ["names of DNS servers", (length) => filled(`${head}"dns":{"nameservers":[`, () => '"a"', "]}}", length)],
];

describe("a result", () => {
  test.each([
    ...results,
    [
      "interfaces",
      (length: number) => filled(`${head}"interfaces":[`, () => '{"name":"a"}', "]}", length),
    ] as const,
  ])("of many %s is converted in proportion to its length", (_, textOf) => {
    for (const targetVersion of ["1.0.0", "0.4.0", "0.2.0"]) {
      const work = (size: number) => {
        const result = encode(textOf(size));
        const defaultRoutes = { removeIPv4: true, removeIPv6: true, add: ["10.0.0.9"] };
        // A version that cannot say it all refuses it.
        return () => {
          try {
            return kernels.convertResult({ result, configVersion: "1.0.0", targetVersion, defaultRoutes });
          } catch (error) {
            return error;
          }
        };
      };
      expect(growth({ sizes, work })).toBeLessThan(linear);
    }
  });

  test.each(results)("of many %s is put into network-status in proportion to its length", (_, textOf) => {
    const work = (size: number) => {
      const inputs = [{ name: "default/a", isDefault: true, ifName: "net1", result: encode(textOf(size)) }];
      return () => kernels.networkStatus(inputs, anyLength);
    };
    expect(growth({ sizes, work })).toBeLessThan(linear);
  });

  test("of many interfaces too, as each has its own entry", () => {
    const work = (size: number) => {
      const interfaces = Array.from({ length: size }, (_, index) => ({ name: `a${index}`, sandbox: "/n" }));
      const ips = interfaces.map((_, index) => ({ address: "10.0.0.1/8", interface: index }));
      const result = encode(JSON.stringify({ cniVersion: "1.0.0", interfaces, ips }));
      const inputs = [{ name: "default/a", isDefault: true, ifName: "net1", result }];
      return () => kernels.networkStatus(inputs, anyLength);
    };
    expect(growth({ sizes: [500, 4000], work })).toBeLessThan(linear);
  });

  test.each<readonly [string, (length: number) => string]>([
    [
      "with an error at its end",
      (length) => filled(`${head}"ips":[`, () => '{"address":"10.0.0.1/8"}', ',{"address":"x"}]}', length),
    ],
    [
      "with an error in a deep place",
      (length) => `{"x":${"[".repeat(Math.min(length / 2, 9_000))}oops`.padEnd(length),
    ],
    ["that is torn", (length) => filled(`${head}"ips":[`, () => '{"address":"10.0.0.1/8"}', "", length)],
  ])("%s is refused in proportion to its length", (_, textOf) => {
    const work = (size: number) => {
      const result = encode(textOf(size));
      return refused(() => kernels.convertResult({ result, configVersion: "1.0.0", targetVersion: "1.0.0" }));
    };
    expect(growth({ sizes, work })).toBeLessThan(linear);
  });
});

test.each<readonly [string, string, string]>([
  ["no address has a gateway for", '{"address":"10.0.0.1/8","gateway":"10.0.0.2"}', '{"dst":"::/0"}'],
  [
    "all addresses have a gateway for",
    '{"address":"10.0.0.1/8","gateway":"10.0.0.2"}',
    '{"dst":"0.0.0.0/0"}',
  ],
])("default routes that %s are looked for in proportion to the result", (_, address, route) => {
  const asked = askedRoutes([{ name: "default/a", request: { defaultRoute: [] } }]);
  const work = (size: number) => {
    const ips = filled('{"ips":[', () => address, "]", size / 2);
    const result = encode(`${ips},${filled('"routes":[', () => route, "]}", size / 2)}`);
    return () => laterEdits([{ request: { defaultRoute: [] }, result }], asked);
  };
  expect(growth({ sizes: [8_000, 64_000], work })).toBeLessThan(linear);
});

test("the interface that CHECK looks at is found in proportion to the result, however often it is listed", () => {
  const work = (size: number) => {
    const count = size / 32;
    const interfaces = Array(count).fill({ name: "net1", sandbox: "/n" });
    const ips = Array(count).fill({ address: "10.0.0.1/8", interface: count - 1 });
    const result = encode(JSON.stringify({ interfaces, ips }));
    return () => readResultLink(result, "net1", ["/n"]);
  };
  expect(growth({ sizes: [64_000, 512_000], work })).toBeLessThan(linear);
});

describe("an event", () => {
  test("is made in proportion to the result", () => {
    const work = (size: number) => {
      const result = encode(filled('{"ips":[', () => '{"address":"10.0.0.1/8"}', "]}", size));
      return () => addedInterface("net1", kernels.outlineResult(result).addresses, "default/a");
    };
    expect(growth({ sizes, work })).toBeLessThan(linear);
  });

  test("names the first addresses, and how many there are besides", () => {
    const addresses = Array(100_000).fill("10.0.0.1/8");
    const { message } = addedInterface("net1", addresses, "default/a");
    expect(message).toBe(
      `Add net1 [${addresses.slice(0, mostAddressesNamed).join(" ")} and ${100_000 - mostAddressesNamed} more] from default/a`,
    );
    expect(addedInterface("net1", addresses.slice(0, 2), "").message).toBe(
      "Add net1 [10.0.0.1/8 10.0.0.1/8]",
    );
  });
});

describe("an error of a plugin", () => {
  const run = { plugin: "a", env: { CNI_COMMAND: "ADD" } } as unknown as PluginRun;
  const failure = (stdout: Uint8Array) =>
    pluginFailure(run, { exitCode: 1, stdout, stderrTail: "", milliseconds: 0 });

  test.each<readonly [string, (length: number) => string]>([
    ["message", (length) => `{"code":101,"msg":"${"m".repeat(length)}"}`],
    ["list of other things", (length) => filled('{"code":101,"msg":"m","x":[', () => "{}", "]}", length)],
    ["list of keys", (length) => filled('{"code":101,"msg":"m",', (index) => `"k${index}":1`, "}", length)],
    ["text that is none", (length) => "x".repeat(length)],
    ["nesting", (length) => `{"code":101,"msg":"m","x":${"[".repeat(length / 2)}${"]".repeat(length / 2)}}`],
  ])("with a long %s costs in proportion to its length, and is short", (_, textOf) => {
    const work = (size: number) => {
      const stdout = encode(textOf(size));
      return () => failure(stdout);
    };
    expect(growth({ sizes, work })).toBeLessThan(linear);
    expect(work(longestResults)().message.length).toBeLessThan(17_000);
  });

  test("keeps its code and its message, whatever else it has", () => {
    const stdout = encode('{"x":[{},{}],"code":101,"msg":"no \\u0061ddress","details":"d","msg":"later"}');
    expect(failure(stdout)).toMatchObject({
      code: 101,
      message: expect.stringContaining("later"),
      details: "d",
    });
    expect(failure(encode('{"code":{},"msg":["x"]}'))).toMatchObject({ code: 999 });
  });
});

test("a network-status is laid out in proportion to its length, and the bound cuts the work short", () => {
  const work = (longest: number) => (size: number) => {
    const deviceInfo = encode(filled('{"a":[', () => '{"name":"a","ips":["10.0.0.1"],"dns":{}}', "]}", size));
    const inputs = [{ name: "a", isDefault: true, ifName: "net1", result: encode("{}"), deviceInfo }];
    return () => kernels.networkStatus(inputs, longest);
  };
  expect(growth({ sizes, work: work(anyLength) })).toBeLessThan(linear);
  expect(growth({ sizes, work: work(longestStatus) })).toBeLessThan(linear);
});

test("a network-status whose device info is nested deeply costs no more than its bound", () => {
  const work = (size: number) => {
    const deviceInfo = encode(`{"a":${"[".repeat(9_000)}${"1,".repeat(size)}1${"]".repeat(9_000)}}`);
    const inputs = [{ name: "a", isDefault: true, ifName: "net1", result: encode("{}"), deviceInfo }];
    return () => kernels.networkStatus(inputs, longestStatus);
  };
  expect(growth({ sizes: [10_000, 80_000], work })).toBeLessThan(linear);
});
