/** multusctl as kubectl's plugin: kubectl itself finds and starts it. */

import { mkdirSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { runCommand } from "../command.ts";
import { multusctl } from "../multusctl.ts";
import { kubernetesProgram } from "./binaries.ts";

export interface PluginOutcome {
  readonly exitCode: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export class KubectlPlugin {
  readonly #directory: string;

  /** @param directory an existing one, where it is installed as a user does it */
  constructor(directory: string) {
    this.#directory = join(directory, "kubectl-plugins");
    mkdirSync(this.#directory);
    symlinkSync(multusctl, join(this.#directory, "kubectl-multus"));
    // For the first line of the bundle.
    symlinkSync(process.execPath, join(this.#directory, "node"));
  }

  /** `kubectl multus …` @param kubeconfig path; KUBECONFIG of its environment */
  async run(kubeconfig: string, ...args: readonly string[]): Promise<PluginOutcome> {
    const { exitCode, stdout, stderr } = await runCommand([kubernetesProgram("kubectl"), "multus", ...args], {
      env: { HOME: this.#directory, KUBECONFIG: kubeconfig, PATH: `${this.#directory}:${process.env.PATH}` },
    });
    return { exitCode, stdout: stdout.toString(), stderr };
  }
}
