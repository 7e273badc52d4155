/** The longest turn of a daemon's event loop: how long its /healthz can have waited for the daemon itself. */

import { readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { vi } from "vitest";
import type { Daemon } from "./daemon.ts";

const program = join(import.meta.dirname, "loop-probe.mjs");

export class LoopProbe {
  readonly #file: string;

  /** @param directory where it leaves a file */
  constructor(directory: string) {
    this.#file = join(directory, "longest-turn");
  }

  /** For the daemon that is measured. */
  get environment(): Record<string, string> {
    return { NODE_OPTIONS: `--import=${program}`, LOOP_PROBE: this.#file };
  }

  /** Begins to measure. Earlier turns do not count: a daemon's start is one long turn. */
  async begin(daemon: Daemon): Promise<void> {
    rmSync(this.#file, { force: true });
    process.kill(daemon.pid, "SIGUSR2");
    await vi.waitFor(() => readFileSync(this.#file), { timeout: 30_000 });
  }

  /** CPU time of the longest turn since, in ms; that of up to two ticks of the probe is in it. */
  get longestMs(): number {
    return Number(readFileSync(this.#file, "utf8"));
  }
}
