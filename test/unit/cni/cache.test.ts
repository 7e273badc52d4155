/** The result cache: Go's form both ways, and what is left of files that Go, a crash or a power cut left. */

import { existsSync, readdirSync, readFileSync, statSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { type CachedAttachment, ResultCache } from "../../../src/cni/cache.ts";
import { cniErrorOf } from "../../../src/cni/errors.ts";
import { collected } from "../../support/collected.ts";
import { RecordingLogger } from "../../support/recording-logger.ts";
import { ScratchDirectory } from "../../support/scratch-directory.ts";

const bytesOf = (text: string): Uint8Array => Buffer.from(text);
const textOf = (bytes: Uint8Array | undefined) =>
  bytes === undefined ? undefined : Buffer.from(bytes).toString();

const attachment: CachedAttachment = {
  networkName: "cbr0",
  containerId: "c0ffee",
  ifName: "eth0",
  config: bytesOf('{"name":"cbr0","type":"bridge"}'),
  netns: "/run/netns/x",
  args: [
    ["IgnoreUnknown", "true"],
    ["A", "b=c"],
  ],
  capabilityArgs: bytesOf('{"mac":"02:11:22:33:44:55"}'),
  result: bytesOf('{"cniVersion":"1.0.0","big":18446744073709551615}'),
};
const key = { networkName: "cbr0", containerId: "c0ffee", ifName: "eth0" };
const fileName = "results/cbr0-c0ffee-eth0";

/** Sorted, as entries come in no order. */
async function allOf(cache: ResultCache): Promise<CachedAttachment[]> {
  const found = await collected(cache.entries());
  return found.sort((left, right) =>
    `${left.networkName} ${left.containerId}` < `${right.networkName} ${right.containerId}` ? -1 : 1,
  );
}

describe("the result cache", () => {
  it("writes Go's form, with the result's bytes as they are", () => {
    using directory = new ScratchDirectory();
    new ResultCache(directory.path, new RecordingLogger()).write(attachment);
    const path = join(directory.path, fileName);
    expect(readFileSync(path, "utf8")).toBe(
      '{"kind":"cniCacheV1","containerId":"c0ffee",' +
        '"config":"eyJuYW1lIjoiY2JyMCIsInR5cGUiOiJicmlkZ2UifQ==","ifName":"eth0","networkName":"cbr0",' +
        '"netns":"/run/netns/x","cniArgs":[["IgnoreUnknown","true"],["A","b=c"]],' +
        '"capabilityArgs":{"mac":"02:11:22:33:44:55"},"result":{"cniVersion":"1.0.0","big":18446744073709551615}}',
    );
    expect(statSync(path).mode & 0o777).toBe(0o600);
    expect(statSync(join(directory.path, "results")).mode & 0o777).toBe(0o700);
    expect(readdirSync(join(directory.path, "results"))).toEqual(["cbr0-c0ffee-eth0"]);
  });

  it("replaces an entry, and removes it twice without an error", () => {
    using directory = new ScratchDirectory();
    const log = new RecordingLogger();
    const cache = new ResultCache(directory.path, log);
    cache.write(attachment);
    cache.write({ ...attachment, result: bytesOf('{"cniVersion":"1.0.0"}') });
    expect(textOf(cache.read(key)?.result)).toBe('{"cniVersion":"1.0.0"}');
    cache.remove(key);
    cache.remove(key);
    expect(cache.read(key)).toBeUndefined();
    expect(readdirSync(join(directory.path, "results"))).toEqual([]);
    expect(log.errors).toEqual([]);
  });

  it("lists a container's entries only, in file name order", async () => {
    using directory = new ScratchDirectory();
    const cache = new ResultCache(directory.path, new RecordingLogger());
    for (const [networkName, containerId, ifName] of [
      ["b", "c1", "net1"],
      ["a", "c1", "eth0"],
      ["a", "c2", "eth0"],
      ["x-c1-y", "c3", "eth0"],
    ] as const) {
      cache.write({ ...attachment, networkName, containerId, ifName });
    }
    const names = (found: CachedAttachment[]) =>
      found.map((one) => `${one.networkName} ${one.containerId} ${one.ifName}`);
    expect(names(await cache.list("c1"))).toEqual(["a c1 eth0", "b c1 net1"]);
    expect(names(await allOf(cache))).toEqual(["a c1 eth0", "a c2 eth0", "b c1 net1", "x-c1-y c3 eth0"]);
    expect(await cache.list("nothing")).toEqual([]);
  });

  it("has nothing where there is no directory", async () => {
    using directory = new ScratchDirectory();
    const cache = new ResultCache(join(directory.path, "none"), new RecordingLogger());
    expect([await allOf(cache), cache.read(key)]).toEqual([[], undefined]);
    cache.remove(key);
    expect(existsSync(join(directory.path, "none"))).toBe(false);
  });

  it("reads the old form, a bare result", () => {
    using directory = new ScratchDirectory();
    const log = new RecordingLogger();
    directory.write(fileName, '{"cniVersion":"0.4.0","ips":[]}');
    const read = new ResultCache(directory.path, log).read(key);
    expect(read).toMatchObject({ ...key, netns: "", args: [], capabilityArgs: undefined });
    expect([textOf(read?.result), read?.config.length]).toEqual(['{"cniVersion":"0.4.0","ips":[]}', 0]);
    expect(log.errors).toEqual([]);
  });

  it.each([
    ["", undefined, ""],
    ['{"cniVersion":"1.0.0","ips":[', undefined, ""],
    ['{"kind":"cniCacheV1","containerId":"c0ffee","config":"eyJ', undefined, ""],
    ['{"kind":"cniCacheV1","containerId":"c0ffee","config":"e30=","ifN', undefined, "{}"],
    ['{"kind":"cniCacheV1","config":"e30=","result":{"cniVersion":"1.0.0"}', '{"cniVersion":"1.0.0"}', "{}"],
    ['{"kind":"other","config":"e30=","result":{}}', undefined, ""],
    ["\0\0\0\0", undefined, ""],
    ["[]", undefined, ""],
  ])("takes what is left of %j, and says so", async (text, result, config) => {
    using directory = new ScratchDirectory();
    const log = new RecordingLogger();
    directory.write(fileName, text);
    const cache = new ResultCache(directory.path, log);
    const read = cache.read(key);
    expect(read).toMatchObject(key);
    expect([textOf(read?.result), textOf(read?.config)]).toEqual([result, config]);
    expect(log.errors).toHaveLength(1);
    // The file's name says whose it is.
    expect(await cache.list("c0ffee")).toEqual([read]);
  });

  it("leaves out a torn file where nobody can tell whose it is", async () => {
    using directory = new ScratchDirectory();
    const log = new RecordingLogger();
    directory.write(fileName, '{"kind":"cniCacheV1","containerId":"c0ffee"');
    expect(await allOf(new ResultCache(directory.path, log))).toEqual([]);
    expect(log.errors).toContain("result cache: it cannot be told whose file this is; leaving it");
  });

  it("does not count what a crash left of a write, and removes it with the entry", async () => {
    using directory = new ScratchDirectory();
    const cache = new ResultCache(directory.path, new RecordingLogger());
    directory.write("results/.c0ffee-eth0", '{"kind":"cniCacheV1"');
    expect(await allOf(cache)).toEqual([]);
    cache.remove(key);
    expect(readdirSync(join(directory.path, "results"))).toEqual([]);
  });

  it.each([
    { networkName: "../../x" },
    { networkName: "a/b" },
    { networkName: ".." },
    { containerId: "../x" },
    { ifName: "../x" },
    { ifName: "" },
  ])("never leaves its directory: %j", (bad) => {
    using directory = new ScratchDirectory();
    const cache = new ResultCache(directory.path, new RecordingLogger());
    expect(() => cache.write({ ...attachment, ...bad })).toThrow(
      expect.toSatisfy((error) => [4, 7].includes(cniErrorOf(error)?.code ?? 0)),
    );
    expect(cache.read({ ...key, ...bad })).toBeUndefined();
    expect(() => cache.remove({ ...key, ...bad })).toThrow();
    expect(readdirSync(directory.path)).toEqual([]);
  });

  it("says which file could not be written, and leaves nothing of it", () => {
    using directory = new ScratchDirectory();
    const cache = new ResultCache(directory.path, new RecordingLogger());
    directory.write(`${fileName}/in the way`, "");
    expect(() => cache.write(attachment)).toThrow(
      expect.objectContaining({
        kind: "file",
        message: expect.stringContaining(`cannot write ${join(directory.path, fileName)}: `),
      }),
    );
    expect(readdirSync(join(directory.path, "results"))).toEqual(["cbr0-c0ffee-eth0"]);
  });

  it("does not stop at a file that cannot be read", async () => {
    using directory = new ScratchDirectory();
    const log = new RecordingLogger();
    const cache = new ResultCache(directory.path, log);
    cache.write(attachment);
    symlinkSync("cbr0-c0ffee-net1", join(directory.path, "results/cbr0-c0ffee-net1"));
    expect((await cache.list("c0ffee")).map(({ ifName }) => ifName)).toEqual(["eth0"]);
    expect(cache.read({ ...key, ifName: "net1" })).toBeUndefined();
    expect(log.errors).toEqual(["result cache: cannot read", "result cache: cannot read"]);
  });
});
