/** The single-file executable: it needs nothing beside itself, and it is daemon and multusctl. */

import { createHash } from "node:crypto";
import { copyFileSync, mkdirSync, readFileSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import project from "../../package.json" with { type: "json" };
import { buildExecutable } from "../../tools/build/executable.mjs";
import { plainKubeconfig } from "../support/cluster/kubeconfig.ts";
import { type CommandOutcome, runCommand } from "../support/command.ts";
import { OnDemandHost, resultOfDelegate } from "../support/on-demand-host.ts";
import { nadsPath, PretendedApiServer } from "../support/pretended-api-server.ts";
import { ScratchDirectory } from "../support/scratch-directory.ts";
import { shim } from "../support/test-node.ts";

describe("the single-file executable", () => {
  const directory = new ScratchDirectory("executable");
  /** Alone in its directory. */
  const multusd = join(directory.path, "multusd");
  const multusctl = join(directory.path, "multusctl");

  beforeAll(async () => {
    await buildExecutable({ out: multusd });
    symlinkSync("multusd", multusctl);
  });

  afterAll(() => directory[Symbol.dispose]());

  /** Where no Node could be found. */
  const run = (...argv: string[]): Promise<CommandOutcome> =>
    runCommand(argv, { env: { PATH: "/nowhere", NODE_OPTIONS: "--no-such-option" } });

  test("is the same each time that it is built", async () => {
    const again = join(directory.path, "again");
    await buildExecutable({ out: again });
    const [first, second] = [multusd, again].map((file) =>
      createHash("sha256").update(readFileSync(file)).digest("hex"),
    );
    expect(second).toBe(first);
  });

  test("is multusd or multusctl, by its name or its first word, and heeds no NODE_OPTIONS", async () => {
    expect(await run(multusd, "--version")).toMatchObject({
      exitCode: 0,
      stdout: Buffer.from(`multusd ${project.version}\n`),
      stderr: "",
    });
    for (const argv of [[multusctl], [multusd, "ctl"]]) {
      expect(await run(...argv, "--version")).toMatchObject({
        exitCode: 0,
        stdout: Buffer.from(`${project.version}\n`),
        stderr: "",
      });
    }
    const plugin = join(directory.path, "kubectl-multus");
    symlinkSync("multusd", plugin);
    expect((await run(plugin, "preflight", "--help")).stdout.toString()).toContain(
      "Usage: kubectl multus preflight",
    );
    const renamed = join(directory.path, "anything");
    copyFileSync(multusd, renamed);
    expect((await run(renamed, "--help")).stdout.toString()).toContain("multusd [--config FILE]");
    expect((await run(multusctl, "daemon", "--help")).stdout.toString()).toContain("multusd [--config FILE]");
    expect((await run(multusd, "ctl", "validate", "/nowhere/x")).stderr).toContain("/nowhere/x");
    expect(await run(multusd, "--confg")).toMatchObject({
      exitCode: 2,
      stderr: expect.stringContaining("--confg"),
    });
  });

  test("serves as a daemon on demand, with kernels, and with a cluster's part that is loaded when it is needed", async () => {
    await using api = new PretendedApiServer();
    const kubeconfig = directory.write("kubeconfig", plainKubeconfig((await api.start()).url));
    using host = new OnDemandHost({
      plugin: shim,
      daemon: [multusd],
      config: { kubeconfig },
      idleExitSeconds: 1,
    });
    const annotations = { runtimeConfig: { "io.kubernetes.cri.pod-annotations": {} } };
    const netconf = host.netconf({
      ...annotations,
      capabilities: { "io.kubernetes.cri.pod-annotations": true },
    });
    expect((await host.call("ADD", "c1", netconf)).result.ips).toEqual(resultOfDelegate.ips);
    await vi.waitFor(() => expect(api.asked.some((line) => line.includes(nadsPath))).toBe(true), 30_000);
    (await host.call("DEL", "c1", netconf)).expectSuccess();
    expect(host.starts).toHaveLength(1);
    const [pid] = host.starts;
    expect(readFileSync(`/proc/${pid}/cmdline`, "latin1")).toContain(multusd);
    await host.untilNothingIsLeft();
  });

  test("installs itself and the plugin that is inside, whatever lies beside it", async () => {
    for (const name of ["multus", "multus-amd64", "multus-arm64"]) directory.write(name, "#!/bin/sh\n");
    const plugins = join(directory.path, "plugins");
    const daemons = join(directory.path, "daemons");
    for (const path of [plugins, daemons]) mkdirSync(path);
    const outcome = await run(
      multusd,
      "ctl",
      "install",
      "--cni-bin-dir",
      plugins,
      "--daemon-bin-dir",
      daemons,
    );
    expect(outcome).toMatchObject({ exitCode: 0, stderr: "" });
    const plugin = await run(join(plugins, "multus"), "--version");
    expect(plugin.stdout.toString()).toContain(`multus ${project.version}`);
    expect((await run(join(daemons, "multusd"), "--version")).stdout.toString()).toContain(project.version);

    const nowhere = { PATH: "/nowhere", TMPDIR: "/nowhere" };
    const refused = await runCommand([multusctl, "install", "--cni-bin-dir", plugins], { env: nowhere });
    expect(refused).toMatchObject({ exitCode: 1, stderr: expect.stringContaining("set TMPDIR") });
  });

  test("tries networks with the plugin that is inside", async () => {
    const outcome = await runCommand([multusctl, "try"], { timeoutMs: 120_000 });
    expect(outcome).toMatchObject({ exitCode: 0 });
    expect(outcome.stdout.toString()).toContain("Nothing is left");
  });
});
