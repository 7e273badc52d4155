/** The plugin binary under the name `passthru`: it hands on results, and nothing makes it Multus. */

import { copyFileSync, linkSync, mkdirSync, readdirSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import project from "../../package.json" with { type: "json" };
import { runCommand } from "../support/command.ts";
import { ScratchDirectory } from "../support/scratch-directory.ts";
import { shims } from "./support/binaries.ts";
import { exec, stdoutOf } from "./support/exec-order.ts";
import { errorOf, ShimDaemon } from "./support/shim-daemon.ts";

const specVersions = ["0.1.0", "0.2.0", "0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0"];

/** A directory with the binary as passthru, as it is installed. */
class Installed implements Disposable {
  readonly directory = new ScratchDirectory("passthru");
  readonly plugins = join(this.directory.path, "plugins");
  readonly #binary: string;

  constructor(binary: string) {
    this.#binary = binary;
    mkdirSync(this.plugins);
    this.copyAs("passthru");
  }

  copyAs(name: string): void {
    copyFileSync(this.#binary, join(this.plugins, name));
  }

  /** Configuration that makes the plugin do as it is told, where it is Multus. */
  temptation(keys: Readonly<Record<string, unknown>> = {}): Readonly<Record<string, unknown>> {
    return {
      cniVersion: "1.0.0",
      name: "evil",
      type: "passthru",
      daemonCommand: ["/bin/sh", "-c", `touch ${this.directory.path}/executed`],
      daemonSocketDir: join(this.directory.path, "made", "run"),
      cniDir: join(this.directory.path, "made", "cni"),
      ...keys,
    };
  }

  call(command: string, stdin: string | Uint8Array, env: Readonly<Record<string, string | undefined>> = {}) {
    return runCommand([join(this.plugins, "passthru")], {
      stdin,
      env: {
        CNI_COMMAND: command,
        CNI_CONTAINERID: "container1",
        CNI_NETNS: "/run/netns/none",
        CNI_IFNAME: "net1",
        CNI_PATH: this.plugins,
        ...env,
      },
    });
  }

  expectUntouched(): void {
    expect(readdirSync(this.directory.path)).toEqual(["plugins"]);
  }

  [Symbol.dispose](): void {
    this.directory[Symbol.dispose]();
  }
}

describe.each(shims)("the $name shim as passthru", ({ binary }) => {
  test("gives the previous result byte for byte", async () => {
    using installed = new Installed(binary);
    const result =
      '{ "cniVersion":"1.0.0",\t"interfaces":[{"name":"eth0","mac":"0"}], "x": 12345678901234567890, "y":"\\u00e4}" }';
    for (const key of ["prevResult", "PrevResult"]) {
      const config = `{"cniVersion":"1.0.0","name":"n","type":"passthru","${key}":${result},"x":{"prevResult":1}}\n`;
      const outcome = await installed.call("ADD", config);
      expect(outcome).toMatchObject({ exitCode: 0, stderr: "" });
      expect(outcome.stdout.toString()).toBe(`${result}\n`);
    }
    installed.expectUntouched();
  });

  test.each([
    ['{"cniVersion":"0.3.1","name":"n","type":"passthru"}', { cniVersion: "0.3.1" }],
    ['{"cniVersion":"1.1.0","prevResult":null}', { cniVersion: "1.1.0" }],
    ['{"name":"n"}', {}],
    ['{"cniVersion":""}', {}],
  ])("gives an empty result where there was none: %s", async (config, result) => {
    using installed = new Installed(binary);
    const { exitCode, stdout } = await installed.call("ADD", config);
    expect([exitCode, JSON.parse(stdout.toString())]).toEqual([0, result]);
  });

  test.each([
    ["", 7, /on stdin is no JSON object/],
    ["null", 7, /on stdin is no JSON object/],
    ['{"cniVersion":"1.0.0"', 7, /on stdin is no JSON object/],
    ['{"cniVersion":"1.0.0"]', 7, /on stdin is no JSON object/],
    ['{"cniVersion":"1.0.0"}{}', 7, /on stdin is no JSON object/],
    [
      '{"cniVersion":"1.0.0","prevResult":[]}',
      7,
      /prevResult of the network configuration is no JSON object/,
    ],
    [
      '{"cniVersion":"1.0.0","prevResult":"x"}',
      7,
      /prevResult of the network configuration is no JSON object/,
    ],
    ['{"cniVersion":"9.0.0"}', 1, /cniVersion is not supported/],
    [`{"cniVersion":"1.0.0","x":"${"x".repeat(4 << 20)}"}`, 7, /larger than 4 MiB/],
  ])("refuses %.60s", async (config, code, msg) => {
    using installed = new Installed(binary);
    expect(errorOf(await installed.call("ADD", config))).toMatchObject({
      code,
      msg: expect.stringMatching(msg),
    });
  });

  test.each(["CHECK", "DEL", "GC", "STATUS"])(
    "%s succeeds without a look at its configuration",
    async (command) => {
      using installed = new Installed(binary);
      for (const stdin of [JSON.stringify(installed.temptation()), "no JSON", ""]) {
        const outcome = await installed.call(command, stdin);
        expect(outcome).toMatchObject({ exitCode: 0, stdout: Buffer.alloc(0), stderr: "" });
      }
      installed.expectUntouched();
    },
  );

  test("names the versions of the spec, what it is, and what is missing", async () => {
    using installed = new Installed(binary);
    const { stdout } = await installed.call("VERSION", "");
    expect(JSON.parse(stdout.toString())).toEqual({ cniVersion: "1.1.0", supportedVersions: specVersions });
    const program = join(installed.plugins, "passthru");
    const about = await runCommand([program, "--version"], { env: {} });
    expect(about.stdout.toString()).toContain(`passthru ${project.version} (multus-wasm): CNI plugin`);
    const bare = await runCommand([program], { env: {} });
    expect(bare).toMatchObject({ exitCode: 0, stderr: expect.stringContaining("passthru") });
    expect(errorOf(await installed.call("ADD", "{}", { CNI_NETNS: undefined }))).toMatchObject({
      code: 4,
      msg: expect.stringContaining("CNI_NETNS"),
    });
    expect(errorOf(await installed.call("EXEC", "{}"))).toMatchObject({ code: 4 });
  });

  test("is no agent, and no Multus: no daemon is asked or started, nothing is written", async () => {
    using installed = new Installed(binary);
    const program = join(installed.plugins, "passthru");
    const agent = await runCommand([program, "agent", "--path", installed.plugins], { env: {} });
    expect(agent).toMatchObject({ exitCode: 2, stderr: "passthru: unknown argument\n" });
    // Below Multus and beside it.
    for (const mark of ["1", undefined]) {
      const outcome = await installed.call("ADD", JSON.stringify(installed.temptation()), {
        MULTUS_DELEGATE: mark,
      });
      expect(outcome).toMatchObject({ exitCode: 0, stderr: "" });
      expect(JSON.parse(outcome.stdout.toString())).toEqual({ cniVersion: "1.0.0" });
    }
    installed.expectUntouched();
  });

  test("is run by the plugin beside it; a further name of the plugin's own file is refused, and a copy under a similar name is Multus, which refuses", async () => {
    using installed = new Installed(binary);
    const own = join(installed.directory.path, "multus");
    copyFileSync(binary, own);
    await using daemon = await ShimDaemon.create(own);
    const { stream } = await daemon.connected({ env: { CNI_PATH: installed.plugins } });
    const prevResult = { cniVersion: "1.0.0", ips: [{ address: "10.0.0.2/24" }] };
    const run = (plugin: string, path = installed.plugins) =>
      exec(daemon, stream, plugin, {
        plugin,
        path,
        env: {
          CNI_COMMAND: "ADD",
          CNI_CONTAINERID: "container1",
          CNI_NETNS: "/run/netns/none",
          CNI_IFNAME: "net1",
          CNI_PATH: path,
        },
        stdin: Buffer.from(JSON.stringify(installed.temptation({ prevResult }))),
      });
    const done = await run("passthru");
    expect(done).toMatchObject({ exitCode: 0 });
    expect(JSON.parse(stdoutOf(done))).toEqual(prevResult);

    const says = expect.stringContaining("Multus cannot be a delegate of Multus");
    for (const name of ["passthru2", "Passthru", "passthru.old"]) {
      installed.copyAs(name);
      const copy = await run(name);
      expect(copy).toMatchObject({ exitCode: 1 });
      expect(JSON.parse(stdoutOf(copy))).toMatchObject({ code: 7, msg: says });
    }
    for (const [link, name] of [
      [linkSync, "hard"],
      [symlinkSync, "soft"],
    ] as const) {
      const directory = join(installed.plugins, name);
      mkdirSync(directory);
      link(own, join(directory, "passthru"));
      const { stream: another } = await daemon.connected({ env: { CNI_PATH: directory } });
      const refused = await exec(daemon, another, "passthru", {
        plugin: "passthru",
        path: directory,
        env: { CNI_COMMAND: "ADD" },
        stdin: Buffer.from("{}"),
      });
      expect(refused).toEqual({ error: "refused", message: says });
    }
    expect(readdirSync(installed.directory.path).sort()).toEqual(["multus", "plugins"]);
  });
});
