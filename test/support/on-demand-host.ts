/** Netconf and configuration for a daemon that only the shim starts, and a record of each start. */

import { chmodSync, existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { EmptyNamespace } from "./namespace.ts";
import { type CniCommand, callPlugin, type PluginAnswer } from "./plugin.ts";
import { ScratchDirectory } from "./scratch-directory.ts";
import { session, sessionVariable } from "./session.ts";
import { killStayingBelow } from "./staying.ts";

const bundle = join(import.meta.dirname, "..", "..", "build", "multusd.mjs");

export interface OnDemandHostOptions {
  /** The plugin that starts it. */
  readonly plugin: string;
  /** Words that start the daemon, without its options. Default: the bundle, on the Node of the tests. */
  readonly daemon?: readonly string[];
  /** Of the daemon's configuration. */
  readonly config?: Readonly<Record<string, unknown>>;
  readonly idleExitSeconds?: number;
}

/** The result that an ADD is answered with. */
export const resultOfDelegate = {
  cniVersion: "1.0.0",
  interfaces: [{ name: "eth0", sandbox: "/n" }],
  ips: [{ address: "10.0.0.2/24", interface: 0 }],
};

export class OnDemandHost implements Disposable {
  readonly directory = new ScratchDirectory("on-demand");
  readonly socketDir: string;
  readonly socket: string;
  readonly cniDir: string;
  readonly command: readonly string[];
  readonly #plugin: string;
  readonly #namespace = new EmptyNamespace();

  constructor(options: OnDemandHostOptions) {
    const { plugin, daemon = [process.execPath, bundle], config = {}, idleExitSeconds = 600 } = options;
    const at = (name: string) => join(this.directory.path, name);
    this.#plugin = plugin;
    // Two levels that are not there: who starts it makes them.
    this.socketDir = at("run/multus");
    this.socket = join(this.socketDir, "multus.sock");
    this.cniDir = at("cni");
    this.addProgram("bin/delegate", `cat >/dev/null\necho '${JSON.stringify(resultOfDelegate)}'`);
    const configFile = this.directory.write(
      "daemon.json",
      JSON.stringify({ socketDir: this.socketDir, cniDir: this.cniDir, confDir: at("conf"), ...config }),
    );
    const words = [...daemon, "--config", configFile, "--idle-exit", String(idleExitSeconds)];
    // The pid is the daemon's: the shell becomes it.
    const program = this.addProgram(
      "start",
      `echo $$ >>${at("starts")}\nexec ${words.map((word) => `'${word}'`).join(" ")} "$@"`,
    );
    this.command = [program];
  }

  /** Writes a shell script. @returns its path */
  addProgram(name: string, script: string): string {
    const file = this.directory.write(name, `#!/bin/sh\n${script}\n`);
    chmodSync(file, 0o755);
    return file;
  }

  /** Pids of all daemons that were started, the first one first. */
  get starts(): readonly number[] {
    const file = join(this.directory.path, "starts");
    return existsSync(file) ? readFileSync(file, "utf8").trim().split("\n").map(Number) : [];
  }

  netconf(keys: Readonly<Record<string, unknown>> = {}): Readonly<Record<string, unknown>> {
    return {
      cniVersion: "1.1.0",
      name: "on-demand",
      type: "multus",
      daemonSocketDir: this.socketDir,
      cniDir: this.cniDir,
      daemonCommand: this.command,
      daemonStartTimeoutMs: 60_000,
      delegates: [{ type: "delegate", cniVersion: "1.1.0", name: "cluster" }],
      ...keys,
    };
  }

  /** The environment of a call, without the plugin's own words. */
  environment(command: CniCommand, containerId = "c1"): Readonly<Record<string, string>> {
    return {
      PATH: process.env.PATH ?? "",
      CNI_COMMAND: command,
      CNI_CONTAINERID: containerId,
      CNI_NETNS: this.#namespace.path,
      CNI_IFNAME: "mwt-none",
      CNI_ARGS: "",
      CNI_PATH: join(this.directory.path, "bin"),
      [sessionVariable]: session,
    };
  }

  /** Pids of the daemons that run. One that has ended and is not collected yet (nobody has to be quick with it) does not. */
  get running(): readonly number[] {
    return this.starts.filter((pid) => {
      const file = `/proc/${pid}/stat`;
      try {
        return !/\) [ZX] /.test(readFileSync(file, "latin1"));
      } catch {
        return false;
      }
    });
  }

  /** Waits until no daemon runs and there is no socket, under whatever name. @throws {Error} where that is not so after half a minute */
  async untilNothingIsLeft(): Promise<void> {
    const lasting = ["multus.lock", "multusd.stderr"];
    const left = () => [
      ...this.running,
      ...readdirSync(this.socketDir).filter((name) => !lasting.includes(name)),
    ];
    for (const end = Date.now() + 30_000; left().length > 0; await sleep(20)) {
      if (Date.now() > end) throw new Error(`left after 30 s: ${left().join(", ")}`);
    }
  }

  /**
   * Calls the plugin as a runtime does, which reads until the plugin's stdout is closed by everybody.
   * @param args CNI_ARGS
   */
  call(command: CniCommand, containerId = "c1", netconf = this.netconf(), args = ""): Promise<PluginAnswer> {
    return callPlugin([this.#plugin], {
      command,
      containerId,
      netns: this.#namespace.path,
      ifName: "mwt-none",
      args,
      path: join(this.directory.path, "bin"),
      config: netconf,
    });
  }

  [Symbol.dispose](): void {
    killStayingBelow(this.directory.path);
    for (const pid of this.starts) {
      try {
        process.kill(pid, "SIGKILL");
      } catch {
        // It has ended.
      }
    }
    this.#namespace[Symbol.dispose]();
    this.directory[Symbol.dispose]();
  }
}
