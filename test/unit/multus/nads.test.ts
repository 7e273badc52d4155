/** NAD manifests of a directory: what is taken, what is an error and for whom, and how changes are seen. */

import { mkdirSync, renameSync, rmSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it, vi } from "vitest";
import { silentLogger } from "../../../src/log/logger.ts";
import { NadFiles } from "../../../src/multus/plan/nad-files.ts";
import { RecordingLogger } from "../../support/recording-logger.ts";
import { ScratchDirectory } from "../../support/scratch-directory.ts";
import { untilSettled } from "../../support/settled-files.ts";

const manifest = (name: string, config = "{}", namespace = "default") =>
  JSON.stringify({
    apiVersion: "k8s.cni.cncf.io/v1",
    kind: "NetworkAttachmentDefinition",
    metadata: { name, namespace },
    spec: { config },
  });

const configOf = async (source: NadFiles, name: string, namespace = "default") => {
  const nad = await source.get(namespace, name);
  return nad === undefined ? undefined : Buffer.from(nad.config).toString();
};

describe("NAD manifests", () => {
  it("say nothing past the log, whatever the parser has to warn of", async () => {
    using directory = new ScratchDirectory();
    directory.write("a.yaml", `? {c: d}\n: x\nkind: List\nitems: [${manifest("one")}]\n`);
    const warn = vi.spyOn(process, "emitWarning").mockImplementation(() => {});
    try {
      expect(await configOf(new NadFiles(directory.path, silentLogger), "one")).toBe("{}");
      expect(warn).not.toHaveBeenCalled();
    } finally {
      warn.mockRestore();
    }
  });

  it("are taken from YAML and JSON, several in a file, and from lists", async () => {
    using directory = new ScratchDirectory();
    directory.write(
      "a.yaml",
      `# two of them, and something else
apiVersion: k8s.cni.cncf.io/v1
kind: NetworkAttachmentDefinition
metadata:
  name: one
  annotations:
    k8s.v1.cni.cncf.io/resourceName: intel.com/sriov
spec:
  config: |
    {"type": "macvlan"}
---
apiVersion: v1
kind: Pod
metadata: {name: web}
---
apiVersion: k8s.cni.cncf.io/v1
kind: NetworkAttachmentDefinition
metadata: {name: two, namespace: other}
---
`,
    );
    directory.write(
      "b.json",
      `{"apiVersion":"v1","kind":"List","items":[${manifest("three")},${manifest("four")}]}`,
    );
    directory.write("c.yml", manifest("five"));
    directory.write("readme.txt", manifest("six"));
    const source = new NadFiles(directory.path, silentLogger);
    expect(await source.get("default", "one")).toEqual({
      namespace: "default",
      name: "one",
      config: Buffer.from('{"type": "macvlan"}\n'),
      annotations: { "k8s.v1.cni.cncf.io/resourceName": "intel.com/sriov" },
      where: `${directory.path}/a.yaml: NetworkAttachmentDefinition default/one`,
    });
    expect(await source.get("other", "two")).toMatchObject({ config: Buffer.alloc(0), annotations: {} });
    expect(await source.get("default", "two")).toBeUndefined();
    expect(await source.get("default", "six")).toBeUndefined();
    expect((await source.list()).map(({ name }) => name)).toEqual(["one", "two", "three", "four", "five"]);
  });

  it("may be in a directory that does not exist yet", async () => {
    using directory = new ScratchDirectory();
    const source = new NadFiles(join(directory.path, "nads"), silentLogger);
    expect([await source.get("default", "a"), await source.list()]).toEqual([undefined, []]);
    directory.write("nads/a.json", manifest("a"));
    expect(await configOf(source, "a")).toBe("{}");
  });

  it("are seen as they are at this moment, without a restart", async () => {
    using directory = new ScratchDirectory();
    const source = new NadFiles(directory.path, silentLogger);
    const path = directory.write("a.json", manifest("a", "1"));
    expect(await configOf(source, "a")).toBe("1");
    // Same size, same moment: a time stamp alone would not tell.
    for (const config of ["2", "3", "4"]) {
      directory.write("a.json", manifest("a", config));
      expect(await configOf(source, "a")).toBe(config);
    }
    await untilSettled(join(directory.path, "a.json"));
    expect(await configOf(source, "a")).toBe("4");
    directory.write("b.json", manifest("b", "5"));
    renameSync(path, join(directory.path, "z.json"));
    expect([await configOf(source, "a"), await configOf(source, "b")]).toEqual(["4", "5"]);
    rmSync(join(directory.path, "z.json"));
    expect(await configOf(source, "a")).toBeUndefined();
  });

  it("are seen through the links of a mounted ConfigMap", async () => {
    using directory = new ScratchDirectory();
    directory.write("..1/a.json", manifest("a", "1"));
    directory.write("..2/a.json", manifest("a", "2"));
    symlinkSync("..1", join(directory.path, "..data"));
    symlinkSync("..data/a.json", join(directory.path, "a.json"));
    await untilSettled(join(directory.path, "a.json"));
    const source = new NadFiles(directory.path, silentLogger);
    expect(await configOf(source, "a")).toBe("1");
    symlinkSync("..2", join(directory.path, "..new"));
    renameSync(join(directory.path, "..new"), join(directory.path, "..data"));
    expect(await configOf(source, "a")).toBe("2");
  });

  it("give the first file's where two have the same name", async () => {
    using directory = new ScratchDirectory();
    directory.write("b.json", manifest("a", "2"));
    directory.write("a.json", manifest("a", "1"));
    expect(await configOf(new NadFiles(directory.path, silentLogger), "a")).toBe("1");
  });

  it("give the first of two with the same name in one file", async () => {
    using directory = new ScratchDirectory();
    directory.write("both.yaml", [manifest("a", "1"), manifest("a", "2")].join("\n---\n"));
    expect(await configOf(new NadFiles(directory.path, silentLogger), "a")).toBe("1");
  });

  it("are an error with position for those who ask for one that a broken document mentions, for nobody else", async () => {
    using directory = new ScratchDirectory();
    directory.write("good.json", manifest("good"));
    directory.write(
      "broken.yaml",
      `${manifest("whole")}\n---\nkind: NetworkAttachmentDefinition\nmetadata:\n  name: bad\n spec: [\n`,
    );
    const log = new RecordingLogger();
    const source = new NadFiles(directory.path, log);
    expect(await configOf(source, "good")).toBe("{}");
    expect(await configOf(source, "whole")).toBe("{}");
    expect(await configOf(source, "ba")).toBeUndefined();
    await expect(source.get("default", "bad")).rejects.toMatchObject({
      kind: "content",
      message: expect.stringMatching(/\/broken\.yaml: not valid YAML: .+ \(line [56], column \d+\)$/),
    });
    expect(log.causes).not.toEqual([]);
    directory.write("broken.yaml", manifest("bad", "8"));
    expect(await configOf(source, "bad")).toBe("8");
  });

  it("of a file that is longer than any should be are not read, which is said once, and hold no others up", async () => {
    using directory = new ScratchDirectory();
    directory.write("a.json", manifest("large", " ".repeat(8 * 1024 * 1024)));
    await untilSettled(directory.write("b.json", manifest("good")));
    const log = new RecordingLogger();
    const source = new NadFiles(directory.path, log);
    for (let ask = 0; ask < 3; ask++) {
      expect(await configOf(source, "good")).toBe("{}");
      expect(await configOf(source, "large")).toBeUndefined();
    }
    expect(log.causes).toEqual([
      expect.stringMatching(/a\.json: has 8388\d\d\d bytes, and at most 8388608 are allowed$/),
    ]);
  });

  it("report a broken file once for each state of it", async () => {
    using directory = new ScratchDirectory();
    await untilSettled(directory.write("broken.json", '{"kind": }'));
    const log = new RecordingLogger();
    const source = new NadFiles(directory.path, log);
    for (let times = 0; times < 3; times++) await source.get("default", "x");
    expect(log.causes).toHaveLength(1);
  });

  it.each([
    [
      "apiVersion: v2\nmetadata: {name: x}",
      "NetworkAttachmentDefinition default/x: apiVersion must be k8s.cni.cncf.io/v1 (line 2, column 13)",
    ],
    [
      "apiVersion: k8s.cni.cncf.io/v1\nmetadata: {name: x}\nspec:\n  config: {a: 1}",
      "NetworkAttachmentDefinition default/x: spec.config must be a text with JSON in it (line 5, column 11)",
    ],
    [
      "apiVersion: k8s.cni.cncf.io/v1\nmetadata: {name: x}\nspec: 7",
      "NetworkAttachmentDefinition default/x: spec must be an object (line 4, column 7)",
    ],
    [
      "apiVersion: k8s.cni.cncf.io/v1\nmetadata: {name: x, annotations: {a: 1}}",
      "NetworkAttachmentDefinition default/x: metadata.annotations must be texts (line 3, column 34)",
    ],
    ["metadata: {namespace: 5, name: x}", "metadata.namespace must be text (line 2, column 23)"],
    ["metadata: {name: [x]}", "metadata.name must be a name (line 2, column 18)"],
  ])("refuse %j", async (text, message) => {
    using directory = new ScratchDirectory();
    const path = directory.write("a.yaml", `kind: NetworkAttachmentDefinition\n${text}\n`);
    await expect(new NadFiles(directory.path, silentLogger).get("default", "x")).rejects.toMatchObject({
      kind: "content",
      message: `${path}: ${message}`,
    });
  });

  it("do not expand aliases without end", async () => {
    using directory = new ScratchDirectory();
    const levels = [..."abcdefghi"].map((name, index, all) => {
      const before = all[index - 1];
      return `${name}: &${name} [${Array(9)
        .fill(before === undefined ? "x" : `*${before}`)
        .join(",")}]`;
    });
    directory.write("a.yaml", levels.join("\n"));
    const log = new RecordingLogger();
    expect(await new NadFiles(directory.path, log).list()).toEqual([]);
    expect(log.causes).toEqual([expect.stringContaining("a.yaml: not valid YAML: ")]);
  });

  it("are not looked for in what is no file", async () => {
    using directory = new ScratchDirectory();
    mkdirSync(join(directory.path, "a.yaml"));
    symlinkSync("b.yaml", join(directory.path, "b.yaml"));
    directory.write("c.yaml", manifest("c"));
    const log = new RecordingLogger();
    expect(await configOf(new NadFiles(directory.path, log), "c")).toBe("{}");
    expect(log.causes).toEqual([expect.stringContaining("cannot read")]);
  });
});
