import { expect, test } from "vitest";
import { parseInterfaceAttributes } from "../../../src/multus/input/interface-attributes.ts";
import { cniRefusal } from "../../support/refusal.ts";

const parse = (text: string) => parseInterfaceAttributes(Buffer.from(text));

test("are addresses, a MAC address and arguments, as they are written", () => {
  expect(
    parse(
      '{"IPs":["10.1.2.3/24","fd00::1"],"mac":"02:00:00:00:00:01","cni-args":{"n":12345678901234567890}}',
    ),
  ).toEqual({
    ips: ["10.1.2.3/24", "fd00::1"],
    mac: "02:00:00:00:00:01",
    cniArgs: Buffer.from('{"n":12345678901234567890}'),
  });
});

test.each(["null", "{}", '{"ips":null,"mac":"","cni-args":null}', '{"ips":[],"cni-args":{},"other":1}'])(
  "%s asks for nothing",
  (text) => {
    const { ips, mac, cniArgs } = parse(text);
    expect([ips, mac, cniArgs]).toEqual([undefined, undefined, undefined]);
  },
);

test("need not be there", () => {
  expect(parseInterfaceAttributes(undefined)).toEqual({});
});

test.each([
  ["[]", "it must be an object, is an array"],
  ['{"ips":"10.0.0.1"}', 'ips must be a list of IP addresses or CIDRs, is "10.0.0.1"'],
  ['{"ips":["10.0.0.1",7]}', "ips[1] must be an IP address or CIDR, is 7"],
  ['{"ips":["10.0.0.1/33"]}', 'ips[0] must be an IP address or CIDR, is "10.0.0.1/33"'],
  ['{"mac":"02:00"}', 'mac must be a hardware address (6, 8 or 20 bytes), is "02:00"'],
  ['{"mac":1}', "mac must be a hardware address (6, 8 or 20 bytes), is 1"],
  ['{"cni-args":[]}', "cni-args must be an object, is an array"],
])("%s is refused", (text, message) => {
  expect(cniRefusal(() => parse(text)).message).toMatch(`interfaceAttributes: ${message} (line 1, column `);
});
