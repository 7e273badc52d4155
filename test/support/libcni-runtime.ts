/** A runtime over libcni that asks a plugin what CRI-O asks (test/support/libcni-runtime), for a pretended node and its pods. */

import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { createInterface, type Interface } from "node:readline";
import { buildGoProgram } from "./go-program.ts";
import type { CniResult } from "./plugin.ts";
import { session, sessionVariable } from "./session.ts";
import { debianPlugins, type Pod, type TestNode } from "./test-node.ts";

type Json = Readonly<Record<string, unknown>>;

/** The runtime's outcome of one request. */
export interface RuntimeAnswer {
  /** The plugin's calls, in order. */
  readonly calls: readonly { readonly command: string; readonly stdin: Json }[];
  /** Of ADD. */
  readonly result?: CniResult;
  /** `COMMAND: what the plugin said`. */
  readonly errors: readonly string[];
}

export class LibcniRuntime implements AsyncDisposable {
  readonly #process: ChildProcessWithoutNullStreams;
  readonly #lines: Interface;
  readonly #ended: Promise<never>;
  /** A STATUS has failed. */
  readonly notReady: Promise<void>;
  #stderr = "";

  private constructor(argv: readonly string[]) {
    const [command = "", ...args] = argv;
    this.#process = spawn(command, args, { env: { ...process.env, [sessionVariable]: session } });
    this.notReady = new Promise((resolve) => {
      this.#process.stderr.on("data", (chunk: Buffer) => {
        this.#stderr += chunk.toString();
        if (this.#stderr.includes("not ready: ")) resolve();
      });
    });
    this.#lines = createInterface(this.#process.stdout);
    this.#ended = once(this.#process, "close").then(() => {
      throw new Error(`the runtime has ended: ${this.#stderr}`);
    });
    // While nothing is asked, nobody waits for it.
    this.#ended.catch(() => {});
  }

  /**
   * A runtime that has the plugin among its own.
   * @param confDir directory of its configuration files, the first of which it takes now
   * @param pluginDirectory with the plugin that the file names
   */
  static async begin(node: TestNode, confDir: string, pluginDirectory: string): Promise<LibcniRuntime> {
    const program = await buildGoProgram(join(import.meta.dirname, "libcni-runtime"));
    const path = `${pluginDirectory}:${debianPlugins}`;
    const cache = join(node.directory, "libcni-cache");
    return new LibcniRuntime(node.network.enter(program, confDir, cache, path));
  }

  /** VERSION, STATUS until it succeeds, GC, CHECK of each pod that is there already. */
  start(restored: readonly Pod[] = []): Promise<RuntimeAnswer> {
    return this.#ask({ do: "start", sandboxes: restored.map(sandboxOf) });
  }

  /** ADD and CHECK. */
  run(pod: Pod): Promise<RuntimeAnswer> {
    return this.#ask({ do: "run", sandbox: sandboxOf(pod) });
  }

  /** One DEL. */
  stop(pod: Pod): Promise<RuntimeAnswer> {
    return this.#ask({ do: "stop", sandbox: sandboxOf(pod) });
  }

  async #ask(request: Json): Promise<RuntimeAnswer> {
    const answer = once(this.#lines, "line", { signal: AbortSignal.timeout(120_000) });
    this.#process.stdin.write(`${JSON.stringify(request)}\n`);
    const [line] = await Promise.race([answer, this.#ended]);
    return JSON.parse(String(line));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#lines.close();
    if (this.#process.exitCode !== null || this.#process.signalCode !== null) return;
    const closed = once(this.#process, "close");
    this.#process.stdin.end();
    await closed;
  }
}

function sandboxOf(pod: Pod): Json {
  const { containerId: id, network, namespace, name, uid, annotations } = pod;
  return { id, netns: network.path, ifName: "eth0", namespace, name, uid, annotations };
}
