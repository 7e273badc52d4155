/**
 * A file system of a measured node's own: a fresh ext4 with a journal, as nodes have. The machine's own file system would be measured too: ext4
 * without a journal looks, for each new file, at every inode that was freed in the last minute or more, so an ADD right after a test run took 8 ms longer.
 */

import { mkdirSync, truncateSync } from "node:fs";
import { join } from "node:path";
import { runCommand, runOrThrow } from "./command.ts";
import { ScratchDirectory } from "./scratch-directory.ts";

/** More than the logs and files of 110 pods need; blocks that are not written take no room on the machine. */
const bytes = 1024 ** 3;

export class NodeDisk implements AsyncDisposable {
  /** Where it is mounted. */
  readonly path: string;
  readonly #scratch: ScratchDirectory;

  private constructor(scratch: ScratchDirectory) {
    this.#scratch = scratch;
    this.path = join(scratch.path, "files");
  }

  /** Without loop devices, as in some containers, it is an ordinary directory, with a note on stderr. */
  static async mount(): Promise<NodeDisk> {
    const scratch = new ScratchDirectory("disk");
    const disk = new NodeDisk(scratch);
    mkdirSync(disk.path);
    try {
      const image = scratch.write("image", "");
      truncateSync(image, bytes);
      // All of it is written now: a thread of the kernel's would do so during the measurement.
      const options = "lazy_itable_init=0,lazy_journal_init=0";
      await runOrThrow(["mkfs.ext4", "-q", "-N", "32768", "-O", "has_journal", "-E", options, image]);
      await runOrThrow(["mount", "-o", "loop", image, disk.path]);
    } catch (error) {
      process.stderr.write(`measured on the machine's own file system, as there can be no other: ${error}\n`);
    }
    return disk;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // The loop device goes with the mount.
    await runCommand(["umount", "--lazy", this.path]);
    this.#scratch[Symbol.dispose]();
  }
}
