/** The disk with Multus's files is full: an ADD fails with an error that names file and reason, leaves nothing, and works again once there is space. */

import { rmSync, statfsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { runOrThrow } from "../support/command.ts";
import { traces } from "../support/leaks.ts";
import { TestNode } from "../support/test-node.ts";

describe("a full disk under cniDir", () => {
  let node: TestNode;
  let netconf: Readonly<Record<string, unknown>>;

  beforeAll(async () => {
    node = await TestNode.start();
    netconf = await node.bridgeNetconf("10.20.0.0/24");
    node.writeMacvlan("storage", "10.21.0.0/24");
    await runOrThrow(["mount", "-t", "tmpfs", "-o", "size=256k,mode=700", "tmpfs", node.cniDir]);
  });

  afterAll(async () => {
    if (node === undefined) return;
    await runOrThrow(["umount", "--lazy", node.cniDir]);
    await node[Symbol.asyncDispose]();
  });

  /** Takes all room but so many bytes (whole pages). */
  function leave(bytes: number): string {
    const ballast = join(node.cniDir, ".ballast");
    rmSync(ballast, { force: true });
    const { bavail, bsize } = statfsSync(node.cniDir);
    writeFileSync(ballast, Buffer.alloc(Math.max(0, bavail * bsize - bytes)));
    return ballast;
  }

  test("with room again, an ADD works", async () => {
    await using pod = await node.pod("roomy", "storage");
    (await node.call("ADD", pod, netconf)).expectSuccess();
    (await node.call("DEL", pod, netconf)).expectSuccess();
  });

  test.each([0, 4096, 8192, 12_288, 16_384])("%d bytes left", async (bytes) => {
    await using pod = await node.pod("cramped", "storage");
    const before = await traces(node);
    const ballast = leave(bytes);
    const answer = await node.call("ADD", pod, netconf);
    if (bytes === 0) expect(answer.exitCode).not.toBe(0);
    if (answer.exitCode !== 0) {
      expect(answer.error.code).toBe(5);
      expect(`${answer.error.msg} ${answer.error.details}`).toMatch(/ENOSPC|no space/i);
      expect(answer.error.msg).toContain(node.cniDir);
      expect(await pod.network.links()).toEqual([]);
      expect((await traces(node)).reservations).toEqual(before.reservations);
    }
    (await node.call("DEL", pod, netconf)).expectSuccess();
    rmSync(ballast);
    expect(await pod.network.links()).toEqual([]);
    expect(await traces(node)).toEqual(before);
  });
});
