/** The promises of convertResult, by example. */
import { describe, expect, test } from "vitest";
import { type ConvertInput, KernelError } from "../../../src/kernels/index.ts";
import { loadKernels } from "../../../src/kernels/load.ts";

const kernels = loadKernels();

function convert(text: string, input: Partial<Omit<ConvertInput, "result">> = {}): string {
  const bytes = kernels.convertResult({
    configVersion: "1.0.0",
    targetVersion: "1.0.0",
    ...input,
    result: Buffer.from(text),
  });
  return Buffer.from(bytes).toString();
}

function refusal(text: string, input: Partial<Omit<ConvertInput, "result">> = {}): KernelError {
  try {
    convert(text, input);
  } catch (error) {
    if (error instanceof KernelError) return error;
    throw error;
  }
  throw new Error("not refused");
}

describe("errors name the field, what it holds, and the place", () => {
  test("an address without prefix length", () => {
    const error = refusal('{"cniVersion":"1.0.0","ips":[{"address":"10.0.0.1/8"},{"address":"10.0.0.2"}]}');
    expect(error).toMatchObject({ code: "not-a-cidr", input: "result", offset: 65 });
    expect(error.message).toBe(
      'result: ips[1].address is not a CIDR: "10.0.0.2" at byte 65 (line 1, column 66)',
    );
  });

  test("line and column of pretty-printed JSON", () => {
    const text = '{\n  "cniVersion": "1.0.0",\n  "interfaces": [\n    { "mac": 2 }\n  ]\n}';
    expect(refusal(text).message).toBe(
      "result: interfaces[0].mac must be a string at byte 58 (line 4, column 14)",
    );
  });

  test.each([
    ['{"ips":[{"gateway":"10.0.0.1"}]}', "ips[0].address is missing at byte 8"],
    ['{"ips":[{"address":null}]}', "ips[0].address is not a CIDR: null at byte 19"],
    [
      '{"ips":[{"address":"10.0.0.1/8","interface":9223372036854775808}]}',
      "ips[0].interface must be an integer: 9223372036854775808 at",
    ],
    [
      '{"ips":[{"address":"10.0.0.1/8","interface":-9223372036854775809}]}',
      "ips[0].interface must be an integer: -9223372036854775809 at",
    ],
    [
      '{"cniVersion":"0.4.0","ips":[{"address":"10.0.0.1/8","version":4}]}',
      "ips[0].version must be a string at",
    ],
    ['{"routes":[{"dst":"0.0.0.0/0","mtu":1.5}]}', "routes[0].mtu must be an integer: 1.5 at"],
    ['{"routes":{}}', "routes must be an array at byte 10"],
    ['{"dns":{"search":[1]}}', "dns.search[0] must be a string at"],
    ['{"cniVersion":"2.0.0"}', 'cniVersion is not a supported version: "2.0.0" at byte 14'],
    ["[]", "the result must be an object at byte 0"],
    ['{"ips":[}', "expected a value at byte 8"],
    ['{"ips":[', "unexpected end of JSON at byte 8"],
    ["panic: runtime error", "expected a value at byte 0"],
  ])("%s", (text, message) => {
    expect(refusal(text).message).toContain(`result: ${message}`);
  });

  test("versions that the caller names", () => {
    expect(refusal("{}", { targetVersion: "2.0.0" })).toMatchObject({
      code: "unsupported-version",
      message: 'targetVersion: "2.0.0" is not a supported version',
    });
    expect(refusal("{}", { configVersion: "2.0.0" }).code).toBe("unsupported-config-version");
  });

  test("a gateway to add", () => {
    const defaultRoutes = { removeIPv4: false, removeIPv6: false, add: ["10.0.0.1", "10.0.0.300"] };
    expect(refusal("{}", { defaultRoutes }).message).toContain(
      'defaultRoutes.add: [1] is not an IP address: "10.0.0.300" at byte 12',
    );
  });
});

describe("values that libcni's types take stay as they are written", () => {
  const address = '"address":"10.0.0.1/8"';
  test.each([
    [
      "any text as mac",
      '{"cniVersion":"1.0.0","interfaces":[{"name":"dummy0","mac":"0","sandbox":"0"},{"mac":"x\\u0000"}]}',
    ],
    ["any index", `{"cniVersion":"1.0.0","ips":[{${address},"interface":5},{${address},"interface":-2}]}`],
    [
      "integers of 64 bits",
      `{"cniVersion":"1.0.0","ips":[{${address},"interface":9223372036854775807},{${address},"interface":-9223372036854775808}]}`,
    ],
    ["a null in a list of texts", '{"cniVersion":"1.0.0","dns":{"search":[null,"a"]}}'],
    [
      "members of any type that the version does not know",
      `{"cniVersion":"1.0.0","ips":[{${address},"version":[4]}],"ip4":1,"x":[{}]}`,
    ],
    [
      "any IP version",
      `{"cniVersion":"0.4.0","ips":[{${address},"version":"6"},{${address},"version":"IPv4"},{${address},"version":null}],"dns":{}}`,
    ],
    ["an address of the other family", '{"cniVersion":"0.2.0","ip4":{"ip":"fd00::1/64"},"dns":{}}'],
  ])("%s", (_what, text) => {
    expect(convert(text, { targetVersion: undefined })).toBe(text);
  });

  test("a cniVersion that is no text says nothing", () => {
    expect(convert('{"cniVersion":1.0,"x":1}', { targetVersion: undefined })).toBe(
      '{"cniVersion":"1.0.0","x":1}',
    );
  });

  test("a result's own version is taken before the configuration's", () => {
    const own = '{"cniVersion":"0.3.1","dns":{}}';
    expect(convert(own, { targetVersion: undefined })).toBe(own);
    expect(convert("{}", { configVersion: "0.2.0", targetVersion: undefined })).toBe(
      '{"cniVersion":"0.2.0","dns":{}}',
    );
  });
});

describe("an empty result", () => {
  test.each(["", " \n", "null", " null\t"])("%j", (text) => {
    expect(convert(text)).toBe('{"cniVersion":"1.0.0"}');
    expect(convert(text, { targetVersion: undefined })).toBe('{"cniVersion":"1.0.0"}');
    expect(refusal(text, { configVersion: "2.0.0", targetVersion: undefined }).code).toBe(
      "unsupported-config-version",
    );
    expect(convert(text, { targetVersion: "0.2.0" })).toBe('{"cniVersion":"0.2.0","dns":{}}');
  });
});

describe("versions of one shape", () => {
  test("everything stays as it is written: order, blanks, numbers, unknown fields, spelling of addresses", () => {
    const text =
      '{ "cniVersion" : "1.0.0", "ips":[ {"address":"FD00::0/64", "x":1e2} ],"y":18446744073709551615,"dns":{} }';
    expect(convert(text)).toBe(text);
    expect(convert(text, { targetVersion: "1.1.0" })).toBe(text.replace("1.0.0", "1.1.0"));
  });

  test("fields of 1.1.0 stay in a 1.0.0 result, as libcni leaves them", () => {
    const text = '{"cniVersion":"1.1.0","interfaces":[{"name":"eth0","mtu":1500,"pciID":"0000:00:01.0"}]}';
    expect(convert(text)).toBe(text.replace("1.1.0", "1.0.0"));
  });

  test("the version is filled in, and dns below 1.0.0", () => {
    expect(convert("{}")).toBe('{"cniVersion":"1.0.0"}');
    const old = { configVersion: "0.3.1", targetVersion: "0.4.0" };
    expect(convert("{}", old)).toBe('{"cniVersion":"0.4.0","dns":{}}');
    expect(convert('{"dns":null,"cniVersion":""}', old)).toBe('{"dns":{},"cniVersion":"0.4.0"}');
  });
});

describe("duplicate keys: the last one counts", () => {
  test("cniVersion", () => {
    const text = '{"cniVersion":"1.0.0","cniVersion":"0.4.0","ips":[{"version":"4","address":"10.0.0.1/8"}]}';
    expect(JSON.parse(convert(text))).toEqual({
      cniVersion: "1.0.0",
      ips: [{ address: "10.0.0.1/8" }],
    });
    expect(JSON.parse(convert(text, { targetVersion: "0.4.0" }))).toMatchObject({ cniVersion: "0.4.0" });
  });

  test("ips and fields of an address", () => {
    const text =
      '{"cniVersion":"1.0.0","ips":[{"address":"10.0.0.1/8"}],"ips":[{"address":"10.0.0.2/8","address":"10.0.0.3/8"}]}';
    expect(JSON.parse(convert(text, { targetVersion: "0.4.0" })).ips).toEqual([
      { version: "4", address: "10.0.0.3/8" },
    ]);
  });

  test("routes that are removed do not bring back the earlier ones", () => {
    const text = '{"cniVersion":"1.0.0","routes":[{"dst":"10.0.0.0/8"}],"routes":[{"dst":"0.0.0.0/0"}]}';
    const defaultRoutes = { removeIPv4: true, removeIPv6: false, add: [] };
    expect(JSON.parse(convert(text, { defaultRoutes })).routes).toEqual([]);
  });
});

describe("edits of default routes", () => {
  const routes = '[ {"dst":"0.0.0.0/0","gw":"10.0.0.1"},{"dst":"10.9.0.0/16", "x":1}, {"dst":"::/0"} ]';
  const edits = { removeIPv4: true, removeIPv6: false, add: [] as string[] };

  test("only the family asked for is removed; other routes stay as written", () => {
    const text = `{"cniVersion":"1.0.0","routes":${routes}}`;
    const ipv4 = JSON.parse(convert(text, { defaultRoutes: edits }));
    expect(ipv4.routes).toEqual([{ dst: "10.9.0.0/16", x: 1 }, { dst: "::/0" }]);
    const both = convert(text, { defaultRoutes: { ...edits, removeIPv6: true } });
    expect(both).toContain('{"dst":"10.9.0.0/16", "x":1}');
    expect(JSON.parse(both).routes).toHaveLength(1);
  });

  test("a list left empty goes, wherever it is", () => {
    const list = '"routes":[{"dst":"0.0.0.0/0"}]';
    const input = { defaultRoutes: edits };
    expect(convert(`{${list},"cniVersion":"1.0.0","x":1}`, input)).toBe('{"cniVersion":"1.0.0","x":1}');
    expect(convert(`{"cniVersion":"1.0.0", ${list} , "x":1}`, input)).toBe('{"cniVersion":"1.0.0" , "x":1}');
    expect(convert(`{"cniVersion":"1.0.0",${list}}`, input)).toBe('{"cniVersion":"1.0.0"}');
    expect(convert(`{${list}}`, input)).toBe('{"cniVersion":"1.0.0"}');
  });

  test("gateways are added by family, in the shape of the version", () => {
    const input = { defaultRoutes: { ...edits, removeIPv6: true, add: ["10.0.0.254", "FD00::1"] } };
    const added = [
      { dst: "0.0.0.0/0", gw: "10.0.0.254" },
      { dst: "::/0", gw: "fd00::1" },
    ];
    expect(JSON.parse(convert('{"cniVersion":"1.0.0"}', input)).routes).toEqual(added);
    expect(JSON.parse(convert(`{"cniVersion":"1.0.0","routes":${routes}}`, input)).routes).toEqual([
      { dst: "10.9.0.0/16", x: 1 },
      ...added,
    ]);
    const old = `{"cniVersion":"0.2.0","ip4":{"ip":"10.0.0.5/8","routes":[{"dst":"0.0.0.0/0","gw":"10.0.0.1"}]}}`;
    expect(JSON.parse(convert(old, { ...input, targetVersion: "0.2.0" }))).toEqual({
      cniVersion: "0.2.0",
      ip4: { ip: "10.0.0.5/8", routes: [{ dst: "0.0.0.0/0", gw: "10.0.0.254" }] },
      dns: {},
    });
  });

  test("a default route is known by its prefix length, however it is spelled", () => {
    for (const dst of ["0::0/0", "::0/0", "fd00::/0"]) {
      const text = `{"cniVersion":"1.0.0","routes":[{"dst":"${dst}"},{"dst":"::/1"}]}`;
      const result = convert(text, { defaultRoutes: { ...edits, removeIPv6: true } });
      expect(JSON.parse(result).routes).toEqual([{ dst: "::/1" }]);
    }
  });
});

describe("between shapes", () => {
  const current =
    '{"cniVersion":"1.0.0","interfaces":[{"name":"eth0","mtu":1500,"sandbox":"/n"}],"ips":[{"address":"10.0.0.5/8","gateway":"10.0.0.1","interface":0},{"address":"FD00::05/64"},{"address":"10.0.0.6/8"}],"routes":[{"dst":"0.0.0.0/0","gw":"10.0.0.1","mtu":1400}],"x":1}';

  test("1.0.0 to 0.3.1", () => {
    expect(JSON.parse(convert(current, { targetVersion: "0.3.1" }))).toEqual({
      cniVersion: "0.3.1",
      interfaces: [{ name: "eth0", sandbox: "/n" }],
      ips: [
        { version: "4", address: "10.0.0.5/8", gateway: "10.0.0.1", interface: 0 },
        { version: "6", address: "fd00::5/64" },
        { version: "4", address: "10.0.0.6/8" },
      ],
      routes: [{ dst: "0.0.0.0/0", gw: "10.0.0.1", mtu: 1400 }],
      dns: {},
    });
  });

  test("1.0.0 to 0.2.0: the first address of each family", () => {
    expect(JSON.parse(convert(current, { targetVersion: "0.2.0" }))).toEqual({
      cniVersion: "0.2.0",
      ip4: { ip: "10.0.0.5/8", gateway: "10.0.0.1", routes: [{ dst: "0.0.0.0/0", gw: "10.0.0.1" }] },
      ip6: { ip: "fd00::5/64" },
      dns: {},
    });
    expect(refusal('{"cniVersion":"1.0.0"}', { targetVersion: "0.2.0" }).code).toBe("no-address");
  });

  test("0.2.0 to 1.0.0", () => {
    const old =
      '{"ip6":{"ip":"fd00::5/64"},"ip4":{"ip":"10.0.0.5/8","routes":[{"dst":"0.0.0.0/0"}]},"dns":{"domain":"a"}}';
    expect(JSON.parse(convert(old, { configVersion: "0.2.0" }))).toEqual({
      cniVersion: "1.0.0",
      ips: [{ address: "10.0.0.5/8" }, { address: "fd00::5/64" }],
      routes: [{ dst: "0.0.0.0/0" }],
      dns: { domain: "a" },
    });
  });
});
