/** A control group with a limit of memory, as a container's: what is started in it is killed by the kernel where it needs more. */

import { appendFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { removeCgroups } from "./cgroups.ts";
import { uniqueName } from "./session.ts";

const mountPoint = "/sys/fs/cgroup";
const v1 = join(mountPoint, "memory");

interface Files {
  readonly directory: string;
  readonly limit: string;
  readonly peak: string;
  readonly events: string;
}

function filesOf(name: string): Files {
  if (existsSync(join(v1, "memory.limit_in_bytes"))) {
    const directory = join(v1, name);
    return {
      directory,
      limit: "memory.limit_in_bytes",
      peak: "memory.max_usage_in_bytes",
      events: "memory.oom_control",
    };
  }
  return {
    directory: join(mountPoint, name),
    limit: "memory.max",
    peak: "memory.peak",
    events: "memory.events",
  };
}

export class MemoryGroup implements AsyncDisposable {
  readonly #name: string;
  readonly #files: Files;

  private constructor(name: string, files: Files) {
    this.#name = name;
    this.#files = files;
  }

  /** @param limit bytes @throws {Error} where this user may not make one */
  static create(limit: number): MemoryGroup {
    const name = uniqueName("memory");
    const files = filesOf(name);
    if (files.limit === "memory.max") appendFileSync(join(mountPoint, "cgroup.subtree_control"), "+memory");
    mkdirSync(files.directory);
    const group = new MemoryGroup(name, files);
    writeFileSync(join(files.directory, files.limit), String(limit));
    return group;
  }

  /** Words before a command that start it in the group, and become it. */
  get through(): readonly string[] {
    return ["sh", "-c", 'echo $$ >"$0/cgroup.procs" && exec "$@"', this.#files.directory];
  }

  /** The most that it ever had, in bytes: files that were read among it. */
  get peak(): number {
    return Number(this.#read(this.#files.peak));
  }

  /** Processes that were killed for want of memory. */
  get kills(): number {
    const count = /^oom_kill (\d+)$/m.exec(this.#read(this.#files.events))?.[1];
    if (count === undefined) throw new Error(`${this.#files.events} has no oom_kill`);
    return Number(count);
  }

  #read(file: string): string {
    return readFileSync(join(this.#files.directory, file), "utf8");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await removeCgroups((name) => name === this.#name);
  }
}
