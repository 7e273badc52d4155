/** Network configurations: what is taken from a single plugin and a list, and what is refused with which code. */

import { describe, expect, it } from "vitest";
import { parseNetworkConfig } from "../../../src/cni/config.ts";
import { CniErrorCode } from "../../../src/cni/errors.ts";
import { loadKernels } from "../../../src/kernels/load.ts";
import { cniRefusal } from "../../support/refusal.ts";

const kernels = loadKernels();
const bytesOf = (text: string): Uint8Array => Buffer.from(text);
const textOf = (bytes: Uint8Array | undefined) =>
  bytes === undefined ? undefined : Buffer.from(bytes).toString();

describe("a network configuration", () => {
  it("of one plugin is a list of one", () => {
    const text = '{"cniVersion":"1.0.0","name":"n","type":"bridge","capabilities":{"mac":true,"ips":false}}';
    const list = parseNetworkConfig(bytesOf(text), "x.conf", kernels);
    expect(list).toMatchObject({
      name: "n",
      cniVersion: "1.0.0",
      disableCheck: false,
      disableGC: false,
      isList: false,
    });
    expect(list.plugins).toMatchObject([{ type: "bridge", capabilities: ["mac"] }]);
    expect([textOf(list.bytes), textOf(list.plugins[0]?.bytes)]).toEqual([text, text]);
  });

  it("of a list has its plugins in order", () => {
    const list = parseNetworkConfig(
      bytesOf(
        '{"cniVersion":"0.4.0","name":"n","disableCheck":true,"disableGC":true,"plugins":[{"type":"a"},{"type":"b"}]}',
      ),
      "x.conflist",
      kernels,
    );
    expect(list).toMatchObject({ isList: true, disableCheck: true, disableGC: true });
    expect(list.plugins.map(({ type }) => type)).toEqual(["a", "b"]);
  });

  it("without a version is of 0.1.0", () => {
    expect(parseNetworkConfig(bytesOf('{"name":"n","type":"a"}'), "x", kernels).cniVersion).toBe("0.1.0");
    expect(
      parseNetworkConfig(bytesOf('{"name":"n","plugins":[{"type":"a"}]}'), "x", kernels).cniVersion,
    ).toBe("0.1.0");
  });

  it("takes name and version from where it is used, and then says them itself", () => {
    const list = parseNetworkConfig(
      bytesOf('{"name":"","plugins":[{"type":"a","big":18446744073709551615}]}'),
      "x",
      kernels,
      {
        name: "given",
        cniVersion: "0.4.0",
      },
    );
    expect(list).toMatchObject({ name: "given", cniVersion: "0.4.0" });
    expect(textOf(list.bytes)).toBe(
      '{"name":"given","plugins":[{"type":"a","big":18446744073709551615}],"cniVersion":"0.4.0"}',
    );
    const single = parseNetworkConfig(bytesOf('{"type":"a"}'), "x", kernels, {
      name: "given",
      cniVersion: "0.4.0",
    });
    expect([textOf(single.bytes), single.cniVersion]).toEqual(['{"type":"a","name":"given"}', "0.1.0"]);
    const own = parseNetworkConfig(
      bytesOf('{"name":"own","cniVersion":"1.0.0","plugins":[{"type":"a"}]}'),
      "x",
      kernels,
      {
        name: "given",
        cniVersion: "0.4.0",
      },
    );
    expect(own).toMatchObject({ name: "own", cniVersion: "1.0.0" });
  });

  it.each([
    [["0.3.1", "1.0.0", "2.0.0"], undefined, "1.0.0"],
    [["0.3.1"], "1.1.0", "1.1.0"],
    [["9.9.9"], "0.4.0", "0.4.0"],
    [[], "0.4.0", "0.4.0"],
  ])("takes the newest that it can of cniVersions %j and cniVersion %s", (cniVersions, cniVersion, taken) => {
    const text = JSON.stringify({ name: "n", cniVersion, cniVersions, plugins: [{ type: "a" }] });
    expect(parseNetworkConfig(bytesOf(text), "x", kernels).cniVersion).toBe(taken);
  });

  it.each([
    [
      "",
      CniErrorCode.decodingFailure,
      "x.conf: not valid JSON: it ends where a value is expected (line 1, column 1)",
    ],
    [
      '{"name":"n",\n"type"}',
      CniErrorCode.decodingFailure,
      'x.conf: not valid JSON: ":" is expected (line 2, column 7)',
    ],
    ["[]", CniErrorCode.invalidNetworkConfig, /^x\.conf: .+ \(line 1, column 1\)$/],
    ['{"name":5,"type":"a"}', CniErrorCode.invalidNetworkConfig, /^x\.conf: .+ \(line 1, column \d+\)$/],
    ['{"name":"n","plugins":7}', CniErrorCode.invalidNetworkConfig, /^x\.conf: .+ \(line 1, column \d+\)$/],
    ['{"type":"a"}', CniErrorCode.invalidNetworkConfig, "x.conf: the network has no name (line 1, column 1)"],
    [
      '{"name":"../n","type":"a"}',
      CniErrorCode.invalidNetworkConfig,
      /^x\.conf: network name "\.\.\/n" must be .+ \(line 1, column 9\)$/,
    ],
    [
      '\n {"name":"n"}',
      CniErrorCode.invalidNetworkConfig,
      "x.conf: must have a type (one plugin) or plugins (a list of them) (line 2, column 2)",
    ],
    [
      '{"name":"n","plugins":[]}',
      CniErrorCode.invalidNetworkConfig,
      /^x\.conf: must have a type .+ \(line 1, column 23\)$/,
    ],
    [
      '{"name":"n",\n"type":5}',
      CniErrorCode.invalidNetworkConfig,
      /^x\.conf: .*type must be a string.* \(line 2, column 8\)$/,
    ],
    [
      '{"name":"n","plugins":[\n{"type":"a"},\n {"type":{}}]}',
      CniErrorCode.invalidNetworkConfig,
      /^x\.conf: .*type must be a string.* \(line 3, column 10\)$/,
    ],
    [
      '{"name":"n","plugins":[\n"a"]}',
      CniErrorCode.invalidNetworkConfig,
      /^x\.conf: .*plugins\[0\].* must be an object.* \(line 2, column 1\)$/,
    ],
    [
      '{"name":"n","plugins":[{"type":"a"},\n {}]}',
      CniErrorCode.invalidNetworkConfig,
      "x.conf: plugins[1]: type is missing (line 2, column 2)",
    ],
    [
      '{"name":"n","type":"../sh"}',
      CniErrorCode.invalidNetworkConfig,
      'x.conf: type "../sh" must be the file name of a plugin, without a path (line 1, column 20)',
    ],
    [
      '{"name":"n","plugins":[{"type":"/bin/sh"}]}',
      CniErrorCode.invalidNetworkConfig,
      /^x\.conf: plugins\[0\]: type "\/bin\/sh" must be .+ \(line 1, column 32\)$/,
    ],
    [
      '{"name":"n","type":"a",\n"cniVersion":"1.2.0"}',
      CniErrorCode.incompatibleVersion,
      /^x\.conf: cniVersion "1\.2\.0" is not supported; these are: 0\.1\.0, .+, 1\.1\.0 \(line 2, column 14\)$/,
    ],
    [
      '{"name":"n","plugins":[{"type":"a"}],"cniVersions":[1]}',
      CniErrorCode.invalidNetworkConfig,
      /^x\.conf: .*cniVersions.* \(line 1, column 53\)$/,
    ],
  ])("refuses %s", (text, code, message) => {
    expect(cniRefusal(() => parseNetworkConfig(bytesOf(text), "x.conf", kernels))).toMatchObject({
      code,
      message: typeof message === "string" ? message : expect.stringMatching(message),
    });
  });
});
