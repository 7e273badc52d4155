/** How much a kernel takes: 4 MiB, 10,000 levels, no time that grows faster than the input, no memory kept. */

import { describe, expect, it } from "vitest";
import { mergeConfig } from "../../../src/kernels/config.ts";
import { WasmContext } from "../../../src/kernels/context.ts";
import { maximumInputLength } from "../../../src/kernels/error.ts";
import { loadKernels } from "../../../src/kernels/load.ts";

const kernels = loadKernels();
const encode = (text: string): Uint8Array => new TextEncoder().encode(text);
const decode = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);

/** Text of `length` bytes: as many pieces as fit, and blanks. */
function fill(open: string, piece: (index: number) => string, close: string, length: number): Uint8Array {
  const pieces: string[] = [];
  let size = open.length + close.length;
  for (let index = 0; ; index++) {
    const text = `${index === 0 ? "" : ","}${piece(index)}`;
    size += text.length;
    if (size > length) break;
    pieces.push(text);
  }
  return encode(`${open}${pieces.join("")}${close}`.padEnd(length));
}

describe("4 MiB", () => {
  const full = fill('{"type":"a","x":"', () => "yyyyyyyy", '"}', maximumInputLength);

  it("are taken", () => {
    expect(full).toHaveLength(4 * 1024 * 1024);
    expect(kernels.splitConfig(full).plugins[0]?.type).toBe("a");
    const merged = decode(
      kernels.mergeConfig({ plugin: full, name: "n", cniVersion: "1.1.0", prevResult: full }),
    );
    expect(JSON.parse(merged)).toMatchObject({ name: "n", type: "a", prevResult: { type: "a" } });
    expect(JSON.parse(decode(kernels.adjustConfig({ config: full, cniArgs: full })))).toMatchObject({
      type: "a",
    });
  });

  it("are the most", () => {
    const larger = new Uint8Array(maximumInputLength + 1);
    const refusal = (input: string) => expect.objectContaining({ code: "too-large", input });
    expect(() => kernels.splitConfig(larger)).toThrow(refusal("config"));
    expect(() => kernels.adjustConfig({ config: encode("{}"), cniArgs: larger })).toThrow(refusal("cniArgs"));
    expect(() =>
      kernels.mergeConfig({ plugin: encode("{}"), name: "n", cniVersion: "1.1.0", prevResult: larger }),
    ).toThrow(refusal("prevResult"));
  });
});

describe("10,000 levels", () => {
  it.each([
    ["arrays", "[", "]"],
    ["objects", '{"a":', "}"],
  ])("of %s are taken, one more is not", (_, open, close) => {
    // The outermost object is the first level.
    const inside = (levels: number) =>
      encode(`{"type":"a","x":${open.repeat(levels - 1)}0${close.repeat(levels - 1)}}`);
    for (const use of [
      (config: Uint8Array) => kernels.splitConfig(config),
      (config: Uint8Array) => kernels.adjustConfig({ config, deviceId: "x", cniArgs: encode("{}") }),
      (plugin: Uint8Array) =>
        kernels.mergeConfig({ plugin, name: "n", cniVersion: "1.1.0", prevResult: plugin }),
    ]) {
      use(inside(10_000));
      expect(() => use(inside(10_001))).toThrow(expect.objectContaining({ code: "too-deep" }));
    }
  });

  it("count from the outside, wherever a kernel looks closer", () => {
    const list = (levels: number) =>
      encode(`{"plugins":[{"x":${"[".repeat(levels - 3)}${"]".repeat(levels - 3)}}]}`);
    kernels.splitConfig(list(10_000));
    expect(() => kernels.splitConfig(list(10_001))).toThrow(expect.objectContaining({ code: "too-deep" }));
  });
});

describe("inputs made to be slow", () => {
  // Quadratic work on any of these takes minutes.
  const length = maximumInputLength;
  const manyKeys = fill("{", (index) => `"k${index}":1`, "}", length);

  it("take time in proportion: many keys on both sides", () => {
    const half = length / 2;
    const capabilities = fill('{"capabilities":{', (index) => `"k${index}":true`, "}}", half);
    const merged = kernels.mergeConfig({
      plugin: capabilities,
      name: "n",
      cniVersion: "1.1.0",
      runtimeConfig: fill("{", (index) => `"\\u006b${index}":1`, "}", half),
    });
    expect(decode(merged)).toContain('"\\u006b70000":1');
    const args = fill('{"type":"a","args":{"cni":{', (index) => `"k${index}":2`, "}}}", length);
    expect(decode(kernels.adjustConfig({ config: args, cniArgs: manyKeys }))).toContain('"k200000":1');
  });

  it("take time in proportion: one key again and again", () => {
    for (const key of ["args", "capabilities", "name", "plugins", "n\\u0061me"]) {
      const config = fill(
        '{"type":"a",',
        () => `"${key}":{}`,
        ',"args":null,"capabilities":{},"name":"n"}',
        length,
      );
      const adjusted = kernels.adjustConfig({
        config,
        deviceId: "x",
        cniArgs: encode("{}"),
        defaultName: "n",
      });
      expect(decode(adjusted.subarray(0, 40))).toContain('"deviceID":"x"');
      expect(kernels.splitConfig(config).name).toBe("n");
      kernels.mergeConfig({ plugin: config, name: "n", cniVersion: "1.1.0", runtimeConfig: encode("{}") });
    }
  });

  it("are refused: thousands of plugins, each to be made larger", () => {
    const list = (count: number) => encode(`{"plugins":[${Array(count).fill("{}").join()}]}`);
    expect(kernels.splitConfig(list(1024)).plugins).toHaveLength(1024);
    expect(() => kernels.splitConfig(list(1025))).toThrow(
      expect.objectContaining({ code: "too-many-plugins" }),
    );
    expect(() => kernels.adjustConfig({ config: list(1024), cniArgs: manyKeys })).toThrow(
      expect.objectContaining({ code: "output-too-large" }),
    );
  });
});

describe("memory", () => {
  it("is given back after a large call, whether it went well or not", () => {
    const context = new WasmContext();
    const small = context.memory.length;
    const plugin = fill("{", (index) => `"k${index}":1`, "}", maximumInputLength);
    mergeConfig(context, {
      plugin,
      name: "n",
      cniVersion: "1.1.0",
      prevResult: plugin,
      runtimeConfig: plugin,
    });
    expect(context.memory).toHaveLength(small);
    expect(() =>
      mergeConfig(context, { plugin, name: "n", cniVersion: "1.1.0", prevResult: plugin.subarray(1) }),
    ).toThrow("prevResult");
    expect(context.memory).toHaveLength(small);
  });

  it("is not shared between a result and the calls after it", () => {
    const first = kernels.mergeConfig({ plugin: encode("{}"), name: "first", cniVersion: "1.1.0" });
    kernels.mergeConfig({ plugin: encode("{}"), name: "other", cniVersion: "1.1.0" });
    expect(decode(first)).toContain("first");
  });
});
