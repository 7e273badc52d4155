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
  readonly #runnerCommand: readonly [string, ...string[]];
  readonly #resources: AsyncDisposableStack;

  private constructor(
    node: TestNode,
    runnerCommand: readonly [string, ...string[]],
    resources: AsyncDisposableStack,
  ) {
    this.node = node;
    this.#runnerCommand = runnerCommand;
    this.#resources = resources;
    this.runner = this.startRunner();
  }

  /** Another native process that starts what is measured: for calls that are made at once. Ends with the node. */
  startRunner(): Runner {
    const runner = new Runner(this.#runnerCommand);
    this.#resources.defer(() => runner.close());
    return runner;
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
    return new BenchNode(node, [file, ...args], resources.move());
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#resources.disposeAsync();
  }
}
