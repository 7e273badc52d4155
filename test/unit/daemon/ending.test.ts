import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { Ending, type EndingParts } from "../../../src/daemon/ending.ts";
import { ConfigRemoval, type Removal } from "../../../src/runtime-config/removal.ts";
import { RecordingLogger } from "../../support/recording-logger.ts";

/** Kubernetes sends SIGKILL so many milliseconds after SIGTERM. */
const graceMs = 30_000;

beforeEach(() => {
  vi.useFakeTimers();
});

afterEach(() => {
  vi.useRealTimers();
});

const never = () => new Promise<never>(() => {});
/** Takes all the time that it is given. */
const slowly =
  <Value>(value: Value) =>
  (limitMs: number) =>
    new Promise<Value>((resolve) => setTimeout(() => resolve(value), limitMs));

/** A daemon whose parts end at once, but for those given; what happens is in `events`. */
function newEnding(over: Partial<EndingParts> = {}) {
  const events: string[] = [];
  const began = performance.now();
  let endedAfter: number | undefined;
  const ending = new Ending({
    listening: Promise.resolve(),
    server: { stop: async () => 0, retire: async () => 0 },
    agents: { close: async () => {} },
    clusters: { close: async () => 0 },
    telemetry: { close: async () => {} },
    runtimeConfig: {
      freeze: () => events.push("freeze"),
      leave: ({ isWanted }) => events.push(isWanted ? "leave" : "keep"),
    },
    removal: { answer: { isWanted: true, because: "a test" }, settle: async () => {} },
    log: Object.assign(new RecordingLogger(), { panic: () => {} }),
    closeLogs: async () => {},
    exit: (code) => {
      // Calls that a process would still make after its end do not count.
      if (endedAfter !== undefined) return;
      endedAfter = performance.now() - began;
      events.push(`exit ${code}`);
    },
    ...over,
  });
  return { ending, events, endedAfter: () => endedAfter };
}

/** Settles what is settled already. */
const settle = () => vi.advanceTimersByTimeAsync(0);

describe("a daemon that is told to stop", () => {
  test("takes the runtime's file away when requests, agents and reports have ended, and ends well", async () => {
    const order: string[] = [];
    const step = async <Value>(name: string, value: Value): Promise<Value> => {
      order.push(name);
      return value;
    };
    const { ending, events } = newEnding({
      server: { stop: () => step("requests", 0), retire: never },
      agents: { close: () => step("agents", undefined) },
      clusters: { close: () => step("reports", 0) },
      closeLogs: () => step("logs", undefined),
    });
    ending.stop("SIGTERM");
    await settle();
    expect(events).toEqual(["freeze", "leave", "exit 0"]);
    expect(order).toEqual(["requests", "reports", "agents", "logs"]);
  });

  test("has ended before it would be killed, and the file is gone, where each part takes all the time that it is given and an agent does not end", async () => {
    const { ending, events, endedAfter } = newEnding({
      server: { stop: slowly(3), retire: never },
      agents: { close: never },
      clusters: { close: slowly(2) },
      telemetry: { close: slowly(undefined) },
    });
    ending.stop("SIGTERM");
    await vi.advanceTimersByTimeAsync(graceMs);
    expect(events).toEqual(["freeze", "leave", "exit 0"]);
    expect(endedAfter()).toBeLessThan(graceMs - 3_000);
  });

  test.each<[string, Partial<EndingParts>]>([
    ["requests", { server: { stop: never, retire: never } }],
    ["reports", { clusters: { close: never } }],
    ["spans", { telemetry: { close: never } }],
    ["log files", { closeLogs: never }],
  ])("has ended before it would be killed, and the file is gone, where %s never end", async (_, over) => {
    const { ending, events, endedAfter } = newEnding(over);
    ending.stop("SIGTERM");
    await vi.advanceTimersByTimeAsync(graceMs);
    expect(events).toEqual(["freeze", "leave", "exit 1"]);
    expect(endedAfter()).toBeLessThan(graceMs - 3_000);
  });

  test("takes the file away where something fails", async () => {
    const fail = () => Promise.reject(new Error("broken"));
    const { ending, events } = newEnding({ clusters: { close: fail } });
    ending.stop("SIGTERM");
    await settle();
    expect(events).toEqual(["freeze", "leave", "exit 1"]);
  });

  test("twice ends at once, and takes the file away", async () => {
    const { ending, events } = newEnding({ server: { stop: never, retire: never } });
    ending.stop("SIGTERM");
    await settle();
    ending.stop("SIGINT");
    expect(events).toEqual(["freeze", "leave", "exit 1"]);
  });
});

/** Answers of the API about the DaemonSet, some time after the question. */
const deleted = { isWanted: true, because: "the DaemonSet is deleted" };
const there = { isWanted: false, because: "the DaemonSet is there" };

describe("a daemon whose file goes with its DaemonSet alone", () => {
  test.each([
    [deleted, "leave"],
    [there, "keep"],
  ])("%j: %s", async (answer, event) => {
    const { ending, events } = newEnding({ removal: new ConfigRemoval("auto", async () => answer) });
    ending.stop("SIGTERM");
    await settle();
    expect(events).toEqual(["freeze", event, "exit 0"]);
  });

  test("asks when its requests have ended, and while the connection to the API is there", async () => {
    const order: string[] = [];
    const requests = Promise.withResolvers<number>();
    const answer = Promise.withResolvers<Removal>();
    const { ending, events } = newEnding({
      server: { stop: () => requests.promise, retire: never },
      clusters: {
        close: async (_limitMs, until) => {
          order.push("flush");
          await until;
          order.push("closed");
          return 0;
        },
      },
      removal: new ConfigRemoval("auto", () => {
        order.push("asked");
        return answer.promise;
      }),
    });
    ending.stop("SIGTERM");
    await settle();
    expect(order).toEqual([]);
    requests.resolve(0);
    await settle();
    expect(order).toEqual(["asked", "flush"]);
    answer.resolve(deleted);
    await settle();
    expect(order).toEqual(["asked", "flush", "closed"]);
    expect(events).toEqual(["freeze", "leave", "exit 0"]);
  });

  test("keeps it where no answer comes, and has ended before it would be killed", async () => {
    const { ending, events, endedAfter } = newEnding({
      server: { stop: slowly(3), retire: never },
      clusters: { close: slowly(2) },
      removal: new ConfigRemoval("auto", never),
    });
    ending.stop("SIGTERM");
    await vi.advanceTimersByTimeAsync(graceMs);
    expect(events).toEqual(["freeze", "keep", "exit 1"]);
    expect(endedAfter()).toBeLessThan(graceMs - 3_000);
  });

  test("keeps it where the daemon is told twice to stop", async () => {
    const { ending, events } = newEnding({ removal: new ConfigRemoval("auto", never) });
    ending.stop("SIGTERM");
    await settle();
    ending.stop("SIGINT");
    expect(events).toEqual(["freeze", "keep", "exit 1"]);
  });

  test("keeps it where it knows of no DaemonSet", async () => {
    const { ending, events } = newEnding({ removal: new ConfigRemoval("auto", undefined) });
    ending.stop("SIGTERM");
    await settle();
    expect(events).toEqual(["freeze", "keep", "exit 0"]);
  });

  test.each([true, false])("does not ask where cleanupConfigOnExit is %s", async (setting) => {
    const ask = vi.fn(never);
    const { ending, events } = newEnding({ removal: new ConfigRemoval(setting, ask) });
    ending.stop("SIGTERM");
    await settle();
    expect(events).toEqual(["freeze", setting ? "leave" : "keep", "exit 0"]);
    expect(ask).not.toHaveBeenCalled();
  });
});

describe("a daemon that ends of itself", () => {
  test("leaves the file for the next one", async () => {
    const { ending, events } = newEnding();
    ending.retire(60);
    await settle();
    expect(events).toEqual(["freeze", "exit 0"]);
  });

  test("waits for its last requests as long as they take", async () => {
    const { ending, events } = newEnding({ server: { stop: never, retire: () => slowly(0)(600_000) } });
    ending.retire(60);
    await vi.advanceTimersByTimeAsync(599_000);
    expect(events).toEqual(["freeze"]);
    await vi.advanceTimersByTimeAsync(2_000);
    expect(events).toEqual(["freeze", "exit 0"]);
  });

  test("and is told to stop meanwhile ends in order and in time, and takes the file away", async () => {
    const retired = Promise.withResolvers<number>();
    const stop = vi.fn(async (limitMs: number) => {
      const unfinished = await slowly(2)(limitMs);
      retired.resolve(0);
      return unfinished;
    });
    const { ending, events, endedAfter } = newEnding({ server: { stop, retire: () => retired.promise } });
    ending.retire(60);
    await settle();
    ending.stop("SIGTERM");
    await vi.advanceTimersByTimeAsync(graceMs);
    expect(stop).toHaveBeenCalledTimes(1);
    expect(events).toEqual(["freeze", "leave", "exit 0"]);
    expect(endedAfter()).toBeLessThan(graceMs - 3_000);
  });

  test.each<[string, (hold: () => Promise<void>) => Partial<EndingParts>]>([
    ["agents", (hold) => ({ agents: { close: hold } })],
    ["log files", (hold) => ({ closeLogs: hold })],
  ])("and is told to stop while its %s are closed takes the file away", async (_, partsWith) => {
    const held = Promise.withResolvers<void>();
    const { ending, events } = newEnding(partsWith(() => held.promise));
    ending.retire(60);
    await settle();
    ending.stop("SIGTERM");
    held.resolve();
    await settle();
    expect(events).toEqual(["freeze", "leave", "exit 0"]);
  });

  test("does not begin to when it is stopping", async () => {
    const retire = vi.fn(never);
    const { ending } = newEnding({ server: { stop: never, retire } });
    ending.stop("SIGTERM");
    ending.retire(60);
    await settle();
    expect(retire).not.toHaveBeenCalled();
  });
});
