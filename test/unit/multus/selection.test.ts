/** The selections of a pod's annotations, in both forms, and their errors. */

import { describe, expect, it } from "vitest";
import { CniErrorCode } from "../../../src/cni/errors.ts";
import { parseDefaultNetworkSelection, parseNetworkSelections } from "../../../src/multus/input/selection.ts";
import { cniRefusal } from "../../support/refusal.ts";

const textOf = (bytes: Uint8Array | undefined) =>
  bytes === undefined ? undefined : Buffer.from(bytes).toString();

describe("the comma form", () => {
  it("takes namespace, name and interface, with blanks anywhere between", () => {
    expect(parseNetworkSelections(" a , other/b@net7,\n c @ x0 ", "pods")).toEqual([
      { name: "a", namespace: "pods", request: { ifName: undefined } },
      { name: "b", namespace: "other", request: { ifName: "net7" } },
      { name: "c", namespace: "pods", request: { ifName: "x0" } },
    ]);
  });

  it("selects nothing where the annotation is empty", () => {
    expect(parseNetworkSelections("", "pods")).toEqual([]);
  });

  it("may name the same network twice", () => {
    expect(parseNetworkSelections("a,a", "pods").map(({ name }) => name)).toEqual(["a", "a"]);
  });

  it.each([
    ["a,,b", 'item 2, "": name "" is no DNS-1123 label'],
    ["a,", 'item 2, "": name "" is no DNS-1123 label'],
    [" ", 'item 1, "": name "" is no DNS-1123 label'],
    ["ns/", 'item 1, "ns/": name "" is no DNS-1123 label'],
    ["a/b/c", 'item 1, "a/b/c": must be [namespace/]name[@interface]'],
    ["a@b@c", 'item 1, "a@b@c": must be [namespace/]name[@interface]'],
    ["a@b/c", 'item 1, "a@b/c": namespace "a@b" is no DNS-1123 label'],
    ["a,My_Net", 'item 2, "My_Net": name "My_Net" is no DNS-1123 label'],
    ["-a", 'item 1, "-a": name "-a" is no DNS-1123 label'],
    ["NS/a", 'item 1, "NS/a": namespace "NS" is no DNS-1123 label'],
    [
      "a@interface-too-long",
      'item 1, "a@interface-too-long": interface "interface-too-long" is longer than 15 bytes',
    ],
    [
      "a@x y",
      'item 1, "a@x y": interface "x y" has a slash, a colon, a percent sign, white space or a control character',
    ],
  ])("refuses %j", (text, message) => {
    expect(cniRefusal(() => parseNetworkSelections(text, "pods"))).toMatchObject({
      code: CniErrorCode.invalidNetworkConfig,
      message: `annotation k8s.v1.cni.cncf.io/networks: ${message}`,
    });
  });
});

describe("the JSON form", () => {
  it("takes every key, and keeps what is handed on as it was written", () => {
    const [selection] = parseNetworkSelections(
      `[{"name":"caps","namespace":"other","interface":"net9","interfaceRequest":"old","ips":["10.1.2.3","fd00::1/64"],
        "mac":"02:11:22:33:44:55","infiniband-guid":"c2:11:22:33:44:55:66:77",
        "portMappings":[ {"hostPort":8080,"containerPort":80} ],"bandwidth":{"ingressRate":18446744073709551615},
        "default-route":["10.1.2.1"],"cni-args":{"id": 18446744073709551615},"deviceID":"0000:03:02.0",
        "ipam-claim-reference":"claim","other":1}]`,
      "pods",
    );
    expect(selection).toMatchObject({
      name: "caps",
      namespace: "other",
      request: {
        ifName: "net9",
        ips: ["10.1.2.3", "fd00::1/64"],
        mac: "02:11:22:33:44:55",
        infinibandGUID: "c2:11:22:33:44:55:66:77",
        defaultRoute: ["10.1.2.1"],
        deviceID: "0000:03:02.0",
      },
    });
    expect(textOf(selection?.request.portMappings)).toBe('[ {"hostPort":8080,"containerPort":80} ]');
    expect(textOf(selection?.request.bandwidth)).toBe('{"ingressRate":18446744073709551615}');
    expect(textOf(selection?.cniArgs)).toBe('{"id": 18446744073709551615}');
  });

  it("takes null and empty texts for absent, the old alias for interface, and the pod's namespace", () => {
    const [selection] = parseNetworkSelections(
      '[{"name":"a","namespace":"","interface":"","interfaceRequest":"old0","ips":null,"mac":"","cni-args":null,"bandwidth":null}]',
      "pods",
    );
    expect(selection).toEqual({ name: "a", namespace: "pods", request: { ifName: "old0" } });
  });

  it("takes keys in any case, as Go does", () => {
    const item = { Name: "a", Interface: "data0", IPs: ["10.0.0.1/24"], PortMappings: [{ hostPort: 1 }] };
    const [selection] = parseNetworkSelections(JSON.stringify([item]), "pods");
    expect(selection).toMatchObject({ name: "a", request: { ifName: "data0", ips: ["10.0.0.1/24"] } });
    expect(Buffer.from(selection?.request.portMappings ?? []).toString()).toBe('[{"hostPort":1}]');
    const [nested] = parseNetworkSelections(
      '[{"name":"a","portMappings":[{"hostPort":1},{"HostPort": 2,"x":1.0}],"Bandwidth":{"IngressRate":18446744073709551615}}]',
      "pods",
    );
    expect(textOf(nested?.request.portMappings)).toBe('[{"hostPort":1},{"hostPort":2,"x":1.0}]');
    expect(textOf(nested?.request.bandwidth)).toBe('{"ingressRate":18446744073709551615}');
    expect(() => parseNetworkSelections('[{"name":"a","portMappings":[{"HostPort":"x"}]}]', "pods")).toThrow(
      'portMappings[0].hostPort must be integer, is "x"',
    );
    expect(() => parseNetworkSelections('[{"name":"a","MAC":"zz"}]', "pods")).toThrow("(line 1, column 20)");
  });

  it.each(["", ',"namespace":""', ',"namespace":null', ',"namespace":"other"'])(
    "takes a name with a namespace for what it looks like, beside %j",
    (beside) => {
      const [selection] = parseNetworkSelections(`[{"name":"other/a.b"${beside}}]`, "pods");
      expect(selection).toEqual({ name: "a.b", namespace: "other", request: {} });
    },
  );

  it.each([
    ['"other/a","namespace":"pods"', '"other/a"'],
    ['"other/a/b"', '"a/b"'],
    ['"/a"', '"/a"'],
    ['"other/"', '""'],
    ['"Other/a"', '"Other"'],
    ['"../a"', '".."'],
  ])("refuses name %s", (name, value) => {
    expect(cniRefusal(() => parseNetworkSelections(`[{"name":${name}}]`, "pods"))).toMatchObject({
      code: CniErrorCode.invalidNetworkConfig,
      message: expect.stringContaining(`, is ${value}`),
    });
  });

  it.each([
    '"name":"a","Name":"b","NAME":"c"',
    '"Name":"b","name":"a"',
    '"Name":"b","name":null,"NAME":"a","nAme":null',
  ])("takes the key that is written exactly, else the last that is not null: %s", (keys) => {
    const item = `{${keys},"CNI-Args":{"a":1},"cni-args":{"b":2}}`;
    const [selection] = parseNetworkSelections(`[${item}]`, "pods");
    expect([selection?.name, textOf(selection?.cniArgs)]).toEqual(["a", '{"b":2}']);
  });

  it("tells an empty list of default routes from none", () => {
    expect(
      parseNetworkSelections('[{"name":"a","default-route":[]}]', "pods")[0]?.request.defaultRoute,
    ).toEqual([]);
    expect(parseNetworkSelections('[{"name":"a"}]', "pods")[0]?.request.defaultRoute).toBeUndefined();
  });

  it.each([
    "02:11:22:33:44:55",
    "02-11-22-33-44-55",
    "0211.2233.4455",
    "02:11:22:33:44:55:66:77",
    "00:00:00:00:fe:80:00:00:00:00:00:00:02:00:5e:10:00:00:00:01",
  ])("takes hardware address %s", (mac) => {
    expect(parseNetworkSelections(JSON.stringify([{ name: "a", mac }]), "pods")[0]?.request.mac).toBe(mac);
  });

  it.each([
    ["02:11:22:33:44", "mac"],
    ["02:11:22:33:44:5", "mac"],
    ["02:11-22:33:44:55", "mac"],
    ["021122334455", "mac"],
    ["0g:11:22:33:44:55", "mac"],
    ["nonsense", "infiniband-guid"],
  ])("refuses hardware address %s", (address, key) => {
    expect(() => parseNetworkSelections(JSON.stringify([{ name: "a", [key]: address }]), "pods")).toThrow(
      `[0].${key} must be a hardware address (6, 8 or 20 bytes), is "${address}"`,
    );
  });

  it.each([
    "10.1.2",
    "10.1.2.256",
    "10.01.2.3",
    "10.1.2.3/33",
    "fd00::/129",
    "10.1.2.3/",
    "1.2.3.4/8/8",
    "fe80::1%eth0",
    "",
  ])("refuses address %j", (ip) => {
    expect(() =>
      parseNetworkSelections(JSON.stringify([{ name: "a" }, { name: "b", ips: ["1.1.1.1", ip] }]), "pods"),
    ).toThrow(`[1].ips[1] must be an IP address or CIDR, is ${JSON.stringify(ip)}`);
  });

  it.each([
    [
      '[{"name":"a","mac":"zz"}]',
      '[0].mac must be a hardware address (6, 8 or 20 bytes), is "zz" (line 1, column 20)',
    ],
    ['[{"name":"A"}]', '[0].name must be a DNS-1123 name, is "A" (line 1, column 10)'],
    ['[{"name":""}]', '[0].name must be a DNS-1123 name, is "" (line 1, column 10)'],
    ['[{"namespace":"x"}]', "[0] must have required property 'name' (line 1, column 2)"],
    [
      '[{"name":"a","namespace":"a.b"}]',
      '[0].namespace must be a DNS-1123 label, is "a.b" (line 1, column 26)',
    ],
    [
      '[{"name":"a","interface":".."}]',
      '[0].interface must be an interface name: it is not allowed, is ".." (line 1, column 26)',
    ],
    [
      '[{"name":"a","default-route":["x"]}]',
      '[0].default-route[0] must be an IP address, is "x" (line 1, column 31)',
    ],
    ['[{"name":"a","ips":"10.1.2.3"}]', '[0].ips must be array or null, is "10.1.2.3" (line 1, column 20)'],
    ['[{"name":"a","cni-args":[]}]', "[0].cni-args must be object or null, is an array (line 1, column 25)"],
    [
      '[{"name":"a","portMappings":[{"hostPort":"80"}]}]',
      '[0].portMappings[0].hostPort must be integer, is "80" (line 1, column 42)',
    ],
    ['{"name":"a"}', "it must be array, is an object (line 1, column 1)"],
    ["[null]", "[0] must be object, is null (line 1, column 2)"],
    ['"a"', 'it must be array, is "a" (line 1, column 1)'],
  ])("refuses %s", (text, message) => {
    expect(cniRefusal(() => parseNetworkSelections(text, "pods"))).toMatchObject({
      code: CniErrorCode.invalidNetworkConfig,
      message: `annotation k8s.v1.cni.cncf.io/networks: ${message}`,
    });
  });

  it("takes names as long as Kubernetes allows, and no longer", () => {
    const longest = "a".repeat(253);
    for (const form of [(name: string) => name, (name: string) => JSON.stringify([{ name }])]) {
      expect(parseNetworkSelections(form(longest), "pods")[0]?.name).toBe(longest);
      expect(() => parseNetworkSelections(form(`${longest}a`), "pods")).toThrow("DNS-1123");
    }
  });

  it("says where broken JSON breaks", () => {
    expect(cniRefusal(() => parseNetworkSelections('[{"name":"a"},\n {"name":}]', "pods"))).toMatchObject({
      code: CniErrorCode.decodingFailure,
      message:
        "annotation k8s.v1.cni.cncf.io/networks: not valid JSON: a value is expected (line 2, column 10)",
    });
  });
});

describe("the default network", () => {
  it("is one, of Multus's namespace unless another is named", () => {
    expect(parseDefaultNetworkSelection("a", "kube-system")).toMatchObject({
      name: "a",
      namespace: "kube-system",
    });
    expect(parseDefaultNetworkSelection('[{"name":"a","namespace":"x"}]', "kube-system")).toMatchObject({
      name: "a",
      namespace: "x",
    });
  });

  it.each([
    ["a,b", "must name exactly one network, names 2"],
    ["[]", "must name exactly one network, names none"],
    ["", 'item 1, "": name "" is no DNS-1123 label'],
  ])("refuses %j", (text, message) => {
    expect(() => parseDefaultNetworkSelection(text, "kube-system")).toThrow(
      `annotation v1.multus-cni.io/default-network: ${message}`,
    );
  });
});
