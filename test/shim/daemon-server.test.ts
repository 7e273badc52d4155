/** The shim and the daemon's own server and executor, without Multus between them: what one sends is what the other understands. */

import { chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test, vi } from "vitest";
import { AgentProcess } from "../../src/agent/agent-process.ts";
import { type Executor, ExecutorError, type PluginRun } from "../../src/agent/executor.ts";
import type { CniRequest } from "../../src/cni/request.ts";
import { Admission } from "../../src/daemon/admission.ts";
import { RequestLine } from "../../src/daemon/request-line.ts";
import { RequestLoggers } from "../../src/daemon/request-loggers.ts";
import { DaemonServer } from "../../src/daemon/server.ts";
import { Loggers } from "../../src/log/loggers.ts";
import { newReport } from "../../src/multus/request/report.ts";
import { httpServices } from "../support/http-services.ts";
import { EmptyNamespace } from "../support/namespace.ts";
import { type CniCommand, callPlugin, type PluginAnswer } from "../support/plugin.ts";
import { ScratchDirectory } from "../support/scratch-directory.ts";
import { shims } from "./support/binaries.ts";

/** Milliseconds for what has to happen: a machine can be slow. */
const patience = 30_000;

/** A server with directories of its own. */
class TestServer implements AsyncDisposable {
  readonly #directory = new ScratchDirectory("daemon-server");
  /** CNI_PATH of every call. */
  readonly #namespace = new EmptyNamespace();
  readonly netns = this.#namespace.path;
  readonly plugins = this.path("plugins");
  #server: DaemonServer | undefined;

  constructor() {
    mkdirSync(this.plugins);
  }

  path(name: string): string {
    return join(this.#directory.path, name);
  }

  addPlugin(name: string, script: string): void {
    writeFileSync(join(this.plugins, name), `#!/bin/sh\n${script}\n`);
    chmodSync(join(this.plugins, name), 0o755);
  }

  /** Serves requests with what `work` prints. */
  async serve(work: (request: CniRequest, executor: Executor) => Promise<string>): Promise<void> {
    this.#server = new DaemonServer(
      new RequestLine({
        admission: new Admission(16),
        loggers: new RequestLoggers(new Loggers(() => {}), {}),
      }),
      httpServices({
        handle: async (request, executor) => ({
          exitCode: 0,
          stdout: Buffer.from(await work(request, executor)),
          report: newReport(),
          error: undefined,
        }),
      }),
    );
    await this.#server.listen(this.#directory.path);
  }

  async stop(limitMs: number): Promise<number | undefined> {
    return this.#server?.stop(limitMs);
  }

  netconf(padding = ""): string {
    return JSON.stringify({
      cniVersion: "1.0.0",
      name: "n",
      daemonSocketDir: this.#directory.path,
      cniDir: this.#directory.path,
      padding,
    });
  }

  call(
    binary: string,
    config = this.netconf(),
    containerId = "c1",
    command: CniCommand = "ADD",
  ): Promise<PluginAnswer> {
    return callPlugin([binary], {
      command,
      containerId,
      netns: this.netns,
      ifName: "eth0",
      args: "IgnoreUnknown=1;K8S_POD_NAME=p=q",
      path: this.plugins,
      config,
    });
  }

  /** An order to run a plugin of these. */
  order(over: Partial<PluginRun> = {}): PluginRun {
    return {
      plugin: "plugin",
      path: this.plugins,
      env: { CNI_COMMAND: "ADD" },
      stdin: Buffer.alloc(0),
      timeoutMs: patience,
      ...over,
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#server?.stop(0);
    this.#namespace[Symbol.dispose]();
    this.#directory[Symbol.dispose]();
  }
}

async function failure(work: Promise<unknown>): Promise<unknown> {
  return work.then(
    () => undefined,
    (error: unknown) => error,
  );
}

describe.concurrent.each(shims)("the $name shim at the daemon's server", ({ binary }) => {
  test("brings what the runtime gave it, byte for byte, and prints the reply", async () => {
    await using server = new TestServer();
    let seen: CniRequest | undefined;
    await server.serve(async (request) => {
      seen = request;
      return '{"cniVersion":"1.0.0"}';
    });
    const config = server.netconf("ü€𝄞\\u0000 ".repeat(10_000));
    const answer = await server.call(binary, config);
    expect([answer.exitCode, answer.stdout]).toEqual([0, '{"cniVersion":"1.0.0"}']);
    expect(seen).toMatchObject({
      command: "ADD",
      containerId: "c1",
      netns: server.netns,
      ifName: "eth0",
      args: "IgnoreUnknown=1;K8S_POD_NAME=p=q",
      path: server.plugins,
    });
    expect(Buffer.from(seen?.config ?? []).toString()).toBe(config);
  });

  test("runs server.plugins, several at once, each with its own input, environment and outcome", async () => {
    await using server = new TestServer();
    server.addPlugin("plugin", 'cat; echo "$CNI_ARGS"; echo "said $CNI_ARGS" >&2; exit "$CNI_ARGS"');
    let outcomes: unknown;
    await server.serve(async (_, executor) => {
      const runs = Array.from({ length: 20 }, (_, number) =>
        executor.runPlugin(
          server.order({
            env: { CNI_COMMAND: "ADD", CNI_ARGS: String(number) },
            stdin: Buffer.alloc(1000 * number, "x"),
          }),
        ),
      );
      outcomes = (await Promise.all(runs)).map(({ exitCode, stdout, stderrTail }) => ({
        exitCode,
        stdout: Buffer.from(stdout).toString(),
        stderrTail,
      }));
      return "";
    });
    (await server.call(binary)).expectSuccess();
    expect(outcomes).toEqual(
      Array.from({ length: 20 }, (_, number) => ({
        exitCode: number,
        stdout: `${"x".repeat(1000 * number)}${number}\n`,
        stderrTail: `said ${number}\n`,
      })),
    );
  });

  test("carries large inputs and outputs", async () => {
    await using server = new TestServer();
    server.addPlugin("plugin", "cat");
    const stdin = Buffer.alloc(8 * 1024 * 1024, "0123456789abcdef");
    let equal = false;
    await server.serve(async (_, executor) => {
      const { stdout } = await executor.runPlugin(server.order({ stdin }));
      equal = stdin.equals(stdout);
      return "";
    });
    (await server.call(binary)).expectSuccess();
    expect(equal).toBe(true);
  });

  test("says in the executor's words what could not be done", async () => {
    await using server = new TestServer();
    server.addPlugin("slow", "exec sleep 60");
    server.addPlugin("large", "head -c 9000000 /dev/zero");
    const errors: Record<string, unknown> = {};
    await server.serve(async (_, executor) => {
      const attempts: Record<string, Promise<unknown>> = {
        missing: executor.runPlugin(server.order({ plugin: "missing" })),
        slash: executor.runPlugin(server.order({ plugin: "../plugin" })),
        directory: executor.runPlugin(server.order({ path: "/bin", plugin: "true" })),
        slow: executor.runPlugin(server.order({ plugin: "slow", timeoutMs: 50 })),
        large: executor.runPlugin(server.order({ plugin: "large" })),
        netns: executor.linkExists("/nonexistent", "eth0"),
        command: executor.runPlugin(server.order({ env: { CNI_COMMAND: "CHECK" } })),
        link: executor.runPlugin(
          server.order({ plugin: "large", absentLink: { netns: server.netns, ifName: "lo" } }),
        ),
      };
      await Promise.all(
        Object.entries(attempts).map(async ([name, attempt]) => {
          const error = await failure(attempt);
          errors[name] = error instanceof ExecutorError ? error.code : error;
        }),
      );
      return "";
    });
    (await server.call(binary)).expectSuccess();
    expect(errors).toEqual({
      missing: "not-found",
      slash: "refused",
      directory: "refused",
      slow: "timeout",
      large: "too-large",
      netns: "refused",
      command: "refused",
      link: "link-exists",
    });
  });

  test("looks for links", async () => {
    await using server = new TestServer();
    let found: unknown;
    await server.serve(async ({ netns }, executor) => {
      found = await Promise.all(["lo", "absent"].map((name) => executor.linkExists(netns, name)));
      return "";
    });
    (await server.call(binary)).expectSuccess();
    expect(found).toEqual([true, false]);
  });

  test("says that the daemon is gone when it is, and that it may be tried again", async () => {
    await using server = new TestServer();
    const { promise: asked, resolve } = Promise.withResolvers<void>();
    await server.serve(() => {
      resolve();
      return new Promise(() => {});
    });
    const answer = server.call(binary);
    await asked;
    await server.stop(0);
    expect((await answer).error.code).toBe(11);
  });

  test("is served by the next server, where this one stops and has others to finish", async () => {
    await using server = new TestServer();
    await server.serve(async ({ containerId }, executor) => {
      if (containerId === "slow") await executor.runPlugin(server.order());
      return `first ${containerId}`;
    });
    const begun = server.path("begun");
    const finish = server.path("finish");
    server.addPlugin("plugin", `touch ${begun}; while [ ! -e ${finish} ]; do sleep 0.05; done`);
    const slow = server.call(binary, server.netconf(), "slow");
    await vi.waitFor(() => expect(existsSync(begun)).toBe(true), patience);
    const stopped = server.stop(patience);
    const sentOn = server.call(binary, server.netconf(), "late");
    (await server.call(binary, server.netconf(), "gone", "DEL")).expectSuccess();
    writeFileSync(finish, "");
    expect((await slow).stdout).toBe("first slow");
    expect(await stopped).toBe(0);
    await server.serve(async ({ containerId }) => `second ${containerId}`);
    expect((await sentOn).stdout).toBe("second late");
  });

  test("is told no directory in CNI_PATH that it would refuse", async () => {
    await using server = new TestServer();
    server.addPlugin("plugin", 'echo "$CNI_PATH"');
    const searched = `/elsewhere:${server.plugins}//:relative:/opt/cni/bin`;
    await server.serve(async (_, executor) => {
      const env = { CNI_COMMAND: "ADD", CNI_PATH: searched };
      return Buffer.from((await executor.runPlugin(server.order({ path: searched, env }))).stdout).toString();
    });
    expect((await server.call(binary)).stdout).toBe(`${server.plugins}//:/opt/cni/bin\n`);
  });

  test("is served, with a hundred others at once", async () => {
    await using server = new TestServer();
    server.addPlugin("plugin", 'echo "$CNI_CONTAINERID"');
    await server.serve(async ({ containerId }, executor) => {
      const { stdout } = await executor.runPlugin(
        server.order({ env: { CNI_COMMAND: "ADD", CNI_CONTAINERID: containerId } }),
      );
      return Buffer.from(stdout).toString();
    });
    const names = Array.from({ length: 100 }, (_, index) => `container${index}`);
    const answers = await Promise.all(names.map((name) => server.call(binary, server.netconf(), name)));
    expect(answers.map(({ stdout }) => stdout)).toEqual(names.map((name) => `${name}\n`));
  });
});

describe.concurrent.each(shims)("the $name shim as an agent", ({ binary }) => {
  test("is an executor like any other", async () => {
    await using server = new TestServer();
    server.addPlugin("plugin", "cat");
    await using agent = await AgentProcess.start({ binary, directories: [server.plugins] });
    const { stdout, exitCode } = await agent.executor.runPlugin(server.order({ stdin: Buffer.from("{}") }));
    expect([Buffer.from(stdout).toString(), exitCode]).toEqual(["{}", 0]);
    expect(
      await failure(agent.executor.runPlugin(server.order({ path: "/bin", plugin: "true" }))),
    ).toMatchObject({
      code: "refused",
    });
  });

  test("takes its plugins with it when it is closed", async () => {
    await using server = new TestServer();
    const file = server.path("pid");
    server.addPlugin("plugin", `echo $$ > ${file}.new; mv ${file}.new ${file}; exec sleep 60`);
    const agent = await AgentProcess.start({ binary, directories: [server.plugins] });
    const failed = failure(agent.executor.runPlugin(server.order({ timeoutMs: 0 })));
    const pid = await vi.waitFor(() => Number(readFileSync(file, "utf8")), patience);
    await agent.close();
    expect(await failed).toMatchObject({ code: "gone" });
    await vi.waitFor(() => expect(() => process.kill(pid, 0)).toThrow("ESRCH"), patience);
    expect(await failure(agent.executor.linkExists("/proc/self/ns/net", "lo"))).toMatchObject({
      code: "gone",
    });
  });
});

test("an agent that cannot be started is an error that names it", async () => {
  await using server = new TestServer();
  const binary = server.path("missing");
  await expect(AgentProcess.start({ binary, directories: [server.plugins] })).rejects.toThrow(binary);
  server.addPlugin("silent", "exit 0");
  await expect(
    AgentProcess.start({ binary: join(server.plugins, "silent"), directories: [server.plugins] }),
  ).rejects.toThrow(/agent .*silent ended/);
});
