/** An executor that answers what the recorded delegates answered, and notes what it was asked. */

import {
  type Executor,
  ExecutorError,
  type ExpectedLink,
  type LinkState,
  type PluginOutcome,
  type PluginRun,
} from "../../src/agent/executor.ts";
import type { Call, Step } from "./cases.ts";

/** What the recorded delegates answer to VERSION, oldest first: to a configuration that names no version they answered in the form of these. */
export const knownVersions = ["0.3.0", "0.3.1", "0.4.0"];

/** What was asked of the namespace's default routes. */
export interface RouteOrder {
  readonly ifName: string;
  readonly clear: readonly (4 | 6)[];
  readonly gateways: readonly string[];
}

export class ReplayExecutor implements Executor {
  readonly calls: Call[] = [];
  readonly routes: RouteOrder[] = [];
  readonly #recorded: Call[];
  readonly #plugins: readonly string[];

  /** @param plugins those that are installed */
  constructor(step: Step, plugins: readonly string[]) {
    this.#recorded = [...step.calls];
    this.#plugins = plugins;
  }

  async runPlugin(run: PluginRun): Promise<PluginOutcome> {
    const { plugin, env } = run;
    if (!this.#plugins.includes(plugin)) {
      throw new ExecutorError("not-found", `no executable file ${plugin} in ${run.path}`);
    }
    if (env.CNI_COMMAND === "VERSION") {
      const versions = { cniVersion: "1.1.0", supportedVersions: knownVersions };
      const stdout = Buffer.from(JSON.stringify(versions));
      return { exitCode: 0, stdout, stderrTail: "", milliseconds: 0 };
    }
    const answer = this.#answer(plugin, env);
    const stdin = JSON.parse(Buffer.from(run.stdin).toString("utf8")) as Call["stdin"];
    this.calls.push({ plugin, env: { ...env }, stdin, ...answer });
    const stdout = typeof answer.stdout === "string" ? answer.stdout : JSON.stringify(answer.stdout);
    return { exitCode: answer.exit, stdout: Buffer.from(stdout), stderrTail: "", milliseconds: 0 };
  }

  async linkExists(): Promise<boolean> {
    return false;
  }

  /** The recorded delegates make no links: all are taken to be as they should be. */
  async linkStates(_netns: string, links: readonly ExpectedLink[]): Promise<readonly LinkState[]> {
    return links.map(() => ({ exists: true, mac: new Uint8Array(), absent: [] }));
  }

  async setDefaultRoutes(
    _netns: string,
    ifName: string,
    clear: readonly (4 | 6)[],
    gateways: readonly string[],
  ): Promise<void> {
    this.routes.push({ ifName, clear, gateways });
  }

  /** What the recorded delegate said to the same call; one that Go multus never made says nothing, which ADD does not take. */
  #answer(plugin: string, env: Readonly<Record<string, string>>): Pick<Call, "exit" | "stdout"> {
    const index = this.#recorded.findIndex(
      (call) =>
        call.plugin === plugin &&
        call.env.CNI_COMMAND === env.CNI_COMMAND &&
        call.env.CNI_IFNAME === env.CNI_IFNAME,
    );
    const [recorded] = index < 0 ? [] : this.#recorded.splice(index, 1);
    if (recorded === undefined && env.CNI_COMMAND === "ADD") {
      throw new ExecutorError("failed", `no recorded ADD of ${plugin} at ${env.CNI_IFNAME}`);
    }
    return recorded === undefined
      ? { exit: 0, stdout: "" }
      : { exit: recorded.exit, stdout: recorded.stdout };
  }
}
