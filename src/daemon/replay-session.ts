/** A replay of recorded DELs through a shim that stays for it: each record is a request like any DEL, with the shim's stream as its executor (docs/wire.md, "The replay"). */

import { isAbsolute, join } from "node:path";
import type { Executor } from "../agent/executor.ts";
import { quoted } from "../log/quoted.ts";
import { spoolDirectory } from "../multus/input/cni-dir.ts";
import type { DelEnd, RecordedRequest } from "../multus/spool/attempt.ts";
import { Replay } from "../multus/spool/replay.ts";
import type { RequestHandler, RequestLine } from "./request-line.ts";

/** The services behind replays of recorded DELs. */
export interface ReplayContext {
  readonly line: RequestLine;
  readonly handle: RequestHandler;
  /** Directories of recorded DELs that are being replayed. */
  readonly replayed: Set<string>;
}

/** Milliseconds after which a shim asks again whose records another one is just having replayed. */
const whileReplayedMs = 1_000;

export class ReplaySession {
  readonly #context: ReplayContext;
  readonly #cniDir: string;
  readonly #executor: Executor;
  #isGone = false;
  /** Ends the record that is being carried out, or waits for its turn. */
  #giveUp: (() => void) | undefined;

  /** @param executor of the shim's stream */
  constructor(context: ReplayContext, cniDir: string, executor: Executor) {
    this.#context = context;
    this.#cniDir = cniDir;
    this.#executor = executor;
  }

  /** Is a record being carried out, or does one wait for its turn? */
  get isCarryingOut(): boolean {
    return this.#giveUp !== undefined;
  }

  /**
   * Does what is due.
   * @returns milliseconds until there is something to do again; undefined: nothing waits
   * @throws {Error} where the records cannot be read
   */
  async run(): Promise<number | undefined> {
    if (!isAbsolute(this.#cniDir)) throw new Error(`cniDir ${quoted(this.#cniDir)} is not an absolute path`);
    const { replayed, line } = this.#context;
    const directory = join(this.#cniDir, spoolDirectory);
    // A shim that was killed may have left one that is just ending.
    if (replayed.has(directory)) return whileReplayedMs;
    replayed.add(directory);
    try {
      const replay = new Replay({
        cniDir: this.#cniDir,
        log: line.loggers.daemon,
        now: Date.now,
        goesOn: () => this.#goesOn,
        carryOut: (recorded) => this.#carryOut(recorded),
      });
      return await replay.run();
    } finally {
      replayed.delete(directory);
    }
  }

  /** The shim is gone: nothing more is begun. */
  end(): void {
    this.#isGone = true;
    this.#giveUp?.();
  }

  get #goesOn(): boolean {
    return !this.#isGone && this.#context.line.stopping.mayBeginRecorded;
  }

  async #carryOut(recorded: RecordedRequest): Promise<DelEnd> {
    try {
      return await this.#serve(recorded);
    } finally {
      this.#giveUp = undefined;
    }
  }

  #serve({ request, begin, executorOver }: RecordedRequest): Promise<DelEnd> {
    const { line, handle } = this.#context;
    return new Promise((resolve) => {
      let hasBegun = false;
      const giveUp = line.serve({
        request,
        executor: this.#executor,
        begin: () => {
          // It may have waited for its turn while the daemon was told to stop, or a request of its container has done it.
          hasBegun = this.#goesOn && begin();
          if (!hasBegun) resolve("not begun");
          return hasBegun;
        },
        handle: (one, executor, ...more) => handle(one, executorOver(executor), ...more),
        answer: ({ exitCode }) => {
          // Without a turn nothing was begun: too much waits already.
          if (!hasBegun) resolve("not begun");
          else if (exitCode === 0) resolve("succeeded");
          else resolve(this.#isGone ? "broken off" : "failed");
          line.observer?.httpAnswered("/cni", "POST", exitCode === 0 ? 200 : 400);
        },
        isGone: () => this.#isGone,
      });
      this.#giveUp = () => {
        giveUp();
        // A request that has left the line is not answered.
        if (!hasBegun) resolve("not begun");
      };
    });
  }
}
