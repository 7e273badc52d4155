/** Network configuration files: by name, by directory, with the subdirectories of lists, broken ones, and changes. */

import { mkdirSync, rmSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { CniErrorCode } from "../../../src/cni/errors.ts";
import { NetworkConfigFiles } from "../../../src/cni/files.ts";
import type { NetworkConfigList } from "../../../src/cni/types.ts";
import { loadKernels } from "../../../src/kernels/load.ts";
import { cniRefusal } from "../../support/refusal.ts";
import { ScratchDirectory } from "../../support/scratch-directory.ts";
import { untilSettled } from "../../support/settled-files.ts";

const kernels = loadKernels();

const single = (name: string, type = "bridge") => JSON.stringify({ cniVersion: "1.0.0", name, type });
const list = (name: string, ...types: string[]) =>
  JSON.stringify({ cniVersion: "1.0.0", name, plugins: types.map((type) => ({ type })) });
const types = (network: NetworkConfigList | undefined) => network?.plugins.map(({ type }) => type);

function configFiles(): { files: NetworkConfigFiles; problems: string[] } {
  const problems: string[] = [];
  return { files: new NetworkConfigFiles(kernels, ({ message }) => problems.push(message)), problems };
}

describe("network configuration files", () => {
  it("are found by the network's name, in the order of their file names", () => {
    using directory = new ScratchDirectory();
    directory.write("30.conflist", list("c", "x", "y"));
    directory.write("20.json", single("b"));
    directory.write("10.conf", single("a"));
    directory.write("05.yaml", single("a", "other"));
    directory.write("40.conf", single("c", "later"));
    const { files, problems } = configFiles();
    expect(types(files.findByName(directory.path, "a"))).toEqual(["bridge"]);
    expect(files.findByName(directory.path, "b")?.isList).toBe(false);
    expect(types(files.findByName(directory.path, "c"))).toEqual(["x", "y"]);
    expect(files.findByName(directory.path, "d")).toBeUndefined();
    expect(files.findByName(join(directory.path, "none"), "a")).toBeUndefined();
    expect(problems).toEqual([]);
  });

  it("are found although others are broken, which is reported once", async () => {
    using directory = new ScratchDirectory();
    directory.write("00.conf", '{"name":');
    directory.write("01.conf", list("a", "x"));
    directory.write("02.conflist", '{"name":"b"}');
    symlinkSync("03.conf", join(directory.path, "03.conf"));
    mkdirSync(join(directory.path, "04.conf"));
    await untilSettled(directory.write("10.conf", single("a")));
    const { files, problems } = configFiles();
    expect(types(files.findByName(directory.path, "a"))).toEqual(["bridge"]);
    expect(problems).toEqual([
      `${directory.path}/00.conf: not valid JSON: it ends where a value is expected (line 1, column 9)`,
      `${directory.path}/01.conf: has no type; a list of plugins belongs in a file that ends in .conflist`,
      expect.stringContaining(`${directory.path}/02.conflist: `),
      expect.stringContaining(`cannot read ${directory.path}/03.conf: `),
    ]);
    rmSync(join(directory.path, "03.conf"));
    problems.length = 0;
    expect(files.findByName(directory.path, "a")).toBeDefined();
    expect(problems).toEqual([]);
  });

  it("are a directory's network if first by name, and of the right kind", () => {
    using directory = new ScratchDirectory();
    const { files } = configFiles();
    expect(files.first(directory.path)).toBeUndefined();
    directory.write("00.json", single("json"));
    expect(files.first(directory.path)).toBeUndefined();
    directory.write("20.conf", single("b"));
    directory.write("10.conflist", list("a", "x"));
    expect(files.first(directory.path)?.name).toBe("a");
    expect(files.loadPath(directory.path)?.name).toBe("a");
    expect(files.loadPath(join(directory.path, "20.conf"))?.name).toBe("b");
    expect(files.loadPath(join(directory.path, "none"))).toBeUndefined();
    directory.write("05.conf", "{");
    expect(() => files.first(directory.path)).toThrow(
      expect.objectContaining({
        kind: "syntax",
        message: expect.stringContaining("/05.conf: "),
      }),
    );
  });

  it("of a list take the plugins of the subdirectory that has its name, in file order", () => {
    using directory = new ScratchDirectory();
    const path = directory.write("10.conflist", list("cbr0", "bridge"));
    directory.write("cbr0/20.conf", '{"type":"tuning","big":18446744073709551615}');
    directory.write("cbr0/10.conf", '{"type":"portmap"}');
    directory.write("cbr0/30.json", '{"type":"no"}');
    directory.write("cbr0/40.conflist", list("no", "no"));
    const { files } = configFiles();
    const network = files.load(path);
    expect(types(network)).toEqual(["bridge", "portmap", "tuning"]);
    // The whole text has them too: it is what the plan and the result cache keep.
    const kept = kernels.splitConfig(network.bytes).plugins;
    expect(kept.map(({ type }) => type)).toEqual(["bridge", "portmap", "tuning"]);
    expect(Buffer.from(network.bytes).toString()).toContain('{"type":"tuning","big":18446744073709551615}');
    expect(types(files.findByName(directory.path, "cbr0"))).toEqual(["bridge", "portmap", "tuning"]);
    expect(files.pluginsOf(directory.path, "cbr0").map((plugin) => Buffer.from(plugin).toString())).toEqual([
      '{"type":"portmap"}',
      '{"type":"tuning","big":18446744073709551615}',
    ]);
    expect(files.pluginsOf(directory.path, "none")).toEqual([]);
    expect(() => files.pluginsOf(directory.path, "../cbr0")).toThrow(
      expect.objectContaining({ kind: "content" }),
    );
  });

  it.each(["true", '"true"', '"True"'])("of a list with loadOnlyInlinedPlugins %s do not", (value) => {
    using directory = new ScratchDirectory();
    const path = directory.write(
      "10.conflist",
      `{"cniVersion":"1.0.0","name":"cbr0","loadOnlyInlinedPlugins":${value},"plugins":[{"type":"bridge"}]}`,
    );
    directory.write("cbr0/10.conf", '{"type":"portmap"}');
    expect(types(configFiles().files.load(path))).toEqual(["bridge"]);
  });

  it.each(['{"toString":null}', "[]"])(
    "of a list with loadOnlyInlinedPlugins %s are an error with its place",
    (value) => {
      using directory = new ScratchDirectory();
      const path = directory.write(
        "10.conflist",
        `{"cniVersion":"1.0.0","name":"cbr0","loadOnlyInlinedPlugins":${value},"plugins":[{"type":"bridge"}]}`,
      );
      directory.write("cbr0/10.conf", '{"type":"portmap"}');
      expect(() => configFiles().files.load(path)).toThrow(
        "loadOnlyInlinedPlugins must be true or false (line 1, column 62)",
      );
    },
  );

  it("of a list may have all plugins in the subdirectory", () => {
    using directory = new ScratchDirectory();
    const path = directory.write("10.conflist", '{"cniVersion":"1.0.0","name":"cbr0"}');
    const { files } = configFiles();
    expect(() => files.load(path)).toThrow(expect.objectContaining({ kind: "content" }));
    directory.write("cbr0/10.conf", '{"type":"portmap"}');
    expect(types(files.load(path))).toEqual(["portmap"]);
  });

  it("name the broken file of a subdirectory", () => {
    using directory = new ScratchDirectory();
    const path = directory.write("10.conflist", list("cbr0", "bridge"));
    const { files } = configFiles();
    for (const [text, code] of [
      ['{"type":}', CniErrorCode.decodingFailure],
      ["{}", CniErrorCode.invalidNetworkConfig],
      [list("x", "y"), CniErrorCode.invalidNetworkConfig],
      ['{"type":"a/b"}', CniErrorCode.invalidNetworkConfig],
    ] as const) {
      directory.write("cbr0/10.conf", text);
      expect(cniRefusal(() => files.load(path))).toMatchObject({
        code,
        message: expect.stringContaining(`${directory.path}/cbr0/10.conf: `),
      });
    }
  });

  it("with a name that is no name never lead out of the directory", () => {
    using directory = new ScratchDirectory();
    const path = directory.write("nets/10.conflist", list("../cbr0", "bridge"));
    directory.write("cbr0/10.conf", '{"type":"portmap"}');
    expect(() => configFiles().files.load(path)).toThrow(
      expect.objectContaining({
        kind: "content",
        message: expect.stringContaining(`${path}: network name "../cbr0"`),
      }),
    );
  });

  it("are read again when they change, in whatever way", async () => {
    using directory = new ScratchDirectory();
    const path = directory.write("10.conflist", list("cbr0", "a"));
    const { files } = configFiles();
    expect(types(files.load(path))).toEqual(["a"]);
    directory.write("10.conflist", list("cbr0", "b"));
    expect(types(files.load(path))).toEqual(["b"]);
    await untilSettled(path);
    const settled = files.load(path);
    expect(files.load(path)).toBe(settled);
    const plugin = directory.write("cbr0/10.conf", '{"type":"c"}');
    expect(types(files.load(path))).toEqual(["b", "c"]);
    directory.write("cbr0/10.conf", '{"type":"d"}');
    expect(types(files.load(path))).toEqual(["b", "d"]);
    rmSync(plugin);
    expect(types(files.load(path))).toEqual(["b"]);
    rmSync(path);
    expect(() => files.load(path)).toThrow(expect.objectContaining({ kind: "file" }));
    expect(files.findByName(directory.path, "cbr0")).toBeUndefined();
  });

  it("that are broken are named where a name is not found", () => {
    using directory = new ScratchDirectory();
    directory.write("00.conf", '{"name": oops}');
    directory.write("10.conflist", list("cbr0", "a"));
    const { files } = configFiles();
    const find = () => files.findByName(directory.path, "lost");
    expect(find).toThrow(expect.objectContaining({ kind: "content" }));
    expect(find).toThrow(/lost.*00\.conf.*line 1, column 10/);
  });

  it("are not parsed again while they stay the same", async () => {
    using directory = new ScratchDirectory();
    let parsed = 0;
    const counting = {
      ...kernels,
      splitConfig: (config: Uint8Array) => {
        parsed += 1;
        return kernels.splitConfig(config);
      },
    };
    const files = new NetworkConfigFiles(counting, () => {});
    directory.write("00.conf", "{");
    directory.write("10.conflist", list("cbr0", "a"));
    await untilSettled(directory.write("cbr0/10.conf", '{"type":"c"}'));
    files.findByName(directory.path, "cbr0");
    const first = parsed;
    for (let times = 0; times < 10; times++) files.findByName(directory.path, "cbr0");
    expect(first).toBeGreaterThan(0);
    expect(parsed).toBe(first);
  });
});
