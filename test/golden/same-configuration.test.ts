/** Over all recorded cases: what a plugin got at ADD it gets at CHECK and DEL, plus prevResult, and nothing else. */

import { beforeAll, describe, expect, test } from "vitest";
import type { Kernels } from "../../src/kernels/index.ts";
import { loadKernels } from "../../src/kernels/load.ts";
import { allCases, type JsonObject } from "./cases.ts";
import type { ComparableCall } from "./expectation.ts";
import { Replay } from "./replay.ts";
import { ScratchHost } from "./scratch-host.ts";
import { surroundings } from "./surroundings.ts";

let kernels: Kernels;

beforeAll(() => {
  kernels = loadKernels();
});

function withoutResult({ stdin }: ComparableCall): JsonObject {
  const { prevResult: _result, ...given } = stdin;
  return given;
}

const keyOf = ({ plugin, ifName }: ComparableCall) => `${plugin} ${ifName}`;

/** Each plugin's configurations at each interface, in order of the calls: a list may have a plugin twice. */
function givenBy(calls: readonly ComparableCall[]): ReadonlyMap<string, readonly JsonObject[]> {
  const given = new Map<string, JsonObject[]>();
  for (const call of calls) {
    given.set(keyOf(call), [...(given.get(keyOf(call)) ?? []), withoutResult(call)]);
  }
  return given;
}

/** Cases in which a plugin that was ADDed is asked again. */
const comparable = allCases.filter(({ steps }) => {
  const keys = (isAdd: boolean) =>
    steps.flatMap(({ calls }) =>
      calls
        .filter(({ env }) => (env.CNI_COMMAND === "ADD") === isAdd)
        .map(({ plugin, env }) => `${plugin} ${env.CNI_IFNAME}`),
    );
  return keys(false).some((key) => keys(true).includes(key));
});

describe.each(["one daemon", "a daemon that is restarted before each step"])("with %s", (daemon) => {
  describe.each(surroundings)("and %s", (where) => {
    test.each(comparable)("$name", async (golden) => {
      using host = new ScratchHost(golden);
      let replay = new Replay(golden, host, kernels, where);
      let added: ReadonlyMap<string, readonly JsonObject[]> = new Map();
      let compared = 0;
      for (const [index, step] of golden.steps.entries()) {
        if (daemon !== "one daemon") replay = new Replay(golden, host, kernels, where);
        const { calls } = await replay.run(step);
        const additions = calls.filter(({ command }) => command === "ADD");
        if (additions.length > 0) added = givenBy(additions);
        for (const command of ["CHECK", "DEL"]) {
          const asked = calls.filter((call) => call.command === command);
          for (const [key, given] of givenBy(command === "DEL" ? asked.toReversed() : asked)) {
            const then = added.get(key) ?? [];
            // An ADD that failed before these plugins has still to be undone.
            const known = Math.min(given.length, then.length);
            // A failure ends its command: CHECK begins with the first plugin, DEL with the last.
            const isEndOnly = command === "DEL" && given.length < then.length;
            expect(given.slice(0, known), `${command} of ${key} in step ${index}`).toEqual(
              isEndOnly ? then.slice(-known) : then.slice(0, known),
            );
            compared += known;
          }
        }
      }
      expect(compared).toBeGreaterThan(0);
    });
  });
});
