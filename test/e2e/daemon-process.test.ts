/** The daemon as a process: how it starts, refuses to start, and stops. Its answers to shims are elsewhere; the shim here is the test itself. */

import { once } from "node:events";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { type AddressInfo, createServer } from "node:net";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, test, vi } from "vitest";
import { FrameType } from "../../src/agent/frames.ts";
import { plainKubeconfig } from "../support/cluster/kubeconfig.ts";
import { type CommandOutcome, runCommand, runOrThrow } from "../support/command.ts";
import { Daemon } from "../support/daemon.ts";
import { ScratchDirectory } from "../support/scratch-directory.ts";
import { WirePeer } from "../support/wire-peer.ts";

/** Milliseconds for what has to happen: a machine can be slow. */
const patience = 30_000;

const bundle = join(import.meta.dirname, "../../build/multusd.mjs");

/** Where a daemon has its files. */
class Host implements Disposable {
  readonly #directory = new ScratchDirectory("daemon");
  readonly socketPath = this.path("run/multus.sock");

  path(name: string): string {
    return join(this.#directory.path, name);
  }

  newDaemon(
    config: Readonly<Record<string, unknown>> = {},
    environment: Readonly<Record<string, string>> = {},
  ): Daemon {
    const directories = {
      socketDir: this.path("run"),
      cniDir: this.path("cni"),
      confDir: this.path("conf"),
    };
    return new Daemon(
      this.#directory.path,
      { ...directories, logLevel: "debug", ...config },
      { environment },
    );
  }

  /** Writes it where the daemon's configuration says that it is. @returns its path */
  kubeconfigOf(server: string): string {
    return this.#directory.write("kubeconfig", plainKubeconfig(server));
  }

  /** Keys with which the daemon keeps a runtime's file. */
  withRuntimeFile(): Readonly<Record<string, unknown>> {
    this.#directory.write(
      "runtime/10-cluster.conflist",
      JSON.stringify({ cniVersion: "1.0.0", name: "cluster", plugins: [{ type: "delegate" }] }),
    );
    return { multusConfigFile: "auto", cniConfigDir: this.path("runtime"), cleanupConfigOnExit: true };
  }

  get hasRuntimeFile(): boolean {
    return existsSync(this.path("runtime/00-multus.conf"));
  }

  untilRuntimeFile(): Promise<void> {
    return vi.waitFor(() => expect(this.hasRuntimeFile).toBe(true), patience);
  }

  connect(): Promise<WirePeer> {
    return WirePeer.connect(this.socketPath);
  }

  /** An ADD of one network that has been sent to its plugin. @param keys of the netconf */
  async addUnderWay(
    containerId: string,
    keys: Readonly<Record<string, unknown>> = {},
  ): Promise<{ peer: WirePeer; order: number }> {
    const peer = await this.connect();
    const args = "K8S_POD_NAMESPACE=default;K8S_POD_NAME=web;K8S_POD_INFRA_CONTAINER_ID=s1";
    peer.request({ containerId, args, config: netconf(keys) });
    const frame = await peer.next();
    expect(frame).toMatchObject({ type: FrameType.exec, body: { plugin: "delegate" } });
    return { peer, order: frame?.id ?? 0 };
  }

  /** Brings one request and sees it through. */
  async expectService(containerId: string): Promise<void> {
    const add = await this.addUnderWay(containerId);
    finish(add);
    expect((await add.peer.reply()).exitCode).toBe(0);
  }

  [Symbol.dispose](): void {
    this.#directory[Symbol.dispose]();
  }
}

const run = (...args: string[]): Promise<CommandOutcome> => runCommand([process.execPath, bundle, ...args]);

const linesOf = (daemon: Daemon, text: string) =>
  daemon.output.split("\n").filter((line) => line.includes(text));

const expectLine = (daemon: Daemon, text: string) =>
  vi.waitFor(() => expect(linesOf(daemon, text)).toHaveLength(1), patience);

/** A server that hangs up on everybody. */
async function deafServer(): Promise<Disposable & { readonly url: string; connections(): number }> {
  let connections = 0;
  const server = createServer((socket) => {
    connections += 1;
    socket.on("error", () => {});
    socket.destroy();
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  return {
    url: `https://127.0.0.1:${port}`,
    connections: () => connections,
    [Symbol.dispose]: () => server.close(),
  };
}

/** With one network. */
function netconf(keys: Readonly<Record<string, unknown>> = {}): Buffer {
  const delegate = { type: "delegate", cniVersion: "1.0.0", name: "cluster" };
  return Buffer.from(
    JSON.stringify({ cniVersion: "1.0.0", name: "n", type: "multus", delegates: [delegate], ...keys }),
  );
}

/** Netconf keys with which a pod's annotations come with the request: there are none. */
const withAnnotations = {
  capabilities: { "io.kubernetes.cri.pod-annotations": true },
  runtimeConfig: { "io.kubernetes.cri.pod-annotations": {} },
};

const result = JSON.stringify({ cniVersion: "1.0.0", interfaces: [{ name: "eth0", sandbox: "/n" }] });

function finish({ peer, order }: { peer: WirePeer; order: number }): void {
  peer.send(FrameType.done, order, { exitCode: 0, stdout: Buffer.from(result), micros: 1000 });
}

// Side by side, as some of them wait for seconds.
describe.concurrent("the daemon", () => {
  test("stops in order: what is under way is finished, an ADD is sent on, a DEL served, the socket goes last, exit code 0", async () => {
    using host = new Host();
    await using daemon = host.newDaemon();
    await daemon.start();
    const add = await host.addUnderWay("finished");
    const stopped = daemon.stop("SIGTERM");
    await expectLine(daemon, "multusd shuts down");
    const late = await host.connect();
    late.request({ containerId: "late", config: netconf() });
    expect((await late.next())?.body).toMatchObject({ exitCode: 1, retry: true });
    const gone = await host.connect();
    gone.request({ command: "DEL", containerId: "gone", config: netconf() });
    expect((await gone.reply()).exitCode).toBe(0);
    expect(existsSync(host.socketPath)).toBe(true);
    finish(add);
    const { exitCode, stdout } = await add.peer.reply();
    expect([exitCode, JSON.parse(stdout)]).toEqual([0, JSON.parse(result)]);
    expect(await stopped).toBe(0);
    expect(daemon.output).toMatch(/\[verbose\] ADD done .*container=finished .*total=/);
    expect(daemon.output).toContain("[verbose] multusd has shut down unfinished=0");
  });

  test("ends at once when it is told to stop twice, and the runtime is not left with its file", async () => {
    using host = new Host();
    await using daemon = host.newDaemon(host.withRuntimeFile());
    await daemon.start();
    await host.untilRuntimeFile();
    const add = await host.addUnderWay("stuck");
    const { pid } = daemon;
    const stopped = daemon.stop("SIGTERM");
    await expectLine(daemon, "multusd shuts down");
    process.kill(pid, "SIGINT");
    expect(await stopped).toBe(1);
    expect(await add.peer.next()).toBeUndefined();
    expect(host.hasRuntimeFile).toBe(false);
  });

  test("starts again after it was killed", async () => {
    using host = new Host();
    await using daemon = host.newDaemon();
    await daemon.start();
    await daemon.stop("SIGKILL");
    expect(existsSync(host.socketPath)).toBe(true);
    await daemon.start();
    await host.expectService("c1");
  });

  test("ends of itself when it had nothing to do for a while, where it is told so", async () => {
    using host = new Host();
    await using daemon = host.newDaemon({ idleExitSeconds: 1, ...host.withRuntimeFile() });
    await daemon.start();
    const { pid } = daemon;
    const add = await host.addUnderWay("lasting");
    // Longer than it may be idle.
    await sleep(1_500);
    expect(existsSync(host.socketPath)).toBe(true);
    finish(add);
    expect((await add.peer.reply()).exitCode).toBe(0);
    await vi.waitFor(() => expect(() => process.kill(pid, 0)).toThrow("ESRCH"), patience);
    expect(existsSync(host.socketPath)).toBe(false);
    // The next call starts the next one.
    expect(host.hasRuntimeFile).toBe(true);
    await expectLine(daemon, "[verbose] multusd has shut down");
    expect(daemon.output).toMatch(
      /\[verbose\] multusd shuts down idle=1\n.*\[verbose\] multusd has shut down unfinished=0\n$/s,
    );
    expect(await daemon.stop()).toBe(0);
  });

  test("stops in order on a signal while it ends of itself: both requests are finished, and the runtime's file goes", async () => {
    using host = new Host();
    await using daemon = host.newDaemon({ idleExitSeconds: 2, ...host.withRuntimeFile() });
    await daemon.start();
    // Their requests come after the socket's name has gone.
    const peers = [await host.connect(), await host.connect()];
    await host.untilRuntimeFile();
    await expectLine(daemon, "multusd shuts down idle=2");
    await vi.waitFor(() => expect(existsSync(host.socketPath)).toBe(false), patience);
    const args = "K8S_POD_NAMESPACE=default;K8S_POD_NAME=web;K8S_POD_INFRA_CONTAINER_ID=s1";
    const late: { peer: WirePeer; order: number }[] = [];
    for (const [index, peer] of peers.entries()) {
      peer.request({ containerId: `late${index}`, args, config: netconf() });
      late.push({ peer, order: (await peer.next())?.id ?? 0 });
    }
    const stopped = daemon.stop("SIGTERM");
    await expectLine(daemon, "multusd shuts down signal=SIGTERM");
    for (const add of late) {
      finish(add);
      expect((await add.peer.reply()).exitCode).toBe(0);
    }
    expect(await stopped).toBe(0);
    expect(host.hasRuntimeFile).toBe(false);
  });

  test("does not start where another one serves, and leaves that one alone", async () => {
    using host = new Host();
    await using daemon = host.newDaemon();
    await daemon.start();
    const second = await run("--config", host.path("daemon-config.json"));
    expect(second.exitCode).toBe(1);
    expect(second.stderr).toContain(`multusd: another daemon serves ${host.socketPath}`);
    await host.expectService("c1");
  });

  test("says once which DELs wait, or why they stay", async () => {
    using host = new Host();
    const spool = host.path("cni/.spool");
    mkdirSync(spool, { recursive: true });
    writeFileSync(join(spool, `${Date.now()}000-00-c1`), "");
    await using daemon = host.newDaemon();
    await daemon.start();
    await expectLine(daemon, `recorded DELs wait to be carried out directory=${spool} waiting=1`);
    await daemon.stop();
    if (process.geteuid?.() !== 0) return;
    const cniDir = host.path("cni");
    await runOrThrow(["mount", "--bind", "-o", "ro", cniDir, cniDir]);
    try {
      await daemon.start();
      await expectLine(
        daemon,
        "[error] recorded DELs are not carried out, as they could not be removed afterwards",
      );
      expect(linesOf(daemon, "not carried out")[0]).toMatch(/waiting=1 error=.*EROFS/);
    } finally {
      await daemon.stop();
      await runOrThrow(["umount", "--lazy", cniDir]);
    }
  });

  test("logs to its file what it did, and what in its configuration is for nothing", async () => {
    using host = new Host();
    const logFile = host.path("multusd.log");
    await using daemon = host.newDaemon({
      logFile,
      logToStderr: false,
      enablePprof: true,
      sokcetDir: "/run/x",
    });
    await daemon.start();
    await daemon.stop();
    const log = readFileSync(logFile, "utf8");
    expect(log).toMatch(/\[verbose\] multusd starts version=\S+ config=\S+ pid=\d+\n/);
    expect(log).toContain("[verbose] configuration key has no effect in this version key=enablePprof");
    expect(log).toContain("[error] unknown configuration key key=sokcetDir");
    expect(log.trimEnd().split("\n").at(-1)).toMatch(/multusd has shut down unfinished=0$/);
    expect(daemon.output).toBe("");
  });

  test.each([
    ['{"socketDir": "/run/x",}', /^multusd: \S+daemon-config\.json: .*line 1, column 24/],
    [
      '{"socketDir": "here"}',
      /^multusd: \S+daemon-config\.json: socketDir must match pattern .*line 1, column 15/,
    ],
  ])("does not start with configuration %j", async (text, message) => {
    using host = new Host();
    const file = host.path("daemon-config.json");
    writeFileSync(file, text);
    const outcome = await run("--config", file);
    expect([outcome.exitCode, outcome.stdout.length]).toEqual([1, 0]);
    expect(outcome.stderr).toMatch(message);
  });

  test("says which file it cannot read, and how it is called", async () => {
    using host = new Host();
    const missing = await run("--config", host.path("missing.json"));
    expect([missing.exitCode, missing.stderr]).toEqual([1, expect.stringContaining("missing.json")]);
    const misspelt = await run("--confg", "x");
    expect([misspelt.exitCode, misspelt.stderr]).toEqual([2, expect.stringContaining("--confg")]);
    for (const seconds of ["0", "1.5", "x", "1000001"]) {
      const wrong = await run("--idle-exit", seconds);
      expect([wrong.exitCode, wrong.stderr]).toEqual([2, expect.stringContaining(`not "${seconds}"`)]);
    }
    for (const form of [["-config", host.path("missing.json")], [`-config=${host.path("missing.json")}`]]) {
      const one = await run(...form);
      expect([one.exitCode, one.stderr]).toEqual([1, expect.stringContaining("missing.json")]);
    }
    for (const form of ["-version", "-v", "--version=true"]) {
      expect((await run(form)).stdout.toString()).toMatch(/^multusd \d+\.\d+\.\d+\n$/);
    }
    const help = await run("--help");
    expect([help.exitCode, help.stdout.toString()]).toEqual([0, expect.stringContaining("--config FILE")]);
    const version = await run("--version");
    expect(version.stdout.toString()).toMatch(/^multusd \d+\.\d+\.\d+\n$/);
  });

  test("serves without the cluster that it is told to use, and says once that it is away", async () => {
    using host = new Host();
    using server = await deafServer();
    await using daemon = host.newDaemon({ kubeconfig: host.kubeconfigOf(server.url) });
    await daemon.start();
    // Requests that need nothing of the cluster are carried out all the same.
    const add = await host.addUnderWay("alone", withAnnotations);
    finish(add);
    expect((await add.peer.reply()).exitCode).toBe(0);
    await expectLine(daemon, "ADD done pod=default/web container=alone");
    // The log has no more lines about the watch than this one, whatever else is tried.
    await vi.waitFor(() => expect(server.connections()).toBeGreaterThan(15), 2 * patience);
    expect(linesOf(daemon, "[error] network-attachment-definitions: not watched")).toHaveLength(1);
    expect(linesOf(daemon, "network-attachment-definitions").length).toBeLessThanOrEqual(2);
    expect(linesOf(daemon, "MULTUS_NODE_NAME is not set")).toHaveLength(1);
    expect(await daemon.stop()).toBe(0);
    await expectLine(daemon, "[verbose] multusd has shut down");
  });

  test.each([
    [{ nodeName: "from-key" }, "from-key"],
    [{}, "from-environment"],
  ])("watches the pods of its node, with %j before MULTUS_NODE_NAME", async (keys, node) => {
    using host = new Host();
    using server = await deafServer();
    const environment = { MULTUS_NODE_NAME: "from-environment" };
    await using daemon = host.newDaemon({ kubeconfig: host.kubeconfigOf(server.url), ...keys }, environment);
    await daemon.start();
    await expectLine(daemon, `cluster: connecting server=${server.url} node=${node}`);
  });

  test("serves where its kubeconfig cannot be used: requests are told why", async () => {
    using host = new Host();
    const kubeconfig = host.path("kubeconfig");
    await using daemon = host.newDaemon({ kubeconfig });
    await daemon.start();
    await expectLine(daemon, "the cluster cannot be used");
    const peer = await host.connect();
    peer.request({ containerId: "c1", config: netconf() });
    const { exitCode, stdout } = await peer.reply();
    expect([exitCode, JSON.parse(stdout)]).toEqual([
      1,
      { cniVersion: "1.0.0", code: expect.any(Number), msg: expect.stringContaining(kubeconfig) },
    ]);
    host.kubeconfigOf("https://127.0.0.1:1");
    finish(await host.addUnderWay("c2", withAnnotations));
    await expectLine(daemon, "ADD done pod=default/web container=c2");
  });

  test("needs no more memory idle than an engine and a little", async () => {
    using host = new Host();
    await using daemon = host.newDaemon();
    await daemon.start();
    expect(daemon.memory().resident).toBeLessThan(70_000);
  });
});
