/** An ADD whose client has gone: the plan is not completed in the background, where no limit would count its cost. */

import { existsSync, readdirSync } from "node:fs";
import { setImmediate as immediately } from "node:timers/promises";
import { expect, test } from "vitest";
import { Admission, type Turn } from "../../../src/daemon/admission.ts";
import { loadKernels } from "../../../src/kernels/load.ts";
import type { Nad } from "../../../src/multus/plan/nads.ts";
import { answerOf, Rig, selecting } from "./rig.ts";

test("looks no further network up, runs nothing and leaves nothing", async () => {
  const asked: string[] = [];
  const { promise: answered, resolve: answer } = Promise.withResolvers<void>();
  const nads = {
    async get(namespace: string, name: string): Promise<Nad> {
      asked.push(name);
      await answered;
      const config = Buffer.from('{"cniVersion":"1.0.0","type":"macvlan"}');
      return { namespace, name, config, annotations: {}, where: name };
    },
  };
  using rig = new Rig(loadKernels(), { nads });
  const { promise: started, resolve: start } = Promise.withResolvers<Turn>();
  new Admission(1).enter({ command: "ADD", containerId: "", share: "", bytes: 1 }, start);
  const turn = await started;
  const handled = rig.run("ADD", { annotations: selecting("a,b,c,d"), pause: turn.pause });
  while (asked.length === 0) await immediately();
  turn.abandon();
  expect(answerOf(await handled)).toMatchObject({ code: 11 });
  answer();
  for (let turns = 0; turns < 20; turns++) await immediately();
  expect(asked).toEqual(["a"]);
  expect(rig.plugins.calls).toEqual([]);
  expect(existsSync(rig.cniDir) ? readdirSync(rig.cniDir) : []).toEqual([]);
});
