/** Replay of the recorded DELs of a cniDir: all that are due, one after the other, in namespaces' turns (docs/wire.md, "The replay"). */

import { Slices } from "../../base/directory.ts";
import { entryOf } from "../../base/map-entry.ts";
import type { Logger } from "../../log/logger.ts";
import { type CarryOut, tryRecord } from "./attempt.ts";
import { SpoolDirectory, type SpoolEntry } from "./directory.ts";
import { dueAt, longestPauseMs, mostTries } from "./retry-rule.ts";
import { isSetAsBroken, nameWithTries, spoolNameKind } from "./spool.ts";
import { Turns, type Waiting } from "./turns.ts";

/** The shortest pause until the next replay, in milliseconds; the longest is that between two tries. */
const shortestPauseMs = 1_000;
/** Milliseconds after which the directory is read again: others may have come, and namespaces take turns with them. */
const listedForMs = 10_000;

interface ReplayOptions {
  /** Of the call that has recorded, or found records. */
  readonly cniDir: string;
  readonly log: Logger;
  /** Milliseconds since 1970. */
  readonly now: () => number;
  readonly goesOn: () => boolean;
  readonly carryOut: CarryOut;
}

/** A record, when it is due, and what its turn depends on. */
interface Recorded extends SpoolEntry, Waiting {
  /** Milliseconds since 1970. */
  readonly dueAt: number;
}

export class Replay {
  readonly #options: ReplayOptions;
  readonly #directory: SpoolDirectory;
  /** Files that can be neither carried out nor set aside, by name. */
  readonly #stuck = new Set<string>();
  readonly #shares = new Map<string, string>();

  /** @throws {Error} of node:fs where the directory is not there; or saying that it is none */
  constructor(options: ReplayOptions) {
    this.#options = options;
    this.#directory = new SpoolDirectory(options.cniDir, options.log);
  }

  /**
   * Does what is due, and sets aside what is no record.
   * @returns milliseconds until there is something to do again; undefined: nothing waits
   * @throws {Error} of node:fs where the directory cannot be read
   */
  async run(): Promise<number | undefined> {
    for (;;) {
      const recorded = await this.#list();
      const end = await this.#replay(recorded);
      if (end === "broken off") return shortestPauseMs;
      if (end === "nothing due") return this.#pauseMs(recorded);
    }
  }

  /** @returns `listed long ago`, `all tried`: there may be more */
  async #replay(
    recorded: readonly Recorded[],
  ): Promise<"broken off" | "nothing due" | "listed long ago" | "all tried"> {
    const { carryOut, goesOn, log, now } = this.#options;
    const listedUntil = performance.now() + listedForMs;
    const turns = new Turns(recorded);
    let tried = 0;
    for (let entry = turns.next(); entry !== undefined; entry = turns.next()) {
      if (!goesOn()) return "broken off";
      if (this.#isStuck(entry)) {
        turns.note(entry, false, now());
        continue;
      }
      const end = await tryRecord({ directory: this.#directory, log, now }, entry, carryOut);
      if (end === "broken off") return end;
      if (end === "stuck") this.#stuck.add(entry.name);
      turns.note(entry, end === "done", now());
      tried++;
      if (performance.now() > listedUntil) return "listed long ago";
    }
    return tried === 0 ? "nothing due" : "all tried";
  }

  /** Records in the order of their names. Broken ones are set aside. @throws {Error} of node:fs */
  async #list(): Promise<Recorded[]> {
    const { now } = this.#options;
    const slices = new Slices();
    const recorded: Recorded[] = [];
    const names = await this.#directory.names();
    const present = new Set(names);
    for (const name of this.#stuck) if (!present.has(name)) this.#stuck.delete(name);
    for (const name of names) {
      await slices.pause();
      const file = spoolNameKind(name);
      if (file.kind === "broken" && !isSetAsBroken(name)) await this.#setAside(name);
      if (file.kind !== "record") continue;
      const { containerId, tries } = file;
      const status = this.#directory.status(name);
      if (status === undefined) continue;
      const { mtimeMs: modifiedMs } = status;
      if (tries > mostTries) {
        if (this.#isStuck({ name }) || (await this.#directory.setCrashAside({ name }))) continue;
        this.#stuck.add(name);
        continue;
      }
      const time = now();
      const due = dueAt(tries, modifiedMs, time);
      const isDue = due <= time;
      const triedAt = tries === 0 ? 0 : modifiedMs;
      recorded.push({ name, containerId, tries, modifiedMs, dueAt: due, isDue, share: "", triedAt });
    }
    return this.#withShares(recorded, slices);
  }

  /** Of a single one that is due nothing has to be looked at. */
  async #withShares(recorded: readonly Recorded[], slices: Slices): Promise<Recorded[]> {
    const isAlone = recorded.filter(({ isDue }) => isDue).length <= 1;
    const withShares: Recorded[] = [];
    for (const entry of recorded) {
      await slices.pause();
      withShares.push(isAlone ? entry : { ...entry, share: this.#shareOf(entry.name) });
    }
    return withShares;
  }

  #shareOf(name: string): string {
    return entryOf(this.#shares, nameWithTries(name, 0), () => this.#directory.namespaceOf(name));
  }

  /** Nothing is said of what cannot be removed: a daemon that starts says it, and so does an ADD of its container. */
  #isStuck({ name }: Pick<SpoolEntry, "name">): boolean {
    if (!this.#stuck.has(name) && this.#directory.obstacleTo(name) === undefined) return false;
    this.#stuck.add(name);
    return true;
  }

  async #setAside(name: string): Promise<void> {
    if (this.#isStuck({ name })) return;
    if (!(await this.#directory.setAside(name, "it is not named like one"))) this.#stuck.add(name);
  }

  /** Of each container the first record counts: those behind it wait for it. */
  #pauseMs(recorded: readonly Recorded[]): number | undefined {
    const now = this.#options.now();
    let pauseMs = this.#stuck.size > 0 ? longestPauseMs : undefined;
    const seen = new Set<string>();
    for (const { name, containerId, dueAt: due } of recorded) {
      if (seen.has(containerId)) continue;
      seen.add(containerId);
      const waitMs = this.#stuck.has(name) ? longestPauseMs : Math.ceil(due - now);
      pauseMs = Math.min(pauseMs ?? longestPauseMs, Math.max(shortestPauseMs, waitMs));
    }
    return pauseMs;
  }
}
