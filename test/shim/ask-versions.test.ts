/** VERSION belongs to every call, and a plugin whose file the daemon knows in its state is not started for it. */

import { readFileSync, renameSync, utimesSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { untilSettled } from "../support/settled-files.ts";
import { shims } from "./support/binaries.ts";
import { exec, stdoutOf } from "./support/exec-order.ts";
import { ShimDaemon } from "./support/shim-daemon.ts";

const env = { CNI_COMMAND: "VERSION" };

describe.each(shims)("versions of plugins, $name shim", ({ binary }) => {
  test.each(["ADD", "CHECK", "DEL", "GC", "STATUS"])("may be asked in a call of %s", async (command) => {
    await using daemon = await ShimDaemon.create(binary);
    daemon.addPlugin("plugin", 'echo "$CNI_COMMAND"');
    const { stream } = await daemon.connected({ env: { CNI_COMMAND: command } });
    const done = await exec(daemon, stream, "plugin", { env });
    expect(stdoutOf(done)).toBe("VERSION\n");
    expect(done).not.toHaveProperty("fileState");
  });

  test("are asked once for each state of the file", async () => {
    await using daemon = await ShimDaemon.create(binary);
    const runs = daemon.path("runs");
    const script = `echo run >> ${runs}\necho "$CNI_COMMAND"`;
    daemon.addPlugin("plugin", script);
    const file = join(daemon.pluginDirectory, "plugin");
    await untilSettled(file);
    const { stream } = await daemon.connected();
    const ask = (fileState: unknown) => exec(daemon, stream, "plugin", { env, fileState });
    const first = await ask("");
    expect(stdoutOf(first)).toBe("VERSION\n");
    expect(first.fileState).toMatch(/^\d+( \d+){6}$/);
    const second = await ask(first.fileState);
    expect(second).toEqual({ exitCode: 0, micros: 0, fileState: first.fileState, stdout: Buffer.alloc(0) });
    expect(readFileSync(runs, "utf8")).toBe("run\n");
    expect(stdoutOf(await ask("1 2 3 4 5 6 7"))).toBe("VERSION\n");

    // Another file takes its place, with the same content.
    daemon.addPlugin("next", script);
    renameSync(join(daemon.pluginDirectory, "next"), file);
    await untilSettled(file);
    const third = await ask(first.fileState);
    expect(stdoutOf(third)).toBe("VERSION\n");
    expect(third.fileState).not.toBe(first.fileState);
  });

  test("of a file that may be changing are not to be kept", async () => {
    await using daemon = await ShimDaemon.create(binary);
    daemon.addPlugin("plugin", "exit 0");
    const tomorrow = Date.now() / 1000 + 86_400;
    utimesSync(join(daemon.pluginDirectory, "plugin"), tomorrow, tomorrow);
    const { stream } = await daemon.connected();
    expect(await exec(daemon, stream, "plugin", { env, fileState: "" })).not.toHaveProperty("fileState");
  });
});
