/** An agent: the shim's binary as a child of this process, for orders of requests that no shim of ours is on the other end of. */

import { type ChildProcess, spawn } from "node:child_process";
import { Duplex } from "node:stream";
import type { Executor } from "./executor.ts";
import { FrameConnection } from "./frame-connection.ts";
import { Fields } from "./frame-fields.ts";
import { type Frame, FrameError, FrameType, protocolVersion, speaksProtocol } from "./frames.ts";
import { Orders } from "./orders.ts";
import { ShimExecutor } from "./shim-executor.ts";

export interface AgentOptions {
  /** The `multus` binary. */
  readonly binary: string;
  /** Directories whose plugins it may run, absolute. */
  readonly directories: readonly string[];
  /** Absolute path of the directory that is its root: plugins, what they read, and namespaces are looked for below it. Without it: this process's. */
  readonly root?: string | undefined;
  /** It plays the runtime: what it runs is no delegate, and may be the `multus` binary itself. */
  readonly asRuntime?: boolean;
  /** Puts a command somewhere else, into a namespace say: gives the command that does that. Without it the agent is where this process is. */
  readonly wrap?: (command: readonly string[]) => readonly string[];
  /** Takes what the agent and its plugins print on stderr. Without it that goes to this process's. */
  readonly onStderr?: (text: string) => void;
}

/** The stream's file descriptor in the agent. */
const streamFd = 3;
/** Time from its start to its HELLO. */
const helloWithinMs = 10_000;
/** From the end of its stream to its own: it gives its plugins 5 s (docs/wire.md, "The agent"). */
const endsWithinMs = 8_000;
/** Characters of its stderr that are kept for the error of an agent that does not start. */
const stderrKept = 2_000;

export class AgentProcess implements AsyncDisposable {
  readonly executor: Executor;
  /** Resolves when it has ended, however that came. */
  readonly ended: Promise<void>;
  readonly #child: ChildProcess;
  readonly #connection: FrameConnection;
  readonly #orders: Orders;
  readonly #exited: Promise<void>;
  #greeted: (error?: Error) => void = () => {};
  #spawnError: Error | undefined;
  /** Its stderr before its HELLO. */
  #stderr = "";
  #isGreeted = false;
  /** Why it was killed from here. */
  #why: Error | undefined;

  /**
   * Starts an agent.
   * @throws {Error} where it does not start or speaks another protocol
   */
  static async start(options: AgentOptions): Promise<AgentProcess> {
    const agent = new AgentProcess(options);
    try {
      await agent.#greeting();
    } catch (error) {
      // It may be another program, which need not end when its stream does. It has run nothing yet.
      agent.#connection.destroy();
      await agent.kill();
      throw error;
    }
    return agent;
  }

  private constructor({
    binary,
    directories,
    root,
    asRuntime = false,
    wrap = (command) => command,
    onStderr,
  }: AgentOptions) {
    const options = [
      ...["--path", directories.join(":")],
      ...(root === undefined ? [] : ["--chroot", root]),
      ...(asRuntime ? ["--as-runtime"] : []),
      ...["--fd", String(streamFd)],
    ];
    const agent = [binary, "agent", ...options];
    const [command = "", ...args] = wrap(agent);
    this.#child = spawn(command, args, {
      stdio: ["ignore", "ignore", onStderr === undefined ? "inherit" : "pipe", "pipe"],
      // A group of its own: Ctrl-C in a terminal is for this process, which may have something to undo before the agent ends.
      detached: true,
    });
    if (onStderr !== undefined) {
      this.#child.stderr?.setEncoding("utf8").on("data", (text: string) => {
        // Later it is its plugins' words, which are not about it.
        if (!this.#isGreeted) this.#stderr = (this.#stderr + text).slice(-stderrKept);
        onStderr(text);
      });
    }
    this.ended = new Promise((resolve) => this.#child.once("close", () => resolve()));
    this.#exited = new Promise((resolve) => {
      this.#child.once("exit", () => resolve());
      this.#child.once("error", (error) => {
        this.#spawnError = error;
        this.#greeted(error);
        resolve();
      });
    });
    // A pipe of Node's is a socketpair: both directions on one descriptor.
    const stream = this.#child.stdio[streamFd];
    if (!(stream instanceof Duplex)) throw new Error("the agent's stream is not one for both directions");
    this.#connection = new FrameConnection(stream, {
      frame: (frame) => this.#frame(frame),
      malformed: (error) => this.#breach(error),
      // Only when it is gone is there nothing left of its plugins.
      closed: () => void this.ended.then(() => this.#fail(this.#why ?? new Error(this.#epitaph(binary)))),
    });
    this.#orders = new Orders((type, id, body, onLost) => this.#connection.send(type, id, body, onLost));
    this.executor = new ShimExecutor(this.#orders, directories);
  }

  /** Ends the agent, and with it every plugin that it still runs. One that hangs is killed. */
  async close(): Promise<void> {
    this.#connection.destroy();
    const timer = setTimeout(() => this.#child.kill("SIGKILL"), endsWithinMs);
    await this.#exited;
    clearTimeout(timer);
  }

  /** The same at once: plugins are killed where they are. */
  async kill(): Promise<void> {
    this.#child.kill("SIGKILL");
    await this.#exited;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #epitaph(binary: string): string {
    const { signalCode, exitCode } = this.#child;
    const how = signalCode === null ? `with exit code ${exitCode}` : `by ${signalCode}`;
    const said = this.#isGreeted ? "" : this.#stderr.trim();
    return `the agent ${binary} ended ${how}${said === "" ? "" : `: ${said}`}`;
  }

  #greeting(): Promise<void> {
    if (this.#spawnError !== undefined) return Promise.reject(this.#spawnError);
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => this.#fail(new Error("the agent says nothing")), helloWithinMs);
      this.#greeted = (error) => {
        clearTimeout(timer);
        if (error === undefined) resolve();
        else reject(error);
      };
    });
  }

  #frame(frame: Frame): void {
    if (frame.type === FrameType.done) {
      this.#orders.done(frame);
      return;
    }
    if (frame.type !== FrameType.hello) {
      throw new FrameError("unexpected", `frame of type ${frame.type} has no place here`);
    }
    const hello = new Fields("HELLO", frame.body);
    const protocol = hello.unsigned("protocol");
    if (!speaksProtocol(protocol)) {
      const version = hello.text("version");
      this.#fail(
        new Error(
          `agent ${version} speaks protocol ${protocol}, not ${protocolVersion}: install both of one release`,
        ),
      );
      return;
    }
    this.#isGreeted = true;
    this.#greeted();
  }

  /** It broke the protocol, so its later answers cannot be trusted either. */
  #breach(error: FrameError): void {
    if (!this.#isGreeted) {
      this.#fail(error);
      return;
    }
    this.#why = new Error(`the agent broke the protocol (${error.message}) and was killed`);
    this.#connection.destroy();
    void this.kill();
  }

  #fail(error: Error): void {
    this.#greeted(error);
    this.#orders.end(error.message);
    this.#connection.destroy();
  }
}
