/** With onMissingNetworks: evict the pods that lack their networks are evicted one after the other, and no others; a PodDisruptionBudget is waited for. */

import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { silentLogger } from "../../../src/log/logger.ts";
import { MissingEvictions } from "../../../src/multus/background/evict-missing.ts";
import type { EvictionAnswer, RunningPod } from "../../../src/multus/cluster/cluster.ts";
import { RecordingLogger } from "../../support/recording-logger.ts";

/** `name at milliseconds` of each request. */
let asked: string[];
let answer: (name: string) => EvictionAnswer;
let isMultusCalled: boolean;
let began: number;

beforeEach(() => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "performance"] });
  asked = [];
  answer = () => evicted;
  isMultusCalled = true;
  began = performance.now();
});

afterEach(() => void vi.useRealTimers());

const evicted: EvictionAnswer = { outcome: "evicted", reason: "", retryAfterMs: 0 };

function pod(name: string, controller = "ReplicaSet", isStatic = false): RunningPod {
  const reference = { namespace: "default", name, uid: `uid-${name}`, sandboxId: "" };
  return { pod: reference, runtimeUid: reference.uid, isStatic, controller };
}

function evictions({ daemonSets = false, barePods = false, log = silentLogger } = {}): MissingEvictions {
  return new MissingEvictions({
    lacking: {
      evict: async ({ name, uid }) => {
        expect(uid).toBe(`uid-${name}`);
        asked.push(`${name} at ${performance.now() - began}`);
        return answer(name);
      },
    },
    policy: { daemonSets, barePods, isMultusCalled: () => isMultusCalled },
    log,
  });
}

const pass = (milliseconds: number) => vi.advanceTimersByTimeAsync(milliseconds);

test("pods are evicted one after the other, with pauses, each once", async () => {
  const them = evictions();
  const pods = ["a", "b", "c"].map((name) => pod(name));
  them.follow(pods);
  them.follow(pods);
  await pass(60_000);
  expect(asked).toEqual(["a at 2000", "b at 4000", "c at 6000"]);
  expect(them.of("default/a")).toEqual({ state: "asked", reason: "" });
});

describe("are spared, unless they are asked for", () => {
  const pods = [pod("set", "DaemonSet"), pod("bare", ""), pod("static", "Node", true), pod("job", "Job")];
  const evictedOf = async (also: { daemonSets?: boolean; barePods?: boolean }) => {
    const them = evictions(also);
    them.follow(pods);
    await pass(60_000);
    const states = pods.map(({ pod: { name } }) => them.of(`default/${name}`)?.state);
    return [asked.map((text) => text.split(" ")[0]), states];
  };

  test("pods of DaemonSets, those that no controller makes again; static pods always", async () => {
    expect(await evictedOf({})).toEqual([["job"], ["spared", "spared", "spared", "asked"]]);
  });

  test.each([
    [{ daemonSets: true }, ["set", "job"]],
    [{ barePods: true }, ["bare", "job"]],
    [{ daemonSets: true, barePods: true }, ["set", "bare", "job"]],
  ])("with %j", async (also, names) => {
    expect((await evictedOf(also))[0]).toEqual(names);
  });

  test("and it is said why", () => {
    const them = evictions();
    them.follow(pods);
    expect(them.of("default/static")?.reason).toMatch(/only its mirror/);
    expect(them.of("default/set")?.reason).toMatch(/evictAlso: daemonSets/);
    expect(them.of("default/bare")?.reason).toMatch(/evictAlso: barePods/);
  });
});

test("a PodDisruptionBudget is asked again, with growing pauses, while other pods have their turn", async () => {
  const them = evictions();
  const later: EvictionAnswer = { outcome: "later", reason: "429 the budget", retryAfterMs: 15_000 };
  answer = (name) => (name === "a" ? later : evicted);
  them.follow([pod("a"), pod("b")]);
  await pass(5_000);
  expect(asked).toEqual(["a at 2000", "b at 4000"]);
  expect(them.of("default/a")).toEqual({ state: "waits", reason: "429 the budget" });
  await pass(60_000);
  // The server asks for 15 s; then the own pauses are the longer ones.
  expect(asked.slice(2)).toEqual(["a at 17000", "a at 37000"]);
  answer = () => evicted;
  await pass(60_000);
  expect(asked.slice(4)).toEqual(["a at 77000"]);
  expect(them.of("default/a")).toEqual({ state: "asked", reason: "" });
});

test("a server that refuses is asked again after minutes, and the log says it once, however many pods there are", async () => {
  const log = new RecordingLogger();
  answer = (name) => ({ outcome: "refused", reason: `403 ${name}`, retryAfterMs: 0 });
  const them = evictions({ log });
  them.follow(["a", "b", "c"].map((name) => pod(name)));
  await pass(4 * 60_000);
  expect(asked).toHaveLength(3);
  expect(log.causes).toEqual(["403 a"]);
  expect(them.of("default/c")).toEqual({ state: "refused", reason: "403 c" });
});

test("none is evicted while the runtime would not call Multus for the pods that take the places", async () => {
  isMultusCalled = false;
  const them = evictions();
  them.follow([pod("a")]);
  await pass(60_000);
  expect(asked).toEqual([]);
  expect(them.of("default/a")).toEqual({ state: "waits", reason: "00-multus.conf is not in place" });
  isMultusCalled = true;
  await pass(15_000);
  expect(asked).toHaveLength(1);
});

test("pods that are gone, or have their networks by then, are not asked for", async () => {
  const them = evictions();
  them.follow([pod("a"), pod("b")]);
  them.follow([pod("b")]);
  answer = () => ({ outcome: "gone", reason: "404", retryAfterMs: 0 });
  await pass(60_000);
  expect(asked).toEqual(["b at 2000"]);
  expect(them.of("default/a")).toBeUndefined();
  expect(them.of("default/b")).toBeUndefined();
});
