/** Any attachment comes back from the result cache as it went in, also as Go writes it, and any file is read without an exception. */

import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type CachedAttachment, ResultCache } from "../../../src/cni/cache.ts";
import { silentLogger } from "../../../src/log/logger.ts";
import { collected } from "../../support/collected.ts";
import { ScratchDirectory } from "../../support/scratch-directory.ts";

const identifier = fc.stringMatching(/^[a-zA-Z0-9][a-zA-Z0-9_.-]{0,30}$/);
const ifName = fc.stringMatching(/^[a-zA-Z0-9._-]{1,15}$/).filter((name) => name !== "." && name !== "..");
const jsonObject = fc
  .dictionary(fc.string(), fc.jsonValue(), { minKeys: 1 })
  .map((value) => Buffer.from(JSON.stringify(value)));

const attachments: fc.Arbitrary<CachedAttachment> = fc.record({
  networkName: identifier,
  containerId: identifier,
  ifName,
  config: fc.oneof(jsonObject, fc.uint8Array()).map((bytes) => Buffer.from(bytes)),
  netns: fc.string(),
  args: fc.array(fc.tuple(fc.string(), fc.string())),
  capabilityArgs: fc.option(jsonObject, { nil: undefined }),
  result: fc.option(jsonObject, { nil: undefined }),
});

/** The file as Go's encoder writes it: the twin of the cache's own writer. */
function goText(attachment: CachedAttachment): string {
  const parsed = (bytes: Uint8Array | undefined) =>
    bytes === undefined ? undefined : JSON.parse(Buffer.from(bytes).toString());
  const text = JSON.stringify({
    kind: "cniCacheV1",
    containerId: attachment.containerId,
    config: Buffer.from(attachment.config).toString("base64"),
    ifName: attachment.ifName,
    networkName: attachment.networkName,
    netns: attachment.netns || undefined,
    cniArgs: attachment.args.length === 0 ? undefined : attachment.args,
    capabilityArgs: parsed(attachment.capabilityArgs),
    result: parsed(attachment.result),
  });
  return text.replaceAll("<", "\\u003c").replaceAll(">", "\\u003e").replaceAll("&", "\\u0026");
}

/** Values in place of bytes, so that only what they mean is compared. */
function meaning(attachment: CachedAttachment | undefined): unknown {
  if (attachment === undefined) return undefined;
  const parsed = (bytes: Uint8Array | undefined) =>
    bytes === undefined ? undefined : JSON.parse(Buffer.from(bytes).toString());
  return {
    ...attachment,
    config: Buffer.from(attachment.config).toString("hex"),
    capabilityArgs: parsed(attachment.capabilityArgs),
    result: parsed(attachment.result),
  };
}

describe("the result cache", () => {
  it("gives back what it was given, and reads what Go writes", async () => {
    using directory = new ScratchDirectory();
    const cache = new ResultCache(directory.path, silentLogger);
    await fc.assert(
      fc.asyncProperty(attachments, async (attachment) => {
        cache.write(attachment);
        expect(meaning(cache.read(attachment))).toEqual(meaning(attachment));
        expect((await cache.list(attachment.containerId)).map(meaning)).toEqual([meaning(attachment)]);
        const file = `results/${attachment.networkName}-${attachment.containerId}-${attachment.ifName}`;
        directory.write(file, goText(attachment));
        expect(meaning(cache.read(attachment))).toEqual(meaning(attachment));
        cache.remove(attachment);
        expect(await collected(cache.entries())).toEqual([]);
      }),
    );
  });

  it("takes from a torn file only what was in the whole one", () => {
    using directory = new ScratchDirectory();
    const cache = new ResultCache(directory.path, silentLogger);
    fc.assert(
      fc.property(attachments, fc.nat(), (attachment, cut) => {
        const whole = Buffer.from(goText(attachment));
        const file = `results/${attachment.networkName}-${attachment.containerId}-${attachment.ifName}`;
        directory.write(file, whole.subarray(0, cut % whole.length));
        const left = meaning(cache.read(attachment)) as Record<string, unknown>;
        const expected = meaning(attachment) as Record<string, unknown>;
        for (const field of ["config", "netns", "args", "capabilityArgs", "result"]) {
          const isLost = left[field] === undefined || left[field] === "" || field === "args";
          if (!isLost) expect(left[field]).toEqual(expected[field]);
        }
        expect(left.args).toSatisfy(
          (args: unknown[]) => args.length === 0 || args.length === attachment.args.length,
        );
        cache.remove(attachment);
      }),
    );
  });

  it("reads any bytes without an exception", async () => {
    using directory = new ScratchDirectory();
    const cache = new ResultCache(directory.path, silentLogger);
    const key = { networkName: "n", containerId: "c", ifName: "eth0" };
    const nearly = fc
      .dictionary(
        fc.constantFrom("kind", "config", "cniArgs", "netns", "result", "ifName", "containerId"),
        fc.jsonValue(),
      )
      .map((members) => Buffer.from(JSON.stringify({ kind: "cniCacheV1", ...members })));
    await fc.assert(
      fc.asyncProperty(fc.oneof(fc.uint8Array(), nearly), async (bytes) => {
        directory.write("results/n-c-eth0", bytes);
        expect(cache.read(key)).toMatchObject(key);
        await collected(cache.entries());
        await cache.list("c");
      }),
    );
  });
});
