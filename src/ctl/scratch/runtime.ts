/** Plays the container runtime: executes the plugin on the scratch node, as containerd would on a real one. */

import { basename, dirname } from "node:path";
import { AgentProcess } from "../../agent/agent-process.ts";
import type { Executor, PluginOutcome } from "../../agent/executor.ts";
import { errorText } from "../../log/error-text.ts";
import { UserError } from "../command/user-error.ts";
import { partPath } from "../node/installation.ts";
import type { ScratchNode } from "./scratch.ts";

/** Milliseconds that one call of the plugin may take; longer than the daemon gives a delegate. */
const callTimeout = 180_000;

/** One call, as the CNI spec has it (section 2). */
export interface Call {
  readonly command: "ADD" | "CHECK" | "DEL";
  readonly containerId: string;
  readonly netns: string;
  readonly ifName: string;
  readonly args: string;
  readonly netconf: unknown;
  /** Absolute path of the plugin's binary; undefined: ours. It is one of those that the runtime was started with. */
  readonly program?: string | undefined;
}

/** The project's own agent on the scratch node: it starts the plugin faster than Node would, and measures without Node's part in it. */
export class ScratchRuntime {
  readonly #agent: AgentProcess;
  readonly #binDirs: readonly string[];
  /** The stderr of the agent and its plugins since the beginning of the last call. */
  readonly #said: string[];

  private constructor(agent: AgentProcess, binDirs: readonly string[], said: string[]) {
    this.#agent = agent;
    this.#binDirs = binDirs;
    this.#said = said;
  }

  /**
   * @param binDirs absolute directories with plugins: CNI_PATH
   * @param programs absolute paths of further plugins that calls may name
   * @throws {UserError} with the agent's output, if it does not start
   */
  static async start(
    scratch: ScratchNode,
    binDirs: readonly string[],
    programs: readonly string[] = [],
  ): Promise<ScratchRuntime> {
    const shim = partPath("multus");
    const said: string[] = [];
    try {
      const agent = await AgentProcess.start({
        binary: shim,
        directories: [...new Set([shim, ...programs].map((program) => dirname(program))), ...binDirs],
        asRuntime: true,
        wrap: (command) => scratch.command(command),
        onStderr: (text) => said.push(text),
      });
      return new ScratchRuntime(agent, binDirs, said);
    } catch (error) {
      throw new UserError(`${errorText(error)}\n${said.join("")}`.trim());
    }
  }

  /** Runs plugins on the scratch node. */
  get executor(): Executor {
    return this.#agent.executor;
  }

  /** Executes the plugin and waits for its end. @throws {UserError} if it cannot be executed */
  async call({
    command,
    containerId,
    netns,
    ifName,
    args,
    netconf,
    program = partPath("multus"),
  }: Call): Promise<PluginOutcome> {
    this.#said.length = 0;
    try {
      return await this.#agent.executor.runPlugin({
        plugin: basename(program),
        path: dirname(program),
        env: {
          CNI_COMMAND: command,
          CNI_CONTAINERID: containerId,
          CNI_NETNS: netns,
          CNI_IFNAME: ifName,
          CNI_ARGS: args,
          CNI_PATH: this.#binDirs.join(":"),
        },
        stdin: Buffer.from(JSON.stringify(netconf)),
        timeoutMs: callTimeout,
      });
    } catch (error) {
      throw new UserError(
        `${command}: the plugin could not be executed on the scratch node: ${errorText(error)}\n${this.#said.join("")}`.trim(),
      );
    }
  }

  /** Ends the agent, and with it every plugin that it still runs; returns when the agent is gone. */
  stop(): Promise<void> {
    return this.#agent.kill();
  }
}
