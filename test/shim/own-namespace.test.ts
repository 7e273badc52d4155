/** A call whose CNI_NETNS is the plugin's own network namespace: an ADD is refused before anything runs, a DEL leaves the namespace alone. */

import { symlinkSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { shims } from "./support/binaries.ts";
import { errorOf, ShimDaemon } from "./support/shim-daemon.ts";
import { Spool } from "./support/spool.ts";

/** Ways to name it. */
const own = ["/proc/self/ns/net", "another process's path", "a symbolic link"];

describe.concurrent.each(shims)("the $name shim in its own namespace", ({ binary }) => {
  test.each(own)(
    "refuses an ADD at %s with libcni's code and words, and waits for no daemon",
    async (name) => {
      await using daemon = await ShimDaemon.create(binary, { listening: false });
      const netns = placeOf(daemon, name);
      const { outcome } = daemon.run({ env: { CNI_COMMAND: "ADD", CNI_NETNS: netns } });
      expect(errorOf(await outcome)).toEqual({
        cniVersion: "1.0.0",
        code: 8,
        msg: "plugin's netns and netns from CNI_NETNS should not be the same",
        details: netns,
      });
    },
  );

  test.each(own)("does a DEL at %s as for a namespace that is gone", async (name) => {
    await using daemon = await ShimDaemon.create(binary);
    const netns = placeOf(daemon, name);
    const { outcome } = daemon.run({ env: { CNI_COMMAND: "DEL", CNI_NETNS: netns } });
    const stream = await daemon.accept();
    expect(await stream.greet()).toMatchObject({ command: "DEL", netns: "" });
    stream.reply(0, "");
    const { exitCode, stderr } = await outcome;
    expect(exitCode).toBe(0);
    expect(stderr).toContain("CNI_NETNS is the plugin's own network namespace");
  });

  test("records a DEL without it where no daemon is there", async () => {
    await using daemon = await ShimDaemon.create(binary, { listening: false });
    const env = { CNI_COMMAND: "DEL", CNI_NETNS: "/proc/self/ns/net" };
    expect((await daemon.run({ env }).outcome).exitCode).toBe(0);
    expect(new Spool(daemon.cniDir).records()).toMatchObject([{ command: "DEL", netns: "" }]);
  });

  test("hands a CHECK on: it changes nothing", async () => {
    await using daemon = await ShimDaemon.create(binary);
    const netns = "/proc/self/ns/net";
    const { outcome } = daemon.run({ env: { CNI_COMMAND: "CHECK", CNI_NETNS: netns } });
    const stream = await daemon.accept();
    expect(await stream.greet()).toMatchObject({ command: "CHECK", netns });
    stream.reply(0, "");
    expect((await outcome).exitCode).toBe(0);
  });
});

/** The path for one of these ways. */
function placeOf(daemon: ShimDaemon, name: string): string {
  if (name.startsWith("/")) return name;
  const path = `/proc/${process.pid}/ns/net`;
  if (!name.includes("link")) return path;
  const link = daemon.path("own-netns");
  symlinkSync(path, link);
  return link;
}
