/** A node to measure on: a test node with the delegate that costs nothing, and the native process in its namespace that starts what is measured. */

import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { TestNode, type TestNodeOptions } from "../test/support/test-node.ts";
import { fixedResultPlugin } from "./networks.ts";
import { buildRunner, Runner } from "./runner.ts";

export class BenchNode implements AsyncDisposable {
  readonly node: TestNode;
  readonly runner: Runner;

  private constructor(node: TestNode, runner: Runner) {
    this.node = node;
    this.runner = runner;
  }

  static async start(options: TestNodeOptions): Promise<BenchNode> {
    const node = await TestNode.start(options);
    try {
      const runnerBinary = join(node.directory, "runner");
      buildRunner(join(import.meta.dirname, "runner.c"), runnerBinary);
      execFileSync(process.env.CC ?? "cc", [
        ...["-O2", "-static", "-o", join(node.binDir, fixedResultPlugin)],
        join(import.meta.dirname, "fixed-result.c"),
      ]);
      const [file = "", ...args] = node.network.enter(runnerBinary);
      return new BenchNode(node, new Runner([file, ...args]));
    } catch (error) {
      await node[Symbol.asyncDispose]();
      throw error;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.runner.close();
    await this.node[Symbol.asyncDispose]();
  }
}
