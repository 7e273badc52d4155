/** One try of a recorded DEL: read, counted beforehand, carried out, and removed or counted (docs/wire.md, "The replay"). */

import type { Executor } from "../../agent/executor.ts";
import type { CniRequest } from "../../cni/request.ts";
import { errorText } from "../../log/error-text.ts";
import type { Logger } from "../../log/logger.ts";
import type { Begun, SpoolDirectory, SpoolEntry } from "./directory.ts";
import type { RecordedDel } from "./record.ts";
import { RecordedExecutor } from "./recorded-executor.ts";
import { dueAt, mostTries, triesLeftOf } from "./retry-rule.ts";

export interface RecordedRequest {
  readonly request: CniRequest;
  /** To be called when its turn has come, and before anything else is done for it. @returns false: nothing may be done */
  begin(): boolean;
  /** The executor for its plugins. Its time begins with the call. */
  executorOver(executor: Executor): Executor;
}

/** `broken off`: nobody is there to run its plugins any more; that says nothing about them. `not begun`: `begin` was not called, or said no. */
export type DelEnd = "succeeded" | "failed" | "broken off" | "not begun";

/** Carries a recorded DEL out. Never throws. */
export type CarryOut = (recorded: RecordedRequest) => Promise<DelEnd>;

/**
 * The end of a try, for its record. `done`: there is nothing left to do of it; `left`: it stays until it is due again; `stuck`: it can be neither carried out nor set aside; `gone`: somebody
 * else has done or renamed it; `broken off`: it stays as it was, and nothing more can be done now.
 */
type RecordEnd = "done" | "left" | "stuck" | "gone" | "broken off";

export interface AttemptContext {
  readonly directory: SpoolDirectory;
  readonly log: Logger;
  /** Milliseconds since 1970. */
  readonly now: () => number;
}

/** Tries a record, due or not: a try before its time is not counted, as a runtime that repeats its DEL would use them all up in minutes. */
export async function tryRecord(
  context: AttemptContext,
  entry: SpoolEntry,
  carryOut: CarryOut,
): Promise<RecordEnd> {
  const { directory, log, now } = context;
  try {
    const read = directory.read(entry);
    if (read === "gone") return "gone";
    if ("problem" in read) return (await directory.setAside(entry.name, read.problem)) ? "done" : "stuck";
    const isDue = dueAt(entry.tries, entry.modifiedMs, now()) <= now();
    let begun: Begun | undefined;
    const end = await carryOut({
      request: requestOf(read.record, isDue ? triesLeftOf(entry.tries) : mostTries),
      begin() {
        begun = directory.begin(entry, now());
        return begun === "begun";
      },
      executorOver: (executor) => new RecordedExecutor(executor, read.record.identity),
    });
    if (begun === "begun") return await settle(context, entry, end, isDue);
    if (begun === undefined) return "broken off";
    return begun === "gone" ? "gone" : "stuck";
  } catch (error) {
    log.error("a recorded DEL cannot be read", { file: entry.name, error: errorText(error) });
    return "stuck";
  }
}

async function settle(
  { directory, now }: AttemptContext,
  entry: SpoolEntry,
  end: DelEnd,
  isDue: boolean,
): Promise<RecordEnd> {
  if (end === "succeeded" && (await directory.remove(entry))) return "done";
  const isCounted = isDue && (end === "succeeded" || end === "failed");
  if (isCounted) await directory.count(entry, now());
  else directory.giveBack(entry);
  return end === "succeeded" || end === "failed" ? "left" : "broken off";
}

function requestOf({ identity, traceparent, ...record }: RecordedDel, triesLeft: number): CniRequest {
  return {
    ...record,
    // Something else may be at the path by the time a plugin looks.
    netns: identity === undefined ? "" : record.netns,
    ...(traceparent === "" ? {} : { traceparent }),
    triesLeft,
  };
}
