/**
 * A node to measure on: a test node with a disk of its own, the delegate that costs nothing, and the native process in its namespace that starts what
 * is measured.
 */

import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { NodeDisk } from "../test/support/node-disk.ts";
import { TestNode, type TestNodeOptions } from "../test/support/test-node.ts";
import { fixedResultPlugin } from "./networks.ts";
import { buildRunner, Runner } from "./runner.ts";

export class BenchNode implements AsyncDisposable {
  readonly node: TestNode;
  readonly runner: Runner;
  readonly #resources: AsyncDisposableStack;

  private constructor(node: TestNode, runner: Runner, resources: AsyncDisposableStack) {
    this.node = node;
    this.runner = runner;
    this.#resources = resources;
  }

  static async start(options: TestNodeOptions): Promise<BenchNode> {
    await using resources = new AsyncDisposableStack();
    const disk = resources.use(await NodeDisk.mount());
    const node = resources.use(await TestNode.start({ ...options, parentDirectory: disk.path }));
    const runnerBinary = join(node.directory, "runner");
    buildRunner(join(import.meta.dirname, "runner.c"), runnerBinary);
    execFileSync(process.env.CC ?? "cc", [
      ...["-O2", "-static", "-o", join(node.binDir, fixedResultPlugin)],
      join(import.meta.dirname, "fixed-result.c"),
    ]);
    const [file = "", ...args] = node.network.enter(runnerBinary);
    const runner = new Runner([file, ...args]);
    resources.defer(() => runner.close());
    return new BenchNode(node, runner, resources.move());
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#resources.disposeAsync();
  }
}
