/** Plugins that answer what the recorded delegates answered. */

import { ExecutorError, type PluginOutcome, type PluginRun } from "../../src/agent/executor.ts";
import { type PluginCall, PretendedPlugins } from "../support/pretended-plugins.ts";
import type { Call, Step } from "./cases.ts";

/** Versions that the recorded delegates support, oldest first: to a configuration that names no version they answered in the form of these. */
export const knownVersions = ["0.3.0", "0.3.1", "0.4.0"];

export class ReplayExecutor extends PretendedPlugins {
  /** Runs with their answers. */
  readonly answered: Call[] = [];
  readonly #recorded: Call[];
  readonly #plugins: readonly string[];

  /** @param plugins those that are installed */
  constructor(step: Step, plugins: readonly string[]) {
    super();
    this.#recorded = [...step.calls];
    this.#plugins = plugins;
    for (const plugin of plugins) this.versions.set(plugin, knownVersions);
    this.behaviour = (call) => {
      const { plugin, env } = call;
      const { exit, stdout } = this.#answer(call);
      this.answered.push({ plugin, env: { ...env }, stdin: call.stdin as Call["stdin"], exit, stdout });
      return { exitCode: exit, stdout: typeof stdout === "string" ? stdout : JSON.stringify(stdout) };
    };
    // The recorded delegates make no links: all are taken to be as they should be.
    this.look = (links) => links.map(() => ({ exists: true, mac: new Uint8Array(), absent: [] }));
  }

  override async runPlugin(run: PluginRun): Promise<PluginOutcome> {
    if (!this.#plugins.includes(run.plugin)) {
      throw new ExecutorError("not-found", `no executable file ${run.plugin} in ${run.path}`);
    }
    return super.runPlugin(run);
  }

  /** The recorded delegate's answer to the same call; Go multus never made the others: ADD fails there, the rest succeed. */
  #answer({ plugin, command, ifName }: PluginCall): Pick<Call, "exit" | "stdout"> {
    const index = this.#recorded.findIndex(
      (call) => call.plugin === plugin && call.env.CNI_COMMAND === command && call.env.CNI_IFNAME === ifName,
    );
    const [recorded] = index < 0 ? [] : this.#recorded.splice(index, 1);
    if (recorded !== undefined) return recorded;
    if (command === "ADD") throw new ExecutorError("failed", `no recorded ADD of ${plugin} at ${ifName}`);
    return { exit: 0, stdout: "" };
  }
}
