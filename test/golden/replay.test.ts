/** The recorded cases of Go multus, replayed: ours has to do the same, but for the differences in allowed-differences.ts. */

import { beforeAll, describe, expect, test } from "vitest";
import type { Kernels } from "../../src/kernels/index.ts";
import { loadKernels } from "../../src/kernels/load.ts";
import { expectation, goesOn, isOfRelease430, leavesSameFiles } from "./allowed-differences.ts";
import { allCases, type GoldenCase, readCase, type StateFiles, type Step } from "./cases.ts";
import { type ComparableCall, type Expectation, recordedExpectation } from "./expectation.ts";
import { Replay } from "./replay.ts";
import { ScratchHost } from "./scratch-host.ts";
import { type Surroundings, surroundingsOf } from "./surroundings.ts";

let kernels: Kernels;

beforeAll(() => {
  kernels = loadKernels();
});

/** A step's effects, those on the API as far as these surroundings let them be seen. */
function seenIn(
  where: Surroundings,
  { command }: Step,
  all: Omit<Expectation, "routes">,
): Partial<Expectation> {
  const { events, networkStatus, ...others } = all;
  switch (where) {
    case "cluster":
      return all;
    case "cluster and runtime":
      // With the request's annotations DEL does not ask for the pod, and sends no events about one that it knows nothing of.
      return command === "DEL" ? { ...others, networkStatus } : all;
    case "files and runtime":
      return others;
  }
}

const cases = allCases.filter((golden) => !goesOn(golden));

describe.each(cases)("$name: $about", (golden) => {
  test.each(surroundingsOf(golden))("does what Go multus did, step by step, with %s", async (where) => {
    using host = new ScratchHost(golden);
    const replay = new Replay(golden, host, kernels, where);
    for (const [index, step] of golden.steps.entries()) {
      const { routeOrders: _orders, error, ...done } = await replay.run(step);
      const { routes: _routes, ...expected } = expectation(golden, index);
      const about = `step ${index}, ${step.command}`;
      expect(seenIn(where, step, done), about).toEqual(seenIn(where, step, expected));
      if (!done.succeeds) {
        expect(error).toMatchObject({ code: expect.any(Number), msg: expect.stringMatching(/\S/u) });
      }
    }
  });
});

/** The state that a step of Go multus left, and the DEL that comes after it. */
interface StateOfGo {
  readonly name: string;
  readonly golden: GoldenCase;
  readonly state: StateFiles;
  readonly del: Step;
  readonly index: number;
}

const states: readonly StateOfGo[] = cases.flatMap((golden) => {
  const index = golden.steps.findIndex((step) => step.command === "DEL");
  const before = golden.steps[index - 1];
  const del = golden.steps[index];
  const isLeft = (file: string) => !(del?.given.rm ?? []).includes(`/var/lib/cni/multus/${file}`);
  return before === undefined || del === undefined || !Object.keys(before.files).some(isLeft)
    ? []
    : [{ name: golden.name, golden, state: before.files, del, index }];
});

const orderOf = (calls: readonly ComparableCall[]) =>
  calls.map(({ plugin, command, ifName }) => [plugin, command, ifName]);

describe("DEL of what Go multus left, by a daemon that has seen nothing of it", () => {
  test.each(states)("$name", async ({ golden, state, del, index }) => {
    using host = new ScratchHost(golden);
    host.writeState(state);
    const replay = new Replay(golden, host, kernels);
    const podIsKnown = false;
    const done = await replay.run(del, podIsKnown);
    const expected = expectation(golden, index);
    expect(done.succeeds).toBe(expected.succeeds);
    if (leavesSameFiles(golden, index - 1) || isOfRelease430(golden)) {
      expect(done.calls).toEqual(expected.calls);
      expect(done.files).toEqual(expected.files);
    } else {
      // The files describe networks as Go multus does: another version, a reprinted result.
      expect(orderOf(done.calls)).toEqual(orderOf(recordedExpectation(del).calls));
      expect(Object.keys(done.files).sort()).toEqual(Object.keys(expected.files).sort());
    }
  });
});

/** The order of networks is lost with the plan; that of a chain's plugins is not. */
function byInterface(calls: readonly ComparableCall[]): ComparableCall[] {
  return calls.toSorted((left, right) => (left.ifName ?? "").localeCompare(right.ifName ?? ""));
}

describe("DEL with a plan that is torn anywhere", () => {
  test.each(["three-nads", "three-nads-4.3.0", "chain-4.3.0"])("%s", async (name) => {
    const golden = readCase(name);
    const { state, del, index } = states.find((candidate) => candidate.name === name) ?? {};
    if (state === undefined || del === undefined || index === undefined) {
      throw new Error(`${name} has no DEL`);
    }
    const [planPath] = Object.keys(state).filter((path) => !path.startsWith("results/"));
    const plan = JSON.stringify(state[planPath ?? ""]);
    const expected = expectation(golden, index).calls;
    for (let length = 0; length < plan.length; length += 97) {
      using host = new ScratchHost(golden);
      host.writeState({ ...state, [planPath ?? ""]: plan.slice(0, length) });
      const replay = new Replay(golden, host, kernels);
      const podIsKnown = length % 2 === 0;
      const done = await replay.run(del, podIsKnown);
      expect(done.succeeds, `torn after ${length} bytes`).toBe(true);
      expect(byInterface(done.calls), `torn after ${length} bytes`).toEqual(byInterface(expected));
      expect(done.files).toEqual({});
    }
  });
});

test("a selection's default route reaches the kernel, by family", async () => {
  const golden = readCase("default-route");
  const [step] = golden.steps;
  if (step === undefined) {
    throw new Error("default-route has no step");
  }
  using host = new ScratchHost(golden);
  const replay = new Replay(golden, host, kernels);
  const { routeOrders } = await replay.run(step);
  expect(routeOrders).toEqual([
    ["eth0", [4], []],
    ["net1", [4], ["10.81.0.254"]],
  ]);
});
