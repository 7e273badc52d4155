/** Delegates that fail in every way that a plugin can: the error names network, pod and plugin, and every network added before is undone. */

import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { badBehaviour, delegateCalls, installDelegate } from "../support/delegates.ts";
import { traces } from "../support/leaks.ts";
import { masterLink, TestNode } from "../support/test-node.ts";

interface Case {
  readonly plugin: string;
  readonly behaviour: keyof typeof badBehaviour | undefined;
  /** CNI error code, where the delegate's own or the spec's says which. */
  readonly code?: number;
  readonly message: RegExp;
}

const cases: readonly Case[] = [
  { plugin: "bad-error", behaviour: "error", code: 123, message: /the switch is on fire/ },
  { plugin: "bad-mute", behaviour: "mute", message: /exit code 3|no such bus/ },
  { plugin: "bad-garbage", behaviour: "garbage", message: /no valid result.*line 1, column 1/ },
  { plugin: "bad-flood", behaviour: "flood", message: /8 MiB|more than|too large/i },
  {
    plugin: "bad-endless",
    behaviour: "endless",
    message: /timeout|time ran out|did not end|not finished|within|after/i,
  },
  { plugin: "bad-crash", behaviour: "crash", message: /signal|139|crash/i },
  {
    plugin: "bad-missing",
    behaviour: undefined,
    message: /not found|no executable|is not in|cannot find|no plugin/i,
  },
];

describe("a delegate that", () => {
  let node: TestNode;
  let netconf: Readonly<Record<string, unknown>>;

  beforeAll(async () => {
    node = await TestNode.start({ daemonConfig: { delegateTimeoutMs: 1000 } });
    netconf = await node.bridgeNetconf("10.60.0.0/24");
    node.writeMacvlan("good", "10.61.0.0/24");
    for (const { plugin, behaviour } of cases) {
      if (behaviour !== undefined) installDelegate(node, plugin, badBehaviour[behaviour]);
      node.writeNetwork(`default/${plugin}`, { cniVersion: "1.0.0", name: `${plugin}-net`, type: plugin });
      node.writeNetwork(`default/${plugin}-chained`, {
        cniVersion: "1.0.0",
        name: `${plugin}-chain`,
        plugins: [
          { type: "macvlan", master: masterLink, ipam: node.hostLocal("10.62.0.0/24") },
          { type: plugin },
        ],
      });
    }
  });

  afterAll(async () => {
    await node?.[Symbol.asyncDispose]();
  });

  describe.each(cases)("$plugin", ({ plugin, behaviour, code, message }) => {
    test.each([
      { place: "last", network: plugin, networks: `good,${plugin}` },
      { place: "first, more to come", network: plugin, networks: `${plugin},good` },
      { place: "second of a chain", network: `${plugin}-chained`, networks: `good,${plugin}-chained,good` },
    ])("$place", async ({ network, networks }) => {
      const before = await traces(node);
      await using pod = await node.pod("victim", networks);
      const { error } = await node.call("ADD", pod, netconf);

      expect(error.msg).toMatch(message);
      expect(error.msg).toContain(network);
      expect(error.msg).toContain("default/victim");
      expect(error.msg).toContain(plugin);
      if (code !== undefined) expect(error.code).toBe(code);
      expect(error.code).toBeGreaterThan(0);

      const after = await traces(node);
      expect({ ...after, state: [] }).toEqual({ ...before, state: [] });
      expect(await pod.network.links()).toEqual([]);
      if (behaviour !== undefined) {
        const calls = delegateCalls(node).filter(({ containerId }) => containerId === pod.containerId);
        expect(calls.map(({ command }) => command)).toEqual(["ADD", "DEL"]);
      }

      // The runtime sends DEL after an ADD that failed.
      const del = await node.call("DEL", pod, netconf);
      if (behaviour !== undefined) del.expectSuccess();
      expect(await traces(node)).toEqual(before);
    });
  });
});
